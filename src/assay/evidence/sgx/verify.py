"""Verification of SGX quotes.

Source: Intel SGX ECDSA QuoteVerification; the steps are in `assay.evidence.dcap`.
"""

from __future__ import annotations

from typing import TypeAlias

from assay.endorsements.platform import DcapPlatform, Tee
from assay.evidence.dcap.memory import DcapMemory
from assay.evidence.dcap.pck import read_platform
from assay.evidence.dcap.verify import (
    DcapVerification,
    VerifiedQuote,
    certified_platform,
    verify_dcap,
)
from assay.evidence.sgx.quote import SgxQuote

VerifiedSgxQuote: TypeAlias = VerifiedQuote[SgxQuote]


def certified_quote_platform(quote: SgxQuote, memory: DcapMemory) -> DcapPlatform:
    """The platform that a quote comes from, as far as its PCK certificate chain verifies.

    Raises:
        MalformedEvidenceError: The quote brings no PCK certificate chain.
        UntrustedEvidenceError: The chain does not verify under the memory's roots.
    """
    return certified_platform(quote.signature, memory, tee=Tee.SGX)


def quote_platform(quote: SgxQuote) -> DcapPlatform:
    """The platform that a quote claims to come from, unverified.

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
    return verify_dcap(quote, context, tee=Tee.SGX)
