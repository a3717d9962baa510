"""Refusals of callers, as errors whose message repeats nothing that was sent."""

from __future__ import annotations

from assay.errors import Finding, UnauthorizedError


def unauthorized(what: str, *findings: Finding) -> UnauthorizedError:
    """The error for credentials that prove nothing, for the caller to raise.

    Args:
        what: What is refused: a sentence's subject.
        findings: Why; what they expected goes into the message, what came does not.
    """
    reasons = "; ".join(f"need {one.expected}" for one in findings)
    return UnauthorizedError(f"{what}: {reasons}", findings=findings)
