"""DCAP verification: one procedure for SGX and TDX quotes.

Pure: the quote, the collateral, the instant and the roots go in; nothing is read from anywhere.

Source: Intel SGX/TDX DCAP Quote Verification Library; the numbers are those of `checks.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final, Protocol, TypeVar

import msgspec

from assay.endorsements.anchors import Anchors
from assay.endorsements.collateral import DcapCollateral
from assay.endorsements.intel import (
    VerifiedCollateral,
    verify_collateral,
    verify_raw_signature,
)
from assay.endorsements.platform import DcapPlatform, Tee
from assay.endorsements.source import COLLATERAL_UNAVAILABLE, unavailable
from assay.errors import (
    AssayError,
    CollateralUnavailableError,
    Finding,
    FindingCollector,
    UntrustedEvidenceError,
)
from assay.evidence.dcap.memory import DcapMemory
from assay.evidence.dcap.pck import PckChain, verify_pck_chain
from assay.evidence.dcap.signature import QuoteSignature, check_certification_type
from assay.evidence.dcap.tcb import TcbAppraisal, appraise_tcb
from assay.evidence.dcap.trust import (
    PlatformStanding,
    PlatformTrust,
    examine_platform,
    examine_quoting_enclave,
    read_attestation_key,
)
from assay.evidence.verified import Verified

_PERISHABLE_OBJECTS: Final = (
    "dcap.tcb_info",
    "dcap.qe_identity",
    "dcap.root_ca_crl",
    "dcap.pck_crl",
)
_PERISHED: Final = ("_expired", "_not_yet_valid")


class DcapVerification(msgspec.Struct, frozen=True, kw_only=True):
    """The arguments of one verification besides the quote."""

    collateral: DcapCollateral | None
    """None where nobody was asked for any, as no trusted root certified the platform."""

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


class VerifiedQuote(Verified[QuoteT], frozen=True, kw_only=True):
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


def certified_platform(signature: QuoteSignature, memory: DcapMemory, *, tee: Tee) -> DcapPlatform:
    """The platform that a quote's PCK certificate names, once its chain ends in a trusted root.

    Nobody is asked for collateral on the word of a certificate that anybody can have made.

    Raises:
        MalformedEvidenceError: The quote brings no PCK certificate chain.
        UntrustedEvidenceError: The chain does not verify. Carries its findings.
    """
    # The memory is of the data, not of its type.
    check_certification_type(signature)
    return _recall_pck(signature, memory).platform(tee)


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
    standing = trust.standing
    findings = (*collector.findings, *standing.period.findings_at(at, grace=grace))
    if findings:
        raise refusal(findings)
    return VerifiedQuote(
        evidence=quote,
        anchor=standing.anchor.fingerprint,
        at=context.at,
        simulated=standing.anchor.simulated,
        tcb=trust.tcb,
        document_hashes=standing.collateral.document_hashes,
        earliest_expiration=standing.earliest_expiration,
        stale=standing.period.expired_at(at),
    )


def refusal(findings: Iterable[Finding]) -> AssayError:
    """The error of the family that fits `findings`: whose fault they are decides it."""
    found = tuple(findings)
    message = f"the evidence does not verify: {found[0]}"
    if all(_is_lack_of_collateral(finding) for finding in found):
        return CollateralUnavailableError(message, findings=found)
    return UntrustedEvidenceError(message, findings=found)


def _is_lack_of_collateral(finding: Finding) -> bool:
    perished = finding.check.startswith(_PERISHABLE_OBJECTS) and finding.check.endswith(_PERISHED)
    return perished or finding.check == COLLATERAL_UNAVAILABLE


def _recall_trust(signature: QuoteSignature, context: DcapVerification, tee: Tee) -> PlatformTrust:
    memory = context.memory
    if memory.roots != context.roots:
        raise ValueError("the memory is that of other roots")
    collateral = context.collateral
    if collateral is None:
        certified_platform(signature, memory, tee=tee)
        raise unavailable("collateral for the platform", "none", "gather it first")
    scope = collateral.digest + tee.encode()
    return memory.platforms.recall(
        signature.quoting_key() + scope,
        lambda: _establish_trust(signature, memory, collateral, tee, signature.chain_key + scope),
    )


def _recall_pck(signature: QuoteSignature, memory: DcapMemory) -> PckChain:
    return memory.pck_chains.recall(
        signature.chain_key, lambda: verify_pck_chain(signature, roots=memory.roots)
    )


def _establish_trust(
    signature: QuoteSignature, memory: DcapMemory, collateral: DcapCollateral, tee: Tee, key: bytes
) -> PlatformTrust:
    # The key is of the data, not of its type.
    check_certification_type(signature)
    standing = memory.standings.kept(key)
    if standing is None:
        standing = _establish_standing(signature, memory, collateral, tee, key)
    return _trust_enclave(signature, standing, memory, key)


def _establish_standing(
    signature: QuoteSignature, memory: DcapMemory, documents: DcapCollateral, tee: Tee, key: bytes
) -> PlatformStanding:
    """What all quotes with this PCK chain share; a refusal names the QE's faults, too."""
    collector = FindingCollector()
    collateral: VerifiedCollateral | None = None
    pck: PckChain | None = None
    with collector:
        pck = _recall_pck(signature, memory)
    with collector:
        collateral = memory.collateral.recall(
            documents.digest, lambda: verify_collateral(documents, roots=memory.roots)
        )
    if pck is None or collateral is None:
        raise refusal(collector.findings)
    with collector:
        return memory.standings.recall(key, lambda: examine_platform(pck, collateral, tee=tee))
    with collector:
        enclave = examine_quoting_enclave(signature, pck, collateral.qe_identity)
        appraise_tcb(pck.extensions, enclave.isv_svn, collateral.tcb_info, collateral.qe_identity)
    raise refusal(collector.findings)


def _trust_enclave(
    signature: QuoteSignature, standing: PlatformStanding, memory: DcapMemory, key: bytes
) -> PlatformTrust:
    pck, collateral = standing.pck, standing.collateral
    enclave = examine_quoting_enclave(signature, pck, collateral.qe_identity)
    # 8. The TCB, of the QE too.
    tcb = memory.appraisals.recall(
        (key, enclave.isv_svn),
        lambda: appraise_tcb(
            pck.extensions, enclave.isv_svn, collateral.tcb_info, collateral.qe_identity
        ),
    )
    return PlatformTrust(attestation_key=enclave.attestation_key, tcb=tcb, standing=standing)


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
