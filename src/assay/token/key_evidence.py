"""The service's own evidence about a signing key, as an extension of the key's certificate.

Source: recorded signing certificates of Microsoft Azure Attestation; Open Enclave SDK,
`oe_verify_attestation_certificate`.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from assay.errors import Finding, UntrustedEvidenceError
from assay.evidence.openenclave import OpenEnclaveFormat, parse_evidence
from assay.keys import SigningKey

_REPORT: Final = "1.3.6.1.4.1.311.105.1"
_EVIDENCE: Final = "1.3.6.1.4.1.311.105.2"

_DIGEST_BYTES: Final = 32


def key_report_data(key: SigningKey) -> bytes:
    """The 64 bytes of report data by which an enclave vouches for a key.

    SHA-256 over the PEM of its SubjectPublicKeyInfo, the last line end included, and one NUL byte;
    then zeros.
    """
    return hashlib.sha256(key.spki_pem + b"\0").digest() + bytes(_DIGEST_BYTES)


def key_evidence_extension(evidence: bytes, key: SigningKey) -> tuple[str, bytes]:
    """The extension with evidence about `key`: its identifier and value, which is the bare bytes.

    What is checked is what an operator can get wrong: that it is an Open Enclave report or
    evidence, and about this key. Whether it verifies is for whoever relies on it.

    Raises:
        MalformedEvidenceError: Neither a report nor evidence.
        UntrustedEvidenceError: It is about another key.
    """
    parsed = parse_evidence(evidence)
    expected, actual = key_report_data(key), parsed.quote.body.report_data
    if not hmac.compare_digest(expected, actual):
        finding = Finding(
            check="openenclave.certificate.binding",
            expected=f"report data SHA-256(public key PEM and NUL) {expected.hex()}",
            actual=actual.hex(),
        )
        raise UntrustedEvidenceError(str(finding), findings=[finding])
    is_report = parsed.format is OpenEnclaveFormat.LEGACY_REPORT
    return (_REPORT if is_report else _EVIDENCE), evidence
