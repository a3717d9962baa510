"""The use case `attest` for TPMs: a challenge out, a request in, a report out, or the reason not.

Source: Microsoft Azure Attestation, TPM and VBS attestation protocol.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from assay.appraisal import Verdict
from assay.appraisal.tpm import TpmContext, TpmResult, appraise_tpm
from assay.encoding import decode_base64url, encode_base64url
from assay.errors import (
    Finding,
    OperationRefusedError,
    UntrustedEvidenceError,
)
from assay.evidence.tpm.request_parse import CHALLENGE_SIZE, parse_tpm_request
from assay.service.attestation import policy_refusal, sentence
from assay.service.context_ring import AnsweredChallenges, ContextKeyRing
from assay.service.instances import Instance, InstancePolicy
from assay.token import (
    REPORT_JTI_BYTES,
    REPORT_VALIDITY,
    ContextScope,
    Purpose,
    ReportSigner,
    open_context,
    report_claims,
    seal_context,
    sign_report,
)

_CHALLENGE: Final = "challenge"


class NoTpmPolicyError(OperationRefusedError):
    """The instance has no policy for TPMs, and there is no default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """What an attester has to answer, and what it brings back with the answer."""

    challenge: str
    service_context: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TpmReport:
    """What an attester gets, and why."""

    report: str
    result: TpmResult


@dataclass(frozen=True, slots=True, kw_only=True)
class TpmAttestationService:
    """Attests TPMs for any instance. Methods wait for the database where they have to."""

    ring: ContextKeyRing
    answered: AnsweredChallenges
    now: Callable[[], datetime]

    def challenge(self, instance: Instance) -> Challenge:
        """A new challenge.

        Raises:
            NoTpmPolicyError: The instance attests no TPMs.
            StoreUnavailableError: The database fails.
        """
        _policy(instance)
        challenge = secrets.token_bytes(CHALLENGE_SIZE)
        context = seal_context(
            {_CHALLENGE: encode_base64url(challenge)},
            self.ring.current(),
            _scope(instance),
            at=self.now(),
        )
        return Challenge(challenge=encode_base64url(challenge), service_context=context)

    def attest(self, instance: Instance, text: str) -> TpmReport:
        """Appraise a request and issue a report.

        Raises:
            NoTpmPolicyError: The instance attests no TPMs.
            MalformedEvidenceError: The request does not follow the protocol.
            UntrustedEvidenceError: A check failed. Carries its findings.
            PolicyRefusalError: The policy refused the evidence, or failed on it.
            StoreUnavailableError: The database fails.
        """
        policy = _policy(instance)
        # 1. The request, and the challenge that it answers.
        request = parse_tpm_request(text)
        now = self.now()
        members = open_context(request.service_context, self.ring.find, _scope(instance), at=now)
        challenge = decode_base64url(str(members[_CHALLENGE]), _CHALLENGE)
        # 2. The verification.
        definition = instance.definition
        result = appraise_tpm(
            request,
            TpmContext(
                challenge=challenge,
                issuer=instance.issuer,
                policy=policy.compiled,
                policy_signer=policy.signer,
                at=now,
                anchors=instance.tpm_anchors,
                compatibility=definition.appraisal.compatibility,
            ),
        )
        if result.verdict is Verdict.INVALID:
            raise UntrustedEvidenceError(sentence(result.findings), findings=result.findings)
        if result.verdict is not Verdict.PERMIT:
            raise policy_refusal(result.policy, definition.policy_explanations)
        # 3. Once only, as far as this process knows.
        if not self.answered.accept(challenge, at=now):
            raise _replayed()
        # 4. The report.
        return TpmReport(report=_report(instance, result, now), result=result)


def _policy(instance: Instance) -> InstancePolicy:
    if instance.tpm_policy is None:
        # What MAA says, recorded.
        raise NoTpmPolicyError(
            "A VBS attestation policy has not been set on the attestation provider."
        )
    return instance.tpm_policy


def _scope(instance: Instance) -> ContextScope:
    return ContextScope(purpose=Purpose.ATTESTATION, instance=instance.definition.name)


def _report(instance: Instance, result: TpmResult, now: datetime) -> str:
    claims = report_claims(
        result.token_claims,
        issuer=instance.issuer,
        issued_at=now,
        jti=secrets.token_hex(REPORT_JTI_BYTES),
        validity=result.terms.validity or REPORT_VALIDITY,
    )
    signer = ReportSigner(
        key=instance.keys.active,
        certificates=instance.active_certificates,
        by_thumbprint=result.terms.omit_x5c,
    )
    return sign_report(claims, signer)


def _replayed() -> UntrustedEvidenceError:
    finding = Finding(
        check="tpm.request.replayed",
        expected="a challenge that has not been answered yet",
        actual="one that was answered within its life",
        hint="ask for a new challenge for each request",
    )
    return UntrustedEvidenceError(str(finding), findings=[finding])
