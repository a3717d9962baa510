"""The signature data of a quote: what vouches for its header and body.

Source: Intel SGX ECDSA QuoteGenReference, A.4 (v3); Intel TDX DCAP Quoting Library, A.3 (v4, v5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from assay.evidence.dcap.body import QUOTE_FORMAT, REPORT_BODY_SIZE, UNSUPPORTED
from assay.wire import Reader, malformed

PCK_CERTIFICATE_CHAIN: Final = 5
"""Certification data that carries the PCK certificate and its CAs as PEM."""

_QE_REPORT_CERTIFICATION: Final = 6
_CERTIFICATION_NAMES: Final = {
    1: "PPID in the clear",
    2: "PPID encrypted with RSA-2048",
    3: "PPID encrypted with RSA-3072",
    4: "PCK certificate without its CAs",
    7: "platform manifest",
}
_SIGNATURE_SIZE: Final = 64
_KEY_SIZE: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteSignature:
    """The parts of the signature data, unverified."""

    signature: bytes
    """r‖s over the quote's signed region, 64 bytes, big-endian halves."""

    attestation_key: bytes
    """x‖y of the P-256 key, 64 bytes, big-endian halves."""

    qe_report: bytes
    """The QE's report body, 384 bytes: the signed bytes."""

    qe_report_signature: bytes
    """r‖s by the PCK key, 64 bytes."""

    qe_auth_data: bytes
    certification_type: int
    certification_data: bytes
    nested: bool
    """Whether the parts came wrapped in certification data of type 6."""

    quoting_part: bytes
    """Everything but `signature`: the same in every quote of a platform until its QE changes."""


def read_quote_signature(reader: Reader, *, nested: bool) -> QuoteSignature:
    """Read the signature data with its leading size.

    Version 3 lists the parts one after another; versions 4 and 5 (`nested`) wrap those from the
    QE report on into certification data of type 6.

    Raises:
        MalformedEvidenceError: A size does not fit, bytes are left over, or the outer
            certification data of version 4 or 5 is not of type 6.
    """
    size = reader.uint(4, "signature_data_size")
    with reader.block(size, "signature_data"):
        signature = reader.octets(_SIGNATURE_SIZE, "signature")
        quoting_part = reader.octets(reader.remaining, "quoting_part")
    return _read_quoting_part(quoting_part, signature, nested=nested)


def _read_quoting_part(quoting_part: bytes, signature: bytes, *, nested: bool) -> QuoteSignature:
    reader = Reader(quoting_part, "signature_data", check=QUOTE_FORMAT)
    attestation_key = reader.octets(_KEY_SIZE, "attestation_key")
    if nested:
        outer_type = reader.uint(2, "certification_type")
        if outer_type != _QE_REPORT_CERTIFICATION:
            raise reader.malformed(
                "certification_type", f"{_QE_REPORT_CERTIFICATION}", f"{outer_type}"
            )
        outer_size = reader.uint(4, "certification_size")
        if outer_size != reader.remaining:
            raise reader.malformed("certification_size", f"{reader.remaining}", f"{outer_size}")
    qe_report = reader.octets(REPORT_BODY_SIZE, "qe_report")
    qe_report_signature = reader.octets(_SIGNATURE_SIZE, "qe_report_signature")
    qe_auth_data = reader.octets(reader.uint(2, "qe_auth_data_size"), "qe_auth_data")
    certification_type = reader.uint(2, "qe_certification_type")
    certification_data = reader.octets(
        reader.uint(4, "qe_certification_size"), "qe_certification_data"
    )
    reader.end()
    return QuoteSignature(
        signature=signature,
        attestation_key=attestation_key,
        qe_report=qe_report,
        qe_report_signature=qe_report_signature,
        qe_auth_data=qe_auth_data,
        certification_type=certification_type,
        certification_data=certification_data,
        nested=nested,
        quoting_part=quoting_part,
    )


def check_certification_type(signature: QuoteSignature) -> None:
    """Check that the quote brings its PCK certificate chain.

    Types 1 to 4 need a PCK certificate from elsewhere, which is not fetched on the word of
    unverified evidence; 7 is for registration.

    Raises:
        MalformedEvidenceError: It does not (`unsupported`).
    """
    kind = signature.certification_type
    if kind != PCK_CERTIFICATE_CHAIN:
        name = _CERTIFICATION_NAMES.get(kind, "unknown")
        raise malformed(
            UNSUPPORTED,
            "certification data of type 5 (PCK certificate chain)",
            f"type {kind} ({name})",
        )
