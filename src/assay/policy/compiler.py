"""Text to a policy that can be evaluated, or to all reasons why not."""

from __future__ import annotations

from typing import Final

from assay.policy import syntax
from assay.policy.check import check
from assay.policy.cursor import MAX_PROBLEMS
from assay.policy.evaluation import CompiledPolicy
from assay.policy.parser import parse
from assay.policy.source import PolicyProblem, PolicySyntaxError, Source, Span

MAX_POLICY_BYTES: Final = 1_048_576
"""Of UTF-8; the largest published policy has 14 KB."""


def compile_policy(text: str) -> CompiledPolicy:
    """The policy of `text`.

    Raises:
        PolicySyntaxError: The text is not a policy, with all problems that could be found.
    """
    source = Source(text)
    _check_text(source)
    tree, problems = parse(source)
    problems += check(tree, source)
    if problems or tree.version is None:
        ordered = sorted(problems, key=lambda problem: (problem.line, problem.column))
        raise PolicySyntaxError(ordered[:MAX_PROBLEMS])
    return CompiledPolicy(tree, source, syntax.Version(tree.version.number))


def _check_text(source: Source) -> None:
    problem: PolicyProblem | None = None
    try:
        size = len(source.text.encode())
    except UnicodeEncodeError as error:
        message = "expected Unicode text, got half of a surrogate pair"
        span = Span(error.start, error.end)
        problem = source.problem(span, message, expected="Unicode text")
    else:
        if size > MAX_POLICY_BYTES:
            expected = f"at most {MAX_POLICY_BYTES} bytes"
            message = f"expected {expected}, got {size}"
            problem = source.problem(Span(0, 0), message, expected=expected)
    if problem is not None:
        raise PolicySyntaxError([problem])
