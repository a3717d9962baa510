"""What the operator reads of a refusal in the log."""

from __future__ import annotations

from typing import Final

from assay.errors import AssayError
from assay.evidence.sgx import HELD_DATA_CLAIMS
from assay.policy import PolicySyntaxError
from assay.server.errors import StoredPolicyError
from assay.service.attestation import PolicyRefusalError

_SHOWN_PROBLEMS: Final = 8


def operator_reason(error: AssayError) -> str:
    """The sentence for the log.

    Of a policy that does not parse, without the line that it is about: that may be a JWS. Of one
    that refused data held by an enclave, without what it says of that data.
    """
    if isinstance(error, PolicyRefusalError) and _is_about_held_data(error):
        lines = ", ".join(f"line {record.rule.line}" for record in error.reasons)
        return f"the policy decided {error.decision} on data held by the enclave: {lines}"
    if not isinstance(error, PolicySyntaxError | StoredPolicyError):
        return error.message
    return "; ".join(
        f"line {problem.line}, column {problem.column}: {problem.message}"
        for problem in error.problems[:_SHOWN_PROBLEMS]
    )


def _is_about_held_data(error: PolicyRefusalError) -> bool:
    return any(
        claim.type in HELD_DATA_CLAIMS
        for record in error.reasons
        for condition in record.conditions
        for claim in condition.claims
    )
