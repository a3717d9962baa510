"""The signature data of a quote: what vouches for its header and body.

Source: Intel SGX ECDSA QuoteGenReference, A.4 (v3); Intel TDX DCAP Quoting Library, A.3 (v4, v5).
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from assay.evidence.dcap.body import QUOTE_FORMAT, REPORT_BODY_SIZE, UNSUPPORTED
from assay.wire import Layout, Reader, malformed, octets, uint

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

_SIGNER: Final = Layout("signer", octets("signature", 64), octets("attestation_key", 64))
_QE_CERTIFICATION: Final = Layout(
    "qe_report_certification",
    octets("qe_report", REPORT_BODY_SIZE),
    octets("qe_report_signature", 64),
    uint("qe_auth_data_size", 2),
)
_CERTIFICATION: Final = Layout(
    "qe_certification", uint("qe_certification_type", 2), uint("qe_certification_size", 4)
)


class QuoteSignature(msgspec.Struct, frozen=True, kw_only=True):
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
    chain_key: bytes
    """SHA-256 of the certification data as it was read: the same in all quotes of a platform."""

    def quoting_key(self) -> bytes:
        """SHA-256 of everything but `signature`: the same until the platform's QE changes.

        It is of the parts as they were read, since the same bytes read as version 3 and as
        version 4 are different parts. All but the last have a fixed size, so that no two
        signatures share one key.
        """
        return hashlib.sha256(
            b"".join(
                (
                    self.chain_key,
                    self.certification_type.to_bytes(2, "little"),
                    self.attestation_key,
                    self.qe_report,
                    self.qe_report_signature,
                    self.qe_auth_data,
                )
            )
        ).digest()


def read_quote_signature(reader: Reader, *, nested: bool) -> QuoteSignature:
    """Read the signature data with its leading size.

    Version 3 lists the parts one after another; versions 4 and 5 (`nested`) wrap those from the
    QE report on into certification data of type 6.

    Raises:
        MalformedEvidenceError: A size does not fit, bytes are left over, or the outer
            certification data of version 4 or 5 is not of type 6.
    """
    size = reader.uint(4, "signature_data_size")
    data = Reader(reader.octets(size, "signature_data"), "signature_data", check=QUOTE_FORMAT)
    signature, attestation_key = data.layout(_SIGNER)
    if nested:
        _read_outer_certification(data)
    qe_report, qe_report_signature, auth_data_size = data.layout(_QE_CERTIFICATION)
    qe_auth_data = data.octets(auth_data_size, "qe_auth_data")
    certification_type, certification_size = data.layout(_CERTIFICATION)
    certification_data = data.octets(certification_size, "qe_certification_data")
    data.end()
    return QuoteSignature(
        signature=signature,
        attestation_key=attestation_key,
        qe_report=qe_report,
        qe_report_signature=qe_report_signature,
        qe_auth_data=qe_auth_data,
        certification_type=certification_type,
        certification_data=certification_data,
        chain_key=hashlib.sha256(certification_data).digest(),
    )


def _read_outer_certification(data: Reader) -> None:
    """Read the envelope of version 4 and 5: a type, and the size of all that follows."""
    outer_type = data.uint(2, "certification_type")
    if outer_type != _QE_REPORT_CERTIFICATION:
        raise data.malformed("certification_type", f"{_QE_REPORT_CERTIFICATION}", f"{outer_type}")
    outer_size = data.uint(4, "certification_size")
    if outer_size != data.remaining:
        raise data.malformed("certification_size", f"{data.remaining}", f"{outer_size}")


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
