"""One appraisal of a TPM attestation request: parsed, verified, claims, policy, result.

Pure, like the appraisal of quotes: it does no I/O and reads no clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import msgspec

from assay.appraisal.result import Compatibility, PolicyOutcome, Verdict
from assay.claims import Claim, ClaimIssuer
from assay.encoding import JsonValue
from assay.errors import Finding, MalformedEvidenceError, PolicyError, UntrustedEvidenceError
from assay.evidence.tpm.claims import extract_tpm_claims
from assay.evidence.tpm.evidence_verify import VerifiedTpmEvidence, verify_evidence
from assay.evidence.tpm.request import TpmRequest
from assay.evidence.tpm.request_verify import RequestRules
from assay.evidence.tpm.verify import ALL_PCRS, QuoteRules
from assay.policy import CompiledPolicy, Decision, Evaluation
from assay.policy.settings import PROPERTIES
from assay.x509.path import PathAnchors

_RESERVED: Final = frozenset({"cnf", "exp", "iat", "iss", "jti", "nbf", "nonce", "rp_data", "ver"})
"""What a policy cannot put at the top level of a report, and all that begins as the service's."""

_SERVICE_PREFIXES: Final = ("x-ms-", "x-assay-")


class TpmContext(msgspec.Struct, frozen=True, kw_only=True):
    """What one appraisal is judged by."""

    challenge: bytes
    """Out of the service context."""

    issuer: str
    policy: CompiledPolicy
    policy_signer: JsonValue = None
    at: datetime
    anchors: PathAnchors
    compatibility: Compatibility = Compatibility.CURRENT


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportTerms:
    """What the policy's properties say of the report."""

    validity: timedelta | None = None
    """From issue to end, where the policy says it."""

    omit_x5c: bool = False


class TpmResult(msgspec.Struct, frozen=True, kw_only=True):
    """The conclusion of one appraisal."""

    verdict: Verdict
    at: datetime
    policy: PolicyOutcome
    findings: tuple[Finding, ...] = ()
    incoming: tuple[Claim, ...] = ()
    """What the policy saw."""

    token_claims: dict[str, JsonValue] = msgspec.field(default_factory=dict)
    """Everything for the report but issuer, times and identifier; only with `PERMIT`."""

    terms: ReportTerms = ReportTerms()


def appraise_tpm(request: TpmRequest, context: TpmContext) -> TpmResult:
    """Appraise a request. What is wrong with it is in the result, not raised."""
    policy = context.policy
    try:
        settings = policy.configuration()
        # 1. Signatures, bindings, quotes and logs. From here on the type says it was done.
        verified = verify_evidence(
            request,
            RequestRules(
                challenge=context.challenge,
                anchors=context.anchors,
                require_aik_certificate=settings.get("require_valid_aik_cert", True) is True,
                quote=QuoteRules(required_pcrs=int(settings.get("required_pcr_mask", ALL_PCRS))),
                at=context.at,
            ),
        )
        # 2. Verified evidence to claims.
        incoming = (*extract_tpm_claims(verified), *_custom_claims(request, context.issuer))
        # 3. Claims to a decision.
        evaluation = policy.evaluate(incoming)
        terms = _terms(evaluation)
    except (MalformedEvidenceError, UntrustedEvidenceError) as error:
        outcome = PolicyOutcome(hash=policy.hash)
        return TpmResult(
            verdict=Verdict.INVALID, at=context.at, policy=outcome, findings=error.findings
        )
    except PolicyError as error:
        outcome = PolicyOutcome(hash=policy.hash, error=error.message)
        return TpmResult(verdict=Verdict.DENY, at=context.at, policy=outcome)
    outcome = PolicyOutcome(hash=policy.hash, evaluation=evaluation)
    if evaluation.decision is not Decision.PERMIT:
        return TpmResult(verdict=Verdict.DENY, at=context.at, policy=outcome, incoming=incoming)
    return TpmResult(
        verdict=Verdict.PERMIT,
        at=context.at,
        policy=outcome,
        incoming=incoming,
        token_claims=_token_claims(verified, evaluation, context),
        terms=terms,
    )


def _custom_claims(request: TpmRequest, issuer: str) -> tuple[Claim, ...]:
    """What the client says of itself, under names that are no claim of the service."""
    return tuple(
        Claim(f"{issuer}/{one.name}", one.value, ClaimIssuer.CUSTOM)
        for one in request.custom_claims
    )


def _token_claims(
    verified: VerifiedTpmEvidence, evaluation: Evaluation, context: TpmContext
) -> dict[str, JsonValue]:
    request = verified.request
    issued = dict(evaluation.issued)
    claims: dict[str, JsonValue] = {}
    if context.compatibility is Compatibility.Y2021:
        claims |= {name: value for name, value in issued.items() if not _is_reserved(name)}
    elif issued:
        claims["x-ms-policy"] = issued
    if context.policy_signer is not None:
        claims["x-ms-policy-signer"] = context.policy_signer
    if request.relying_party_data:
        claims |= {"rp_data": request.relying_party_data, "nonce": request.relying_party_data}
    return {
        **claims,
        "cnf": {"jwk": dict(request.request_key.jwk)},
        "ver": "1.0",
        "x-assay-request-key-binding": verified.binding.value,
        "x-ms-policy-hash": context.policy.hash,
        "x-ms-tpm-request-key": verified.request_key_view,
        "x-ms-ver": "1.0",
    }


def _is_reserved(name: str) -> bool:
    return name in _RESERVED or name.startswith(_SERVICE_PREFIXES)


def _terms(evaluation: Evaluation) -> ReportTerms:
    """The terms of the report.

    Raises:
        PolicyError: A property has a value that it cannot have: to fall back to a
            default would change what the policy's author meant, in silence.
    """
    found = evaluation.properties
    for name, known in PROPERTIES.items():
        value = found.get(name)
        if value is not None and not (isinstance(value, str | int) and known.fits(value)):
            raise PolicyError(f"{name}: {known.expected} is expected, got {value!r}")
    minutes = found.get("report_validity_in_minutes")
    return ReportTerms(
        validity=timedelta(minutes=minutes) if isinstance(minutes, int) else None,
        omit_x5c=found.get("omit_x5c") is True,
    )
