"""Verification of SGX quotes.

Source: Intel SGX ECDSA QuoteVerification; the steps are in `assay.evidence.dcap`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from assay.endorsements.platform import DcapPlatform, Tee
from assay.evidence.dcap.pck import read_platform
from assay.evidence.dcap.tcb import TcbAppraisal
from assay.evidence.dcap.verify import DcapVerification, verify_dcap
from assay.evidence.sgx.quote import SgxQuote
from assay.evidence.verified import Verified


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedSgxQuote(Verified[SgxQuote]):
    """An SGX quote from a genuine platform of a TCB that is known and not revoked."""

    tcb: TcbAppraisal
    document_hashes: Mapping[str, str]
    """SHA-256 of the collateral that the verdict rests on, lower-case hex, by MAA's names."""

    earliest_expiration: datetime
    """When the first certificate, CRL or document behind this verdict expires."""

    stale: tuple[str, ...]
    """What of the collateral has expired, where the grace allowed it."""


def quote_platform(quote: SgxQuote) -> DcapPlatform:
    """The platform that a quote claims to come from, to gather collateral for; unverified.

    Raises:
        MalformedEvidenceError: The quote brings no PCK certificate chain.
        UntrustedEvidenceError: The chain or its leaf's SGX extensions do not parse.
    """
    return read_platform(quote.signature, tee=Tee.SGX)


def verify_quote(quote: SgxQuote, context: DcapVerification) -> VerifiedSgxQuote:
    """Verify a quote against collateral and roots, at an instant.

    Not checked: which enclave it is, whether it can be debugged, and what it reports; that is
    for policies to judge.

    Raises:
        MalformedEvidenceError: The quote brings no PCK chain, or its QE report does not parse.
        CollateralUnavailableError: All that fails is that collateral is out of date.
        UntrustedEvidenceError: A check failed. All carry their findings.
    """
    platform = verify_dcap(quote.signed, quote.signature, context, tee=Tee.SGX)
    trust = platform.trust
    return VerifiedSgxQuote(
        evidence=quote,
        anchor=trust.anchor.fingerprint,
        at=context.at,
        simulated=trust.anchor.simulated,
        tcb=trust.tcb,
        document_hashes=trust.collateral.document_hashes,
        earliest_expiration=datetime.fromtimestamp(trust.period.not_after, UTC),
        stale=platform.stale,
    )
