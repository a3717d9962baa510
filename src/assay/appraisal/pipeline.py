"""One appraisal: bytes, parsed, verified, claims, policy, result.

Pure: it does no I/O and reads no clock, so that a verdict can be replayed years later from the
stored evidence, collateral, policy and time.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any, Final, Generic

import msgspec

from assay.appraisal.bindings import init_time_claims, runtime_claims
from assay.appraisal.result import (
    AppraisalRequest,
    AppraisalResult,
    AppraisalSettings,
    CheckOutcome,
    Compatibility,
    PolicyOutcome,
    Verdict,
)
from assay.claims import Claim, ClaimSet
from assay.claims.names import Where, claim_names
from assay.encoding import JsonValue
from assay.endorsements.anchors import Anchors
from assay.endorsements.collateral import DcapCollateral
from assay.endorsements.platform import DcapPlatform
from assay.errors import (
    AssayError,
    CollateralUnavailableError,
    Finding,
    FindingCollector,
    MalformedEvidenceError,
    UntrustedEvidenceError,
)
from assay.evidence.dcap.checks import Check
from assay.evidence.dcap.memory import DcapMemory
from assay.evidence.dcap.tcb import TcbAppraisal
from assay.evidence.dcap.verify import DcapVerification
from assay.evidence.format import AttestationType, EvidenceT, Format, VerifiedT
from assay.evidence.registry import FORMATS
from assay.policy import CompiledPolicy, Decision, PolicyEvaluationError
from assay.policy.settings import TCB_IDENTIFIER

_DEFAULT_BASELINE: Final = "azuredefault"

APPRAISAL_CHECKS: Final = (
    Check(
        "10",
        "the data sent beside the evidence is what the evidence vouches for",
        ("appraisal.runtime_data.", "appraisal.init_time_data."),
        needs=("1",),
    ),
)


class AppraisalContext(msgspec.Struct, frozen=True, kw_only=True):
    """What one appraisal is judged by."""

    collateral: DcapCollateral | None
    """None where nobody was asked for any, as no trusted root certified the platform."""

    policy: CompiledPolicy
    policy_signer: JsonValue = None
    """The JWK of the key that signed the stored policy; `None` where it is unsigned or a draft."""

    at: datetime
    roots: Anchors
    settings: AppraisalSettings
    memory: DcapMemory


class ParsedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request whose evidence has been parsed: structure only, nothing verified."""

    request: AppraisalRequest
    evidence: Any
    """What the format's `parse` returned."""

    def platform(self) -> DcapPlatform:
        """The platform that the evidence claims to come from, to choose collateral by.

        Raises:
            MalformedEvidenceError: The evidence does not name it.
            UntrustedEvidenceError: What it names it by does not parse.
        """
        return FORMATS[self.request.evidence_type].platform(self.evidence)

    def certified_platform(self, memory: DcapMemory) -> DcapPlatform:
        """The platform that the evidence comes from, to ask others for collateral of.

        Raises:
            MalformedEvidenceError: The evidence does not name it.
            UntrustedEvidenceError: The certificate that it names it by does not verify under the
                roots of `memory`.
        """
        return FORMATS[self.request.evidence_type].certified_platform(self.evidence, memory)


def parse_request(request: AppraisalRequest) -> ParsedRequest:
    """Bytes to a parsed value.

    Raises:
        MalformedEvidenceError: The evidence does not follow its format.
    """
    evidence = FORMATS[request.evidence_type].parse(request.evidence)
    return ParsedRequest(request=request, evidence=evidence)


def appraise(request: AppraisalRequest, context: AppraisalContext) -> AppraisalResult:
    """Appraise evidence. Whatever is wrong with it is in the result, not raised."""
    try:
        parsed = parse_request(request)
    except MalformedEvidenceError as error:
        return unverified_result(request, error, policy=context.policy, at=context.at)
    return appraise_parsed(parsed, context)


def appraise_parsed(parsed: ParsedRequest, context: AppraisalContext) -> AppraisalResult:
    """Appraise evidence that has been parsed. What is wrong with it is in the result."""
    request = parsed.request
    try:
        return _appraise(FORMATS[request.evidence_type], parsed, context)
    except (MalformedEvidenceError, UntrustedEvidenceError, CollateralUnavailableError) as error:
        return _refused_result(request, error, policy=context.policy, at=context.at)


def unverified_result(
    request: AppraisalRequest, error: AssayError, *, policy: CompiledPolicy, at: datetime
) -> AppraisalResult:
    """The result for evidence that `error` ended before anything could be verified.

    Either its own structure is wrong, or there is no collateral to hold it against.
    """
    return _refused_result(request, error, policy=policy, at=at, verified=False)


def _refused_result(
    request: AppraisalRequest,
    error: AssayError,
    *,
    policy: CompiledPolicy,
    at: datetime,
    verified: bool = True,
    tcb: TcbAppraisal | None = None,
) -> AppraisalResult:
    """The result for evidence that `error` refused before the policy could judge it."""
    unavailable = isinstance(error, CollateralUnavailableError)
    return AppraisalResult(
        verdict=Verdict.ERROR if unavailable else Verdict.INVALID,
        evidence_type=request.evidence_type,
        at=at,
        policy=PolicyOutcome(hash=policy.hash),
        checks=_outcomes(request.evidence_type, error.findings, verified=verified),
        findings=error.findings,
        tcb=tcb,
    )


class _Known(msgspec.Struct, Generic[VerifiedT], frozen=True):
    """Everything known once the evidence has been verified."""

    verified: VerifiedT
    claims: ClaimSet
    bound: dict[str, JsonValue]

    def incoming(self) -> tuple[Claim, ...]:
        held = (Claim(name, value) for name, value in self.bound.items() if isinstance(value, str))
        return (*self.claims.incoming, *held)


def _appraise(
    fmt: Format[EvidenceT, VerifiedT], parsed: ParsedRequest, context: AppraisalContext
) -> AppraisalResult:
    request = parsed.request
    # 1. Signature, chain, revocation, freshness, TCB, and what was sent beside the evidence.
    #    From here on the type says it was done.
    verified, bound = _verify(fmt, parsed.evidence, request, context)
    try:
        _check_tcb_status(verified.tcb, context.settings)
        # 2. Verified evidence to claims.
        known = _Known(verified, fmt.claims(verified, request.evidence), bound)
        # 3. Claims to a decision.
        return _evaluate(known, request, context)
    except (UntrustedEvidenceError, CollateralUnavailableError) as error:
        return _refused_result(
            request, error, policy=context.policy, at=context.at, tcb=verified.tcb
        )


def _verify(
    fmt: Format[EvidenceT, VerifiedT],
    parsed: EvidenceT,
    request: AppraisalRequest,
    context: AppraisalContext,
) -> tuple[VerifiedT, dict[str, JsonValue]]:
    collector = FindingCollector()
    bound: dict[str, JsonValue] = {}
    # The fields are those of bytes that nobody has verified yet: all that these two checks can
    # do is add reasons to refuse.
    fields = fmt.bound_fields(parsed)
    with collector:
        bound |= runtime_claims(request.runtime_data, fields, fmt.held_data_claims)
    with collector:
        bound |= init_time_claims(request.init_time_data, fields)
    verification = DcapVerification(
        collateral=context.collateral,
        at=context.at,
        roots=context.roots,
        memory=context.memory,
        expired_collateral_grace=context.settings.expired_collateral_grace,
    )
    try:
        verified = fmt.verify(parsed, verification)
    except AssayError as error:
        if not collector.findings:
            raise
        findings = (*error.findings, *collector.findings)
        raise UntrustedEvidenceError(error.message, findings=findings) from error
    if collector.findings:
        raise UntrustedEvidenceError(str(collector.findings[0]), findings=collector.findings)
    return verified, bound


def _evaluate(
    known: _Known[VerifiedT], request: AppraisalRequest, context: AppraisalContext
) -> AppraisalResult:
    policy = context.policy
    incoming = known.incoming()
    issued: dict[str, JsonValue] = {}
    token_claims: dict[str, JsonValue] = {}
    verdict = Verdict.DENY
    verified = known.verified
    try:
        wanted = baseline(policy)
        _check_baseline(verified.tcb, wanted)
        evaluation = policy.evaluate(incoming)
    except PolicyEvaluationError as error:
        outcome = PolicyOutcome(hash=policy.hash, error=error.message)
    else:
        outcome = PolicyOutcome(hash=policy.hash, evaluation=evaluation)
        if evaluation.decision is Decision.PERMIT:
            verdict = Verdict.PERMIT
            issued = dict(evaluation.issued)
            # 4. What the token will say.
            token_claims = _token_claims(known, issued, request, context, wanted)
    return AppraisalResult(
        verdict=verdict,
        evidence_type=request.evidence_type,
        at=context.at,
        policy=outcome,
        checks=_all_passed(request.evidence_type),
        tcb=verified.tcb,
        simulated=verified.simulated,
        stale=verified.stale,
        earliest_expiration=verified.earliest_expiration,
        incoming=incoming,
        issued=issued,
        token_claims=token_claims,
    )


def _token_claims(
    known: _Known[VerifiedT],
    issued: dict[str, JsonValue],
    request: AppraisalRequest,
    context: AppraisalContext,
    tcb_identifier: str,
) -> dict[str, JsonValue]:
    settings = context.settings
    reserved = _service_claims(request.evidence_type)
    claims = {name: value for name, value in issued.items() if name not in reserved}
    if settings.compatibility is Compatibility.CURRENT:
        if issued:
            claims["x-ms-policy"] = issued
        claims[TCB_IDENTIFIER] = tcb_identifier
    if settings.tcb_claims_in_token:
        claims |= _tcb_claims(known.verified.tcb)
    if known.verified.stale:
        claims["x-assay-expired-collateral"] = list(known.verified.stale)
    if known.verified.simulated:
        claims["x-assay-simulated"] = True
    if context.policy_signer is not None:
        claims["x-ms-policy-signer"] = context.policy_signer
    if request.nonce is not None:
        claims["nonce"] = request.nonce
    return {
        **claims,
        **known.bound,
        **known.claims.token,
        "x-ms-policy-hash": context.policy.hash,
        "x-ms-ver": "1.0",
    }


@cache
def _service_claims(evidence_type: AttestationType) -> frozenset[str]:
    """The names that are the service's: a policy that issues one of them cannot shadow it."""
    return frozenset(
        row.name for row in claim_names(evidence_type.value).values() if Where.TOKEN in row.where
    )


def _tcb_claims(tcb: TcbAppraisal) -> dict[str, JsonValue]:
    return {
        "x-assay-tcb-status": tcb.status.value,
        "x-assay-tcb-date": tcb.tcb_date_text,
        "x-assay-evaluation-number": tcb.evaluation_number,
        "x-assay-advisory-ids": list(tcb.advisory_ids),
    }


def baseline(policy: CompiledPolicy) -> str:
    """The TCB baseline that a policy asks for: `azuredefault`, or an evaluation data number."""
    return str(policy.configuration().get(TCB_IDENTIFIER, _DEFAULT_BASELINE))


def _check_baseline(tcb: TcbAppraisal, wanted: str) -> None:
    if wanted != _DEFAULT_BASELINE and tcb.evaluation_number < int(wanted):
        finding = Finding(
            check="dcap.tcb_info.collateral_mismatch",
            expected=f"TCB evaluation data number {wanted} or later, as the policy asks",
            actual=f"{tcb.evaluation_number}",
            hint="fetch collateral with this evaluation data number, or change the policy",
        )
        raise CollateralUnavailableError(str(finding), findings=[finding])


def _check_tcb_status(tcb: TcbAppraisal, settings: AppraisalSettings) -> None:
    if tcb.status in settings.accepted_tcb:
        return
    accepted = ", ".join(sorted(settings.accepted_tcb))
    short = "; ".join(map(str, tcb.shortfalls))
    finding = Finding(
        check="dcap.tcb.tcb_not_accepted",
        expected=f"a TCB status of {accepted}",
        actual=f"{tcb.status} as of {tcb.tcb_date_text}" + (f": {short}" if short else ""),
        hint="update the platform's firmware and software, or accept this status explicitly",
    )
    raise UntrustedEvidenceError(str(finding), findings=[finding])


@cache
def _all_passed(evidence_type: AttestationType) -> tuple[CheckOutcome, ...]:
    return tuple(CheckOutcome(check=check, passed=True) for check in _checks(evidence_type))


@cache
def _checks(evidence_type: AttestationType) -> tuple[Check, ...]:
    return (*FORMATS[evidence_type].checks, *APPRAISAL_CHECKS)


def _outcomes(
    evidence_type: AttestationType, findings: tuple[Finding, ...], *, verified: bool = True
) -> tuple[CheckOutcome, ...]:
    """Each check with its outcome.

    What needs a check that failed is not judged; nor, where nothing could be `verified`, is
    whatever does not show in the evidence alone.
    """
    passed: dict[str, bool | None] = {}
    for check in _checks(evidence_type):
        failed = any(check.covers(finding.check) for finding in findings)
        reached = (verified or check.structural) and all(passed[step] for step in check.needs)
        passed[check.step] = False if failed else (True if reached else None)
    return tuple(
        CheckOutcome(check=check, passed=passed[check.step]) for check in _checks(evidence_type)
    )
