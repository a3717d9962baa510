"""Verification of a whole attestation request: who signed it, and what the TPM says of that key.

What the platform has measured is not judged here: `log_verify` does that with the quotes.

Source: Microsoft Azure Attestation, TPM and VBS attestation protocol, "Message flow".
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique

from assay.errors import Finding, UntrustedEvidenceError
from assay.evidence.tpm.request import (
    BoundKey,
    CertifyBinding,
    PlatformAttestation,
    QuoteBinding,
    TpmRequest,
)
from assay.evidence.tpm.request_jws import ProtocolVersion, verify_jws
from assay.evidence.tpm.signature import PublicKey, same_key
from assay.evidence.tpm.verify import (
    QuoteRules,
    VerifiedTpmKey,
    VerifiedTpmQuote,
    verify_aik_certificate,
    verify_boot_order,
    verify_certification,
    verify_quote,
)
from assay.x509.path import PathAnchors

_SEPARATOR = b"\0"


@unique
class Binding(StrEnum):
    """What ties the key that signed a request to the platform."""

    QUOTE = "quote"
    CERTIFY = "certify"

    NONE = "none"
    """Nothing does: whoever has a quote for the challenge may have signed with their own key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRules:
    """What one request is held to."""

    challenge: bytes
    """Out of the service context, not out of the request."""

    anchors: PathAnchors
    require_aik_certificate: bool
    quote: QuoteRules
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedTpmRequest:
    """A request that its key signed, with quotes that its attestation key signed.

    Only this module constructs it; `tests/test_architecture.py` fails otherwise.
    """

    request: TpmRequest
    aik_findings: tuple[Finding, ...]
    """Why nobody vouches for the attestation key; nothing where its certificate is valid."""

    current: VerifiedTpmQuote
    boot: VerifiedTpmQuote | None
    binding: Binding
    certified: tuple[VerifiedTpmKey | None, ...]
    """Of the request key and the others in their order: what the TPM certified."""

    @property
    def aik_validated(self) -> bool:
        """Whether an authority that the operator trusts says that the key is in a TPM."""
        return not self.aik_findings


def verify_request(request: TpmRequest, rules: RequestRules) -> VerifiedTpmRequest:
    """Verify a request, but for what it says was measured.

    Raises:
        MalformedEvidenceError: A structure in it does not parse.
        UntrustedEvidenceError: A check failed.
    """
    # 1. It answers the challenge that it was given.
    if not hmac.compare_digest(request.challenge, rules.challenge):
        raise _refused(
            "tpm.request.challenge", "the challenge of its service context", "another challenge"
        )
    # 2. Whoever sent it has the key that it names.
    verify_jws(request.jws, request.request_key.key)
    # 3. That key is tied to the platform.
    binding = _binding(request)
    # 4. The attestation key is one of a TPM, or the policy does without knowing.
    aik = request.current.aik
    findings = _aik_findings(request.current, rules)
    if findings and rules.require_aik_certificate:
        raise UntrustedEvidenceError(str(findings[0]), findings=findings)
    # 5. It signed the quotes, now and before the restart.
    current = _verified_quote(request.current, rules.quote, _extra_data(request, rules.challenge))
    boot = _verified_boot(request, rules, current)
    # 6. It certified the keys that say so.
    certified = tuple(
        _certified(key, aik, rules.challenge) for key in (request.request_key, *request.other_keys)
    )
    return VerifiedTpmRequest(
        request=request,
        aik_findings=findings,
        current=current,
        boot=boot,
        binding=binding,
        certified=certified,
    )


def _binding(request: TpmRequest) -> Binding:
    found = request.request_key.binding
    if isinstance(found, QuoteBinding):
        return Binding.QUOTE
    if isinstance(found, CertifyBinding):
        return Binding.CERTIFY
    if request.jws.version is ProtocolVersion.V2:
        raise _refused(
            "tpm.request_key.unbound",
            "a request key that is bound by tpm_quote or tpm_certify",
            "one without info",
            "bind the key: whoever has a quote could send it with a key of their own otherwise",
        )
    return Binding.NONE


def _extra_data(request: TpmRequest, challenge: bytes) -> bytes:
    key = request.request_key
    if isinstance(key.binding, QuoteBinding):
        return key.binding.hash.digest(key.text + _SEPARATOR + challenge)
    return challenge


def _aik_findings(attestation: PlatformAttestation, rules: RequestRules) -> tuple[Finding, ...]:
    if attestation.aik_certificate is None:
        return (
            Finding(
                check="tpm.aik_certificate.missing",
                expected="a certificate of the attestation key",
                actual="none",
                hint="have the key certified: `assay tpm enroll`, or certreq -enrollaik on Windows",
            ),
        )
    try:
        verify_aik_certificate(
            attestation.aik_certificate, attestation.aik, anchors=rules.anchors, at=rules.at
        )
    except UntrustedEvidenceError as error:
        return error.findings
    return ()


def _verified_quote(
    attestation: PlatformAttestation, rules: QuoteRules, extra_data: bytes | None
) -> VerifiedTpmQuote:
    return verify_quote(
        attestation.quote,
        attestation.aik,
        pcrs=attestation.pcrs,
        extra_data=extra_data,
        rules=rules,
    )


def _verified_boot(
    request: TpmRequest, rules: RequestRules, current: VerifiedTpmQuote
) -> VerifiedTpmQuote | None:
    attestation = request.boot
    if attestation is None:
        return None
    # Its certificate is not looked at: that of the current attestation is of the same key.
    if not same_key(request.current.aik, attestation.aik):
        raise _refused(
            "tpm.boot.signer", "the attestation key of the current attestation", "another"
        )
    boot = _verified_quote(attestation, rules.quote, None)
    verify_boot_order(boot, current, restarted=request.resumed)
    return boot


def _certified(key: BoundKey, aik: PublicKey, challenge: bytes) -> VerifiedTpmKey | None:
    binding = key.binding
    if not isinstance(binding, CertifyBinding):
        return None
    return verify_certification(
        binding.certification,
        aik,
        public=binding.public,
        certified=key.key,
        extra_data=challenge,
    )


def _refused(check: str, expected: str, actual: str, hint: str = "") -> UntrustedEvidenceError:
    finding = Finding(check=check, expected=expected, actual=actual, hint=hint)
    return UntrustedEvidenceError(str(finding), findings=[finding])
