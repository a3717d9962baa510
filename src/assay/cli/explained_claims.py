"""The claims whose decision is to be explained, and where they come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from assay.appraisal import AppraisalRequest, HeldData, Verdict
from assay.claims import Claim
from assay.cli.evidence_file import read_evidence_file
from assay.cli.offline_appraisal import OfflineAppraisal
from assay.cli.options import PolicyTypeChoice
from assay.cli.policy_file import claims_of_token, read_claims_file
from assay.cli.token_file import read_token_file
from assay.errors import CollateralUnavailableError, RequestError, UntrustedEvidenceError
from assay.evidence.format import AttestationType


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedClaims:
    """What a policy is asked about."""

    claims: tuple[Claim, ...]
    kind: str
    """`claims`, `token` or `evidence`."""

    attestation_type: str | None = None
    verified: bool = False

    @property
    def caution(self) -> str:
        """What a reader must not forget; empty for verified evidence."""
        if self.kind == "token":
            return (
                "the token was not verified, and need not hold all that its evidence said: "
                "a claim that is missing here may have been there"
            )
        return "" if self.verified else "the claims come from a file: nothing vouches for them"


def explained_file(file: Path, choice: PolicyTypeChoice) -> ExplainedClaims:
    """The claims in a file.

    Raises:
        RequestError: It cannot be read.
        EncodingError: It is not an object of claims.
    """
    return ExplainedClaims(
        claims=read_claims_file(file), kind="claims", attestation_type=choice.attestation_type
    )


def explained_token(file: Path, choice: PolicyTypeChoice) -> ExplainedClaims:
    """The claims of the evidence behind a token.

    Raises:
        RequestError: It cannot be read.
        TokenError: It is no token.
        EncodingError: It does not say which type of evidence it is about.
    """
    kind, claims = claims_of_token(read_token_file(file), choice.attestation_type)
    return ExplainedClaims(claims=claims, kind="token", attestation_type=kind)


def explained_evidence(
    file: Path, choice: PolicyTypeChoice, appraisal: OfflineAppraisal, runtime_data: HeldData | None
) -> ExplainedClaims:
    """The claims of evidence that is verified first.

    Raises:
        RequestError: A file cannot be read, or there is no verifier for the type.
        MalformedEvidenceError: It is no evidence.
        UntrustedEvidenceError: It does not verify.
        CollateralUnavailableError: What the checks need is missing or out of date.
    """
    evidence = read_evidence_file(file)
    kind = evidence.attestation_type
    if choice is not PolicyTypeChoice.ANY:
        kind = _verifiable(choice)
    result = appraisal.appraise(
        AppraisalRequest(evidence_type=kind, evidence=evidence.data, runtime_data=runtime_data)
    )
    if result.verdict in {Verdict.INVALID, Verdict.ERROR}:
        family = (
            UntrustedEvidenceError
            if result.verdict is Verdict.INVALID
            else CollateralUnavailableError
        )
        raise family(f"{file}: no policy was asked: {result.findings[0]}", findings=result.findings)
    return ExplainedClaims(
        claims=result.incoming, kind="evidence", attestation_type=kind.value, verified=True
    )


def _verifiable(choice: PolicyTypeChoice) -> AttestationType:
    try:
        return AttestationType(choice.value)
    except ValueError as error:
        raise RequestError(
            f"--type: expected one of {', '.join(AttestationType)} with --evidence, "
            f"got {choice.value}"
        ) from error
