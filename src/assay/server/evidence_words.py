"""What is wrong with evidence in one word for programs: `innererror.code`.

Source: MAA protocol, section 11, for the word of quotes; those of TPMs are Assay's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from assay.errors import Finding

_QUOTE: Final = "InvalidQuote"
_WORDS: Final = {
    "tpm.quote.nonce": "QuoteNonceMismatch",
    "tpm.quote.pcr_digest": "PcrDigestMismatch",
    "tpm.quote.pcr_selection": "PcrDigestMismatch",
    "tpm.quote.pcr_size": "PcrDigestMismatch",
    "tpm.quote.pcr_mask": "RequiredPcrsMissing",
    "tpm.quote.no_pcrs": "RequiredPcrsMissing",
    "tpm.quote.": "QuoteSignatureInvalid",
    "tpm.signature.": "QuoteSignatureInvalid",
    "tpm.certify.": "KeyCertificationInvalid",
    "tpm.request_key.": "RequestKeyNotBound",
    "tpm.aik_certificate.": "AikCertificateInvalid",
    "tpm.event_log.": "EventLogReplayMismatch",
    "tpm.enclave_report.": "VbsReportInvalid",
    "tpm.boot.": "BootAttestationInvalid",
    "tpm.service_context.": "ServiceContextInvalid",
    "tpm.ek": "EndorsementKeyNotTrusted",
    "tpm.": "InvalidRequest",
}
"""By the start of a finding's code; of several that fit, the first."""


def evidence_word(findings: Sequence[Finding]) -> str:
    """The word for the first finding."""
    check = findings[0].check if findings else ""
    return next((word for start, word in _WORDS.items() if check.startswith(start)), _QUOTE)
