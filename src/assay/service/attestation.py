"""The use case `attest`: evidence in, a token out, or the reason why not.

Everything that waits is done first (collateral); the appraisal itself is pure, and short enough
to run where it is called. Between the steps other requests have their turn: those that are there
together take each step together, one after the other, and find its code and the tables of its
curves in the processor's caches. Alone, a request waits for nothing.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec

from assay.appraisal import (
    AppraisalContext,
    AppraisalRequest,
    AppraisalResult,
    ParsedRequest,
    PolicyOutcome,
    Verdict,
    appraise_parsed,
    parse_request,
)
from assay.encoding import JsonValue
from assay.endorsements.collateral import DcapCollateral
from assay.endorsements.source import CollateralSource
from assay.errors import (
    AssayError,
    CollateralUnavailableError,
    Finding,
    PolicyDeniedError,
    UntrustedEvidenceError,
)
from assay.policy import Decision, RuleRecord
from assay.service.instance_options import PolicyExplanations
from assay.service.instances import Instance, InstancePolicy
from assay.token import attestation_claims, sign_token, unsecured_token

_JTI_BYTES: Final = 32
_VERIFIED_AT: Final = "x-assay-verified-at"


class Attestation(msgspec.Struct, frozen=True, kw_only=True):
    """What an attester gets, and why."""

    token: str
    result: AppraisalResult


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestationService:
    """Attests for any instance, with collateral from one source."""

    source: CollateralSource
    now: Callable[[], datetime]
    """The clock that tokens are dated by."""

    verify_at: datetime | None = None
    """The instant to verify evidence at instead of now. Tokens say so."""

    async def attest(
        self, instance: Instance, request: AppraisalRequest, *, draft_policy: str | None = None
    ) -> Attestation:
        """Appraise evidence and issue a token.

        A draft policy takes the place of the instance's own; the token is not signed then, so
        that nobody can take it for a result.

        Raises:
            MalformedEvidenceError: The evidence does not follow its format.
            UntrustedEvidenceError: A check failed. Carries every finding.
            CollateralUnavailableError: Collateral is missing or out of date.
            PolicySyntaxError: The draft policy is not a policy.
            PolicyEvaluationError: A configuration rule of the draft policy fails.
            PolicyRefusalError: The policy refused the evidence, or failed on it.
        """
        # 1. The policy that decides. Compiling a stranger's text may take a while.
        if draft_policy is None:
            policy = instance.policies[request.evidence_type]
        else:
            policy = await asyncio.to_thread(instance.draft, draft_policy)
        # 2. What the verification needs from elsewhere, for a platform that is certified.
        parsed = parse_request(request)
        collateral = await self._gather(parsed, instance, policy)
        await _turn_of_others()
        # 3. The verification.
        now = self.now()
        context = AppraisalContext(
            collateral=collateral,
            policy=policy.compiled,
            policy_signer=policy.signer,
            at=self.verify_at or now,
            roots=instance.definition.roots,
            settings=instance.definition.appraisal,
            memory=instance.memory,
        )
        explanations = instance.definition.policy_explanations
        if draft_policy is None:
            result = _permitted(parsed, context, explanations)
        else:
            # So may evaluating it, and saying why it refuses.
            result = await asyncio.to_thread(_permitted, parsed, context, explanations)
        await _turn_of_others()
        # 4. The token.
        token = self._issue(instance, result, now, signed=draft_policy is None)
        return Attestation(token=token, result=result)

    async def _gather(
        self, parsed: ParsedRequest, instance: Instance, policy: InstancePolicy
    ) -> DcapCollateral | None:
        """Collateral for a certified platform. For another one nobody is asked.

        Raises:
            MalformedEvidenceError: The evidence does not name its platform.
            CollateralUnavailableError: There is none.
        """
        try:
            platform = parsed.certified_platform(instance.memory)
        except UntrustedEvidenceError:
            return None  # The verification says why, and what else is wrong.
        gathered = await self.source.gather(platform, evaluation=policy.evaluation)
        return gathered.collateral

    def _issue(
        self, instance: Instance, result: AppraisalResult, now: datetime, *, signed: bool
    ) -> str:
        chosen = result.token_claims
        if self.verify_at is not None:
            chosen = {**chosen, _VERIFIED_AT: _rfc3339(self.verify_at)}
        claims: dict[str, JsonValue] = attestation_claims(
            chosen,
            issuer=instance.issuer,
            issued_at=now,
            jti=os.urandom(_JTI_BYTES).hex(),
        )
        if signed:
            return sign_token(claims, instance.keys.active, issuer=instance.issuer)
        return unsecured_token(claims, kid=instance.keys.active.kid, issuer=instance.issuer)


async def _turn_of_others() -> None:
    await asyncio.sleep(0)


def _permitted(
    parsed: ParsedRequest, context: AppraisalContext, explanations: PolicyExplanations
) -> AppraisalResult:
    result = appraise_parsed(parsed, context)
    if result.verdict is not Verdict.PERMIT:
        raise refusal(result, explanations=explanations)
    return result


class PolicyRefusalError(PolicyDeniedError):
    """The policy of an instance refused the evidence, or failed on it."""

    def __init__(
        self,
        message: str,
        *,
        findings: Sequence[Finding],
        decision: str,
        reasons: Sequence[RuleRecord] = (),
        explanations: PolicyExplanations = PolicyExplanations.FULL,
    ) -> None:
        super().__init__(message, findings=findings)
        self.decision = decision
        """`deny`, `no-permit` or `error`."""
        self.reasons = tuple(reasons)
        """The rule that denied; without one, those that would have permitted, closest first."""
        self.explanations = explanations
        """How much of this the caller may learn."""


def refusal(
    result: AppraisalResult, *, explanations: PolicyExplanations = PolicyExplanations.FULL
) -> AssayError:
    """The error of the family that fits a result which permits nothing.

    Raises:
        ValueError: It permits.
    """
    match result.verdict:
        case Verdict.INVALID:
            return UntrustedEvidenceError(sentence(result.findings), findings=result.findings)
        case Verdict.ERROR:
            return CollateralUnavailableError(sentence(result.findings), findings=result.findings)
        case Verdict.DENY:
            return policy_refusal(result.policy, explanations)
        case Verdict.PERMIT:
            raise ValueError("the result permits")


def sentence(findings: Sequence[Finding]) -> str:
    """What failed, in one sentence."""
    first, *others = findings
    more = f", and {len(others)} more checks" if len(others) > 1 else ""
    more = f", and {others[0].check}" if len(others) == 1 else more
    return f"check {first}{more}"


def policy_refusal(outcome: PolicyOutcome, explanations: PolicyExplanations) -> PolicyRefusalError:
    """The error for what a policy refused, or failed on."""
    decision = outcome.decision or Decision.DENY.value
    finding = Finding(
        check=f"appraisal.policy.{decision.replace('-', '_')}",
        expected="a policy that permits",
        actual=outcome.explanation,
        hint=outcome.rule or "",
    )
    return PolicyRefusalError(
        outcome.explanation,
        findings=[finding],
        decision=decision,
        reasons=() if outcome.evaluation is None else outcome.evaluation.reasons,
        explanations=explanations,
    )


def _rfc3339(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
