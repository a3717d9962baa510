"""SGX quotes: parsing, verification, claims."""

from assay.evidence.sgx.quote import SgxQuote, parse_quote
from assay.evidence.sgx.verify import VerifiedSgxQuote, quote_platform, verify_quote

__all__ = ["SgxQuote", "VerifiedSgxQuote", "parse_quote", "quote_platform", "verify_quote"]
