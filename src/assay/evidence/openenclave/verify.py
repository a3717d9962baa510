"""Verification of Open Enclave evidence: the quote, then what Open Enclave binds to it.

Source: Open Enclave SDK, `common/sgx/verifier.c`.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from typing import Final

from assay.errors import AssayError, Finding, UntrustedEvidenceError
from assay.evidence.dcap.checks import DCAP_CHECKS, Check
from assay.evidence.dcap.verify import DcapVerification
from assay.evidence.openenclave.evidence import OpenEnclaveEvidence
from assay.evidence.sgx import VerifiedSgxQuote, verify_quote

_HASH_SIZE: Final = 32

OPEN_ENCLAVE_CHECKS: Final = (
    Check(
        "0",
        "the Open Enclave envelope is well formed and holds a quote",
        ("openenclave.report.", "openenclave.evidence."),
        structural=True,
    ),
    replace(DCAP_CHECKS[0], needs=("0",)),
    *DCAP_CHECKS[1:],
    Check(
        "9",
        "the custom claims are those that the enclave reported",
        ("openenclave.custom_claims.",),
        needs=("1",),
    ),
)


def verify_evidence(evidence: OpenEnclaveEvidence, context: DcapVerification) -> VerifiedSgxQuote:
    """Verify the quote inside, and the custom claims against its report data.

    Raises:
        MalformedEvidenceError: The quote brings no PCK chain, or its QE report does not parse.
        CollateralUnavailableError: All that fails is that collateral is out of date.
        UntrustedEvidenceError: A check failed. All carry their findings.
    """
    try:
        verified = verify_quote(evidence.quote, context)
    except AssayError as error:
        unbound = _unbound_custom_claims(evidence)
        if unbound is None:
            raise
        raise UntrustedEvidenceError(error.message, findings=(*error.findings, unbound)) from error
    unbound = _unbound_custom_claims(evidence)
    if unbound is not None:
        raise UntrustedEvidenceError(
            "the custom claims are not those that the enclave reported", findings=[unbound]
        )
    return verified


def _unbound_custom_claims(evidence: OpenEnclaveEvidence) -> Finding | None:
    if evidence.custom_claims is None:
        return None
    expected = hashlib.sha256(evidence.custom_claims).digest()
    actual = evidence.quote.body.report_data[:_HASH_SIZE]
    if hmac.compare_digest(expected, actual):
        return None
    return Finding(
        check="openenclave.custom_claims.binding",
        expected=f"report data that starts with SHA-256(custom claims) {expected.hex()}",
        actual=actual.hex(),
    )
