"""DCAP verification: one procedure for SGX and TDX quotes.

Pure: the quote, the collateral, the instant and the roots go in; nothing is read from anywhere.

Source: Intel SGX/TDX DCAP Quote Verification Library; the numbers are those of `checks.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol, TypeVar

from assay.endorsements.anchors import Anchors
from assay.endorsements.collateral import DcapCollateral
from assay.endorsements.intel import (
    VerifiedCollateral,
    verify_collateral,
    verify_raw_signature,
)
from assay.endorsements.platform import Tee
from assay.errors import (
    AssayError,
    CollateralUnavailableError,
    Finding,
    FindingCollector,
    UntrustedEvidenceError,
)
from assay.evidence.dcap.memory import DcapMemory
from assay.evidence.dcap.pck import PckChain, verify_pck_chain
from assay.evidence.dcap.signature import QuoteSignature
from assay.evidence.dcap.tcb import TcbAppraisal
from assay.evidence.dcap.trust import PlatformTrust, establish_trust, read_attestation_key
from assay.evidence.verified import Verified

_PERISHABLE_OBJECTS: Final = (
    "dcap.tcb_info",
    "dcap.qe_identity",
    "dcap.root_ca_crl",
    "dcap.pck_crl",
)
_PERISHED: Final = ("_expired", "_not_yet_valid")


@dataclass(frozen=True, slots=True, kw_only=True)
class DcapVerification:
    """The arguments of one verification besides the quote."""

    collateral: DcapCollateral
    at: datetime
    roots: Anchors
    memory: DcapMemory
    expired_collateral_grace: timedelta = timedelta(0)
    """How long after their end CRLs, TCB info and QE identity may still be used."""


class DcapQuote(Protocol):
    """What the procedure needs of a parsed quote of either TEE."""

    @property
    def signed(self) -> bytes:
        """The bytes that the quote signature covers."""
        ...

    @property
    def signature(self) -> QuoteSignature:
        """The signature data."""
        ...


QuoteT = TypeVar("QuoteT", bound=DcapQuote)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedQuote(Verified[QuoteT]):
    """A quote from a genuine platform whose TCB is known and not revoked.

    Whether that TCB is good enough is not decided here.
    """

    tcb: TcbAppraisal
    document_hashes: Mapping[str, str]
    """SHA-256 of the collateral that the verdict rests on, lower-case hex, by MAA's names."""

    earliest_expiration: datetime
    """When the first certificate, CRL or document behind this verdict expires."""

    stale: tuple[str, ...]
    """What of the collateral has expired, where the grace allowed it."""


def verify_dcap(quote: QuoteT, context: DcapVerification, *, tee: Tee) -> VerifiedQuote[QuoteT]:
    """Verify a quote's signature data over its signed region.

    Raises:
        MalformedEvidenceError: The quote brings no PCK chain, or its QE report does not parse.
        CollateralUnavailableError: All that fails is that collateral is out of date.
        UntrustedEvidenceError: A check failed. All carry every finding.
    """
    collector = FindingCollector()
    trust = None
    # 2 to 6, 8. The platform and its quoting enclave.
    with collector:
        trust = _recall_trust(quote.signature, context, tee)
    # 7. The quote's own signature.
    with collector:
        _check_quote_signature(quote, trust)
    if trust is None:
        raise refusal(collector.findings)
    # 2, 3, 4. Every period of validity, at the given instant.
    at = int(context.at.timestamp())
    grace = int(context.expired_collateral_grace.total_seconds())
    findings = (*collector.findings, *trust.period.findings_at(at, grace=grace))
    if findings:
        raise refusal(findings)
    return VerifiedQuote(
        evidence=quote,
        anchor=trust.anchor.fingerprint,
        at=context.at,
        simulated=trust.anchor.simulated,
        tcb=trust.tcb,
        document_hashes=trust.collateral.document_hashes,
        earliest_expiration=datetime.fromtimestamp(trust.period.not_after, UTC),
        stale=trust.period.expired_at(at),
    )


def refusal(findings: Iterable[Finding]) -> AssayError:
    """The error of the family that fits `findings`: whose fault they are decides it."""
    found = tuple(findings)
    message = f"the evidence does not verify: {found[0]}"
    if all(_is_perished_collateral(finding) for finding in found):
        return CollateralUnavailableError(message, findings=found)
    return UntrustedEvidenceError(message, findings=found)


def _is_perished_collateral(finding: Finding) -> bool:
    return finding.check.startswith(_PERISHABLE_OBJECTS) and finding.check.endswith(_PERISHED)


def _recall_trust(signature: QuoteSignature, context: DcapVerification, tee: Tee) -> PlatformTrust:
    memory = context.memory
    if memory.roots != context.roots:
        raise ValueError("the memory is that of other roots")
    key = hashlib.sha256(signature.quoting_part)
    # The same bytes mean other parts in a version 3 quote than in later ones.
    key.update(b"nested" if signature.nested else b"listed")
    key.update(context.collateral.digest)
    key.update(tee.value.encode())
    return memory.platforms.recall(key.digest(), lambda: _establish_trust(signature, context, tee))


def _establish_trust(
    signature: QuoteSignature, context: DcapVerification, tee: Tee
) -> PlatformTrust:
    memory = context.memory
    collector = FindingCollector()
    collateral: VerifiedCollateral | None = None
    pck: PckChain | None = None
    with collector:
        pck = memory.pck_chains.recall(
            hashlib.sha256(
                signature.certification_type.to_bytes(2, "little") + signature.certification_data
            ).digest(),
            lambda: verify_pck_chain(signature, roots=context.roots),
        )
    with collector:
        collateral = memory.collateral.recall(
            context.collateral.digest,
            lambda: verify_collateral(context.collateral, roots=context.roots),
        )
    if pck is None or collateral is None:
        raise UntrustedEvidenceError(
            "the chain or the collateral does not verify", findings=collector.findings
        )
    return establish_trust(signature, pck, collateral, tee=tee)


def _check_quote_signature(quote: DcapQuote, trust: PlatformTrust | None) -> None:
    signature = quote.signature
    key = trust.attestation_key if trust is not None else read_attestation_key(signature)
    if not verify_raw_signature(key, signature.signature, quote.signed):
        raise UntrustedEvidenceError(
            "the quote's signature is bad",
            findings=[
                Finding(
                    check="dcap.quote.quote_signature",
                    expected="a signature by the attestation key over header and body",
                    actual="a bad one",
                )
            ],
        )
