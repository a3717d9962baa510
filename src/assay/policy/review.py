"""Whether a text is a policy, and one that can do its work for an attestation type."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from assay.policy.compiler import compile_policy
from assay.policy.lint import LintFinding, Severity, lint_policy
from assay.policy.source import PolicyProblem, PolicySyntaxError

SYNTAX: Final = "syntax"
"""The code of problems for which a text is no policy."""

# Evidence of the type never has such a claim: the rule is dead, and usually misspelled.
_ERRORS_OF_A_TYPE: Final = frozenset({"unknown-claim"})


def review_policy(text: str, attestation_type: str | None = None) -> tuple[LintFinding, ...]:
    """The errors of a policy, in the order of its text.

    Without a type: those for which the service refuses the text. With one: also those for which
    it could not do what it says on such evidence, such as an unknown claim or a wrong type.
    """
    return tuple(
        replace(finding, severity=Severity.ERROR)
        for finding in lint_text(text, attestation_type)
        if finding.code == SYNTAX or (attestation_type is not None and _prevents_its_work(finding))
    )


def _prevents_its_work(finding: LintFinding) -> bool:
    return finding.severity is Severity.ERROR or finding.code in _ERRORS_OF_A_TYPE


def lint_text(text: str, attestation_type: str | None = None) -> tuple[LintFinding, ...]:
    """What is wrong with a text: its errors where it is no policy, else a linter's findings."""
    try:
        policy = compile_policy(text)
    except PolicySyntaxError as error:
        return syntax_findings(error)
    return lint_policy(policy, attestation_type)


def syntax_findings(error: PolicySyntaxError) -> tuple[LintFinding, ...]:
    """The problems of a text that is no policy, in the form of a linter's findings."""
    return tuple(_finding(problem) for problem in error.problems)


def _finding(problem: PolicyProblem) -> LintFinding:
    return LintFinding(
        code=SYNTAX,
        severity=Severity.ERROR,
        line=problem.line,
        column=problem.column,
        length=problem.length,
        message=problem.message,
        source=problem.source,
        caret=problem.caret,
    )
