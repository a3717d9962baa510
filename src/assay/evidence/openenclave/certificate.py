"""Certificates that carry their key's own evidence, as MAA's token signing certificates do.

Source: Open Enclave SDK, `oe_verify_attestation_certificate`; Azure Attestation, "Verify signing
certificates".
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ObjectIdentifier

from assay.errors import Finding, UntrustedEvidenceError
from assay.evidence.dcap.verify import DcapVerification
from assay.evidence.openenclave.evidence import OpenEnclaveEvidence, parse_evidence
from assay.evidence.openenclave.verify import verify_evidence
from assay.evidence.sgx import VerifiedSgxQuote
from assay.wire import malformed
from assay.x509.chain import PARSE_ERRORS

CERTIFICATE_FORMAT: Final = "openenclave.certificate.oe_format"

EVIDENCE_OIDS: Final = (
    ObjectIdentifier("1.3.6.1.4.1.311.105.1"),
    ObjectIdentifier("1.3.6.1.4.1.311.105.2"),
    ObjectIdentifier("1.2.840.113556.10.1.1"),
    ObjectIdentifier("1.2.840.113556.10.1.2"),
)
"""Report and evidence, under Microsoft's present and former arcs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestedCertificate:
    """A certificate and the evidence inside it, nothing verified."""

    certificate: x509.Certificate
    evidence: OpenEnclaveEvidence


def parse_certificate(der: bytes) -> AttestedCertificate:
    """Parse a certificate and the evidence in its extension.

    Raises:
        MalformedEvidenceError: Not a certificate, one without such an extension, or malformed
            evidence inside.
    """
    try:
        certificate = x509.load_der_x509_certificate(der)
        extensions = certificate.extensions
    except PARSE_ERRORS as error:
        raise malformed(
            CERTIFICATE_FORMAT, "a DER certificate", f"{type(error).__name__}"
        ) from error
    for extension in extensions:
        if extension.oid in EVIDENCE_OIDS:
            value = extension.value.public_bytes()
            return AttestedCertificate(certificate=certificate, evidence=parse_evidence(value))
    raise malformed(CERTIFICATE_FORMAT, "an extension with Open Enclave evidence", "none")


def verify_certificate(
    attested: AttestedCertificate, context: DcapVerification
) -> VerifiedSgxQuote:
    """Verify the evidence, and that the enclave vouches for the certificate's key.

    The certificate's names and dates are the enclave's own word and not judged.

    Raises:
        CollateralUnavailableError: All that fails is that collateral is out of date.
        UntrustedEvidenceError: The certificate is not signed by its own key (`chain`), the
            evidence does not verify, or it is about another key (`binding`).
    """
    try:
        attested.certificate.verify_directly_issued_by(attested.certificate)
    except (InvalidSignature, *PARSE_ERRORS) as error:
        raise _refused("chain", "a certificate signed by its own key", "a bad signature") from error
    verified = verify_evidence(attested.evidence, context)
    pem = attested.certificate.public_key().public_bytes(
        Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    )
    # The enclave hashes the C string: the PEM text with its terminator.
    expected = hashlib.sha256(pem + b"\0").digest() + bytes(32)
    actual = verified.evidence.body.report_data
    if not hmac.compare_digest(expected, actual):
        raise _refused(
            "binding",
            f"report data SHA-256(public key PEM and NUL) {expected.hex()}",
            actual.hex(),
        )
    return verified


def _refused(error_class: str, expected: str, actual: str) -> UntrustedEvidenceError:
    finding = Finding(
        check=f"openenclave.certificate.{error_class}", expected=expected, actual=actual
    )
    return UntrustedEvidenceError(str(finding), findings=[finding])
