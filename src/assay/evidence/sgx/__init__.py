"""SGX quotes: parsing, verification, claims."""

from assay.evidence.sgx.claims import HELD_DATA_CLAIMS, extract_claims
from assay.evidence.sgx.quote import SgxQuote, parse_quote, read_quote
from assay.evidence.sgx.verify import (
    VerifiedSgxQuote,
    certified_quote_platform,
    quote_platform,
    verify_quote,
)

__all__ = [
    "HELD_DATA_CLAIMS",
    "SgxQuote",
    "VerifiedSgxQuote",
    "certified_quote_platform",
    "extract_claims",
    "parse_quote",
    "quote_platform",
    "read_quote",
    "verify_quote",
]
