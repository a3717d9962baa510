"""Verification of VBS enclave reports against the signing keys that the boot measured.

Source: Windows SDK, ntenclv.h; RFC 8017 section 8.1 (RSA-PSS).
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from assay.errors import Finding, UntrustedEvidenceError
from assay.evidence.tpm.enclave import EnclaveReport


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedEnclave:
    """A report that the secure kernel of the measured boot signed, about this request.

    Only this module constructs it; `tests/test_architecture.py` fails otherwise.
    """

    report: EnclaveReport


def verify_enclave(
    report: EnclaveReport, *, signing_key: rsa.RSAPublicKey, text: bytes
) -> VerifiedEnclave:
    """Verify a report.

    Not checked: which enclave it is, and whether it can be debugged; its claims say so.

    Args:
        report: The report.
        signing_key: The secure kernel's identity key for signing (IDKS), out of the measured log.
        text: What the enclave vouches for, exactly as it was sent.

    Raises:
        UntrustedEvidenceError: Another key signed it, or it vouches for something else.
    """
    if not _signed_by(signing_key, report):
        raise _refused(
            "tpm.enclave_report.signature",
            "a report that the measured secure kernel signed",
            "another signature",
        )
    digest = hashlib.sha512(text).digest()
    if not hmac.compare_digest(digest, report.enclave_data):
        raise _refused(
            "tpm.enclave_report.binding",
            f"enclave data of SHA-512(report_signed) {digest.hex()}",
            report.enclave_data.hex(),
            "hash the text of report_signed exactly as it is sent",
        )
    return VerifiedEnclave(report=report)


def _signed_by(key: rsa.RSAPublicKey, report: EnclaveReport) -> bool:
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256().digest_size)
    try:
        key.verify(report.signature, report.signed, pss, hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def _refused(check: str, expected: str, actual: str, hint: str = "") -> UntrustedEvidenceError:
    finding = Finding(check=check, expected=expected, actual=actual, hint=hint)
    return UntrustedEvidenceError(str(finding), findings=[finding])
