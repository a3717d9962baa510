"""SGX quotes: version 3, and versions 4 and 5 with an SGX body.

Source: Intel SGX ECDSA QuoteGenReference, A.4; Intel TDX DCAP Quoting Library, A.3.
"""

from __future__ import annotations

from typing import Final

import msgspec

from assay.evidence.dcap.body import (
    INTEL_QE_VENDOR_ID,
    QUOTE_FORMAT,
    REPORT_BODY_SIZE,
    UNSUPPORTED,
    QuoteHeader,
    SgxReportBody,
    read_header,
    read_report_body,
)
from assay.evidence.dcap.signature import QuoteSignature, read_quote_signature
from assay.wire import Reader, malformed

MAX_QUOTE_SIZE: Final = 1024 * 1024
"""Real quotes take 4.6 to 8 kB, with padding."""

_ECDSA_P256: Final = 2
_SGX: Final = 0
_SGX_BODY: Final = 1
_V3, _V4, _V5 = 3, 4, 5


class SgxQuote(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed quote: structure only, nothing verified."""

    header: QuoteHeader
    body: SgxReportBody
    signature: QuoteSignature
    signed: bytes
    """The bytes that the quote signature covers: header, body descriptor (version 5), body."""

    declared_size: int
    """Bytes up to the end of the signature data; zero padding may have followed."""


def parse_quote(data: bytes) -> SgxQuote:
    """Parse an SGX quote.

    Raises:
        MalformedEvidenceError: Not the structure of a quote (`quote_format`), or one whose
            version, TEE, attestation key type or QE vendor is not supported (`unsupported`).
    """
    reader = Reader(data, "quote", check=QUOTE_FORMAT)
    quote = read_quote(reader)
    reader.end_padded()
    return quote


def read_quote(reader: Reader) -> SgxQuote:
    """Read an SGX quote, which must begin where `reader` does; what follows it stays unread.

    Raises:
        MalformedEvidenceError: As `parse_quote`.
    """
    if reader.remaining > MAX_QUOTE_SIZE:
        raise malformed(QUOTE_FORMAT, f"at most {MAX_QUOTE_SIZE} bytes", f"{reader.remaining}")
    header = read_header(reader)
    _check_header(header)
    if header.version == _V5:
        _read_body_descriptor(reader)
    body = read_report_body(reader)
    signed = reader.consumed
    signature = read_quote_signature(reader, nested=header.version != _V3)
    return SgxQuote(
        header=header,
        body=body,
        signature=signature,
        signed=signed,
        declared_size=reader.offset,
    )


def _check_header(header: QuoteHeader) -> None:
    if header.version not in {_V3, _V4, _V5}:
        raise malformed(UNSUPPORTED, "quote version 3, 4 or 5", f"{header.version}")
    if header.attestation_key_type != _ECDSA_P256:
        raise malformed(
            UNSUPPORTED,
            "attestation key type 2 (ECDSA with P-256)",
            f"{header.attestation_key_type}",
        )
    if header.tee_type != _SGX:
        raise malformed(UNSUPPORTED, "TEE type 0 (SGX)", f"0x{header.tee_type:x}")
    if header.qe_vendor_id != INTEL_QE_VENDOR_ID:
        raise malformed(UNSUPPORTED, "Intel's QE vendor id", header.qe_vendor_id.hex())


def _read_body_descriptor(reader: Reader) -> None:
    body_type = reader.uint(2, "body_type")
    body_size = reader.uint(4, "body_size")
    if (body_type, body_size) != (_SGX_BODY, REPORT_BODY_SIZE):
        raise reader.malformed(
            "body_type",
            f"{_SGX_BODY} with {REPORT_BODY_SIZE} bytes (SGX report body)",
            f"{body_type} with {body_size}",
        )
