"""The service's own evidence: which enclave holds the key that tokens are signed with.

A service may put evidence into the certificate of its signing key, where the enclave that made the
key vouches for it. With `SignerEvidence` a token counts only if that evidence verifies and the
enclave is one that the relying party knows: then it need not trust whoever runs the service.

| evidence in the certificate | what is done |
|---|---|
| Open Enclave report or evidence (SGX) | verified |
| AMD SEV-SNP report | parsed, bound to the key, and refused by name: it cannot be verified here |
| none | refused, unless `mandatory` is false |

Source: Open Enclave SDK, `oe_verify_attestation_certificate`; Azure Attestation, "Verify signing
certificates".
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, final

from cryptography import x509

from assay.encoding import JsonValue
from assay.endorsements.anchors import Anchors, intel_sgx_anchors
from assay.endorsements.collateral import DcapCollateral
from assay.endorsements.platform import DcapPlatform
from assay.endorsements.tcb import TcbStatus
from assay.errors import (
    Finding,
    MalformedEvidenceError,
    RequirementError,
    TokenError,
    UntrustedEvidenceError,
)
from assay.evidence.dcap.memory import BoundedMemory, DcapMemory
from assay.evidence.dcap.verify import DcapVerification
from assay.evidence.openenclave import parse_certificate, verify_certificate
from assay.evidence.openenclave.certificate import EVIDENCE_OIDS
from assay.evidence.sgx import VerifiedSgxQuote, extract_claims, quote_platform
from assay.relying_party.requirements import Requirements
from assay.relying_party.snp_certificate import (
    SNP_OID,
    check_snp_binding,
    parse_snp_certificate,
)
from assay.token import VerificationKey
from assay.x509.chain import PARSE_ERRORS

_MEASUREMENTS: Final = frozenset({"x-ms-sgx-mrenclave", "x-ms-sgx-mrsigner"})
_KEPT_SIGNERS: Final = 64
_LOOK_AGAIN_AFTER: Final = timedelta(hours=1)
"""How long a verdict on a certificate stands, so that new collateral has its effect."""

ACCEPTED_TCB: Final = frozenset({TcbStatus.UP_TO_DATE, TcbStatus.SW_HARDENING_NEEDED})
"""What an attestation service takes by default, too."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Verdict:
    claims: Mapping[str, JsonValue]
    at: datetime
    until: datetime


@final
class SignerEvidence:
    """Demands on whoever holds the signing key. Safe to share between threads."""

    __slots__ = (
        "_accepted_tcb",
        "_allow_debug",
        "_collateral",
        "_mandatory",
        "_memory",
        "_requirements",
        "_roots",
        "_verdicts",
    )

    def __init__(
        self,
        requirements: Requirements,
        *,
        collateral: Callable[[DcapPlatform], DcapCollateral],
        roots: Anchors | None = None,
        accepted_tcb: frozenset[TcbStatus] = ACCEPTED_TCB,
        mandatory: bool = True,
        allow_debug: bool = False,
    ) -> None:
        """Demands.

        Args:
            requirements: What the claims of the evidence must be, by `require`; `mrenclave` or
                `mrsigner` among them.
            collateral: Gives what a platform's evidence is verified with, gathered before.
            roots: What to trust; Intel's root by default.
            accepted_tcb: How good the platform's TCB must be.
            mandatory: Whether a key without evidence is refused.
            allow_debug: Whether the enclave may be one that its host can look into.

        Raises:
            RequirementError: No measurement is required: any enclave would do, and anybody has one.
        """
        if not requirements.claims & _MEASUREMENTS:
            raise RequirementError(
                "evidence of the service's signing key: require mrenclave or mrsigner, or any "
                "enclave of anybody would do"
            )
        self._requirements = requirements
        self._collateral = collateral
        self._roots = intel_sgx_anchors() if roots is None else roots
        self._accepted_tcb = accepted_tcb
        self._mandatory = mandatory
        self._allow_debug = allow_debug
        self._memory = DcapMemory(self._roots, platforms=_KEPT_SIGNERS)
        self._verdicts: BoundedMemory[bytes, _Verdict] = BoundedMemory(_KEPT_SIGNERS)

    def check(self, key: VerificationKey, *, at: datetime) -> None:
        """Judge a signing key by the evidence in its certificate.

        Raises:
            TokenError: There is no evidence, it does not verify, or it is of another enclave.
            CollateralUnavailableError: There is no current collateral to verify it with.
        """
        self.claims(key, at=at)

    def claims(self, key: VerificationKey, *, at: datetime) -> Mapping[str, JsonValue]:
        """What the verified evidence says of the enclave; nothing where there may be none.

        Raises:
            TokenError: As `check`.
            CollateralUnavailableError: As `check`.
        """
        if key.certificate is None:
            return self._without_evidence()
        digest = hashlib.sha256(key.certificate).digest()
        verdict = self._verdicts.kept(digest)
        if verdict is None or not verdict.at <= at < verdict.until:
            verdict = self._judge(key.certificate, at)
            self._verdicts.keep(digest, verdict)
        return verdict.claims

    def _without_evidence(self) -> Mapping[str, JsonValue]:
        if self._mandatory:
            raise _refused(
                "token.signer.evidence_missing", "evidence in the key's certificate", "none"
            )
        return {}

    def _judge(self, der: bytes, at: datetime) -> _Verdict:
        certificate = x509.load_der_x509_certificate(der)
        kinds = _evidence_kinds(certificate)
        if not kinds:
            return _Verdict(claims=self._without_evidence(), at=at, until=at + _LOOK_AGAIN_AFTER)
        if len(kinds) > 1:
            raise _refused(
                "token.signer.evidence_ambiguous", "evidence of one kind", f"{len(kinds)} kinds"
            )
        try:
            verified = self._verify(der, certificate, kinds[0], at)
        except (MalformedEvidenceError, UntrustedEvidenceError) as error:
            raise TokenError(
                f"the service's signing key is not vouched for: {error.message}",
                findings=error.findings,
            ) from error
        until = min(verified.earliest_expiration, at + _LOOK_AGAIN_AFTER)
        return _Verdict(claims=self._judged(verified), at=at, until=until)

    def _verify(
        self, der: bytes, certificate: x509.Certificate, kind: x509.ObjectIdentifier, at: datetime
    ) -> VerifiedSgxQuote:
        if kind == SNP_OID:
            check_snp_binding(certificate, parse_snp_certificate(certificate))
            raise _refused(
                "token.signer.evidence_unsupported",
                "Open Enclave evidence, which can be verified here",
                "an AMD SEV-SNP report, bound to the key and not verified",
            )
        attested = parse_certificate(der)
        collateral = self._collateral(quote_platform(attested.evidence.quote))
        return verify_certificate(
            attested,
            DcapVerification(collateral=collateral, at=at, roots=self._roots, memory=self._memory),
        )

    def _judged(self, verified: VerifiedSgxQuote) -> Mapping[str, JsonValue]:
        body = verified.evidence.body
        found = extract_claims(verified, b"")
        claims: dict[str, JsonValue] = {one.type: one.value for one in found.incoming}
        findings = list(self._requirements.findings(claims))
        if body.is_debuggable and not self._allow_debug:
            findings.append(
                _finding(
                    "token.signer.evidence_debug",
                    "an enclave that is not in debug mode",
                    "one that is",
                )
            )
        if verified.tcb.status not in self._accepted_tcb:
            accepted = " or ".join(sorted(self._accepted_tcb))
            findings.append(
                _finding(
                    "token.signer.evidence_tcb", f"a TCB status of {accepted}", verified.tcb.status
                )
            )
        if findings:
            reasons = "; ".join(f"need {one.expected}, got {one.actual}" for one in findings)
            raise TokenError(
                f"the service's signing key is held by another enclave: {reasons}",
                findings=findings,
            )
        return claims


def _evidence_kinds(certificate: x509.Certificate) -> list[x509.ObjectIdentifier]:
    try:
        found = [extension.oid for extension in certificate.extensions]
    except PARSE_ERRORS as error:
        raise _refused(
            "token.signer.evidence_missing",
            "a certificate whose extensions parse",
            type(error).__name__,
        ) from error
    return [oid for oid in found if oid == SNP_OID or oid in EVIDENCE_OIDS]


def _finding(code: str, expected: str, actual: str) -> Finding:
    return Finding(check=code, expected=expected, actual=actual)


def _refused(code: str, expected: str, actual: str) -> TokenError:
    finding = _finding(code, expected, actual)
    return TokenError(
        f"the service's signing key needs {expected}, got {actual}", findings=[finding]
    )
