"""Certificates and revocation lists as members to show."""

from __future__ import annotations

from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from assay.encoding import JsonValue
from assay.errors import MalformedEvidenceError, UntrustedEvidenceError
from assay.x509 import SgxExtensions, read_sgx_extensions, rfc3339
from assay.x509.chain import PARSE_ERRORS
from assay.x509.sgx_extensions import SGX_EXTENSIONS_OID

_PEM = b"-----BEGIN"


def certificates_members(data: bytes) -> list[JsonValue]:
    """Certificates in PEM (in the order of the text) or one in DER.

    Raises:
        MalformedEvidenceError: They do not parse.
    """
    try:
        if _PEM in data:
            certificates = x509.load_pem_x509_certificates(data)
        else:
            certificates = [x509.load_der_x509_certificate(data)]
        return [_certificate(certificate) for certificate in certificates]
    except PARSE_ERRORS as error:
        raise MalformedEvidenceError(
            f"expected X.509 certificates, got something that does not parse: {error}"
        ) from error


def crl_members(data: bytes) -> dict[str, JsonValue]:
    """A certificate revocation list in DER.

    Raises:
        MalformedEvidenceError: It does not parse.
    """
    try:
        crl = x509.load_der_x509_crl(data)
        return {
            "issuer": crl.issuer.rfc4514_string(),
            "this_update": _time(crl.last_update_utc),
            "next_update": None if crl.next_update_utc is None else _time(crl.next_update_utc),
            "revoked": len(crl),
        }
    except PARSE_ERRORS as error:
        raise MalformedEvidenceError(
            f"expected a certificate revocation list, got something that does not parse: {error}"
        ) from error


def _certificate(certificate: x509.Certificate) -> dict[str, JsonValue]:
    members: dict[str, JsonValue] = {
        "subject": certificate.subject.rfc4514_string(),
        "issuer": certificate.issuer.rfc4514_string(),
        "serial_number": f"{certificate.serial_number:x}",
        "not_before": _time(certificate.not_valid_before_utc),
        "not_after": _time(certificate.not_valid_after_utc),
        "sha256": certificate.fingerprint(hashes.SHA256()).hex(),
    }
    if any(extension.oid == SGX_EXTENSIONS_OID for extension in certificate.extensions):
        members["sgx"] = _extensions(certificate)
    return members


def _extensions(certificate: x509.Certificate) -> JsonValue:
    try:
        return _platform(read_sgx_extensions(certificate, check="dcap.pck_chain"))
    except UntrustedEvidenceError as error:
        return {"problem": str(error.findings[0])}


def _platform(extensions: SgxExtensions) -> dict[str, JsonValue]:
    return {
        "fmspc": extensions.fmspc.hex(),
        "pceid": extensions.pceid.hex(),
        "tcb_components": ".".join(map(str, extensions.components)),
        "pcesvn": extensions.pcesvn,
        "sgx_type": extensions.sgx_type,
    }


def _time(moment: datetime) -> str:
    return rfc3339(int(moment.timestamp()))
