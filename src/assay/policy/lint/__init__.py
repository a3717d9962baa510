"""Finds what is allowed in a policy and probably wrong.

Every code is stable and listed in `CODES`.
"""

from __future__ import annotations

from typing import Final

from assay.policy.evaluation import CompiledPolicy
from assay.policy.lint.arguments import lint_arguments
from assay.policy.lint.names import lint_issued, lint_names, lint_settings
from assay.policy.lint.queries import lint_queries
from assay.policy.lint.rules import lint_actions, lint_conditions, lint_decision, lint_literals
from assay.policy.lint.silence import silenced
from assay.policy.lint.subject import LintFinding, Severity, Subject
from assay.policy.source import Source

__all__ = ["CODES", "LintFinding", "Severity", "lint_policy"]

CODES: Final = (
    "argument-type",
    "configuration-condition",
    "deny-list-open",
    "deprecated-claim",
    "duplicate-rule",
    "existence-test",
    "ignored-property",
    "impossible-test",
    "integer-range",
    "issue-in-authorization",
    "jmespath-bare-literal",
    "jmespath-number-as-string",
    "jmespath-syntax",
    "jmespath-top-key",
    "jmespath-vacuous-null",
    "line-ends",
    "missing-issuer",
    "negation-open",
    "never-permits",
    "ordering-type",
    "placeholder",
    "requires-debuggable",
    "reserved-name",
    "setting-effect",
    "setting-value",
    "silence-unknown",
    "silence-unused",
    "string-line-break",
    "type-mismatch",
    "unconditional-permit",
    "unknown-claim",
    "unknown-escape",
    "unknown-setting",
    "untyped-condition",
    "unused-identifier",
    "use-before-add",
)
"""Every code there is, sorted."""

_LINTERS: Final = (
    *(lint_decision, lint_conditions, lint_actions, lint_literals),
    *(lint_names, lint_issued, lint_settings, lint_queries, lint_arguments),
)


def lint_policy(
    policy: CompiledPolicy, attestation_type: str | None = None
) -> tuple[LintFinding, ...]:
    """What is probably wrong with `policy`, in the order of its text.

    A comment silences what its author has thought about: `// assay: allow CODE - reason`.

    Args:
        policy: The policy.
        attestation_type: The type it is for, `SgxEnclave` for example; without one nothing is
            said about the names of claims.
    """
    subject = Subject(policy.tree, Source(policy.text), attestation_type)
    found = [finding for linter in _LINTERS for finding in linter(subject)]
    left = silenced(found, subject, CODES)
    return tuple(sorted(left, key=lambda finding: (finding.line, finding.column, finding.code)))
