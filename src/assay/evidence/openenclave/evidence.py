"""Open Enclave reports and evidence: SGX quotes in Open Enclave's envelopes.

Source: Open Enclave SDK, `include/openenclave/internal/report.h` and `attestation/evidence.h`,
`common/sgx/verifier.c`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from assay.evidence.sgx import SgxQuote, parse_quote, read_quote
from assay.wire import Reader, malformed

REPORT_FORMAT: Final = "openenclave.report.oe_format"
EVIDENCE_FORMAT: Final = "openenclave.evidence.oe_format"
UNSUPPORTED: Final = "openenclave.evidence.unsupported"

_REPORT_VERSION: Final = 1
_EVIDENCE_VERSION: Final = 3
_REMOTE: Final = 2
_RAW_QUOTE: Final = 0x00020003
"""A quote of version 3 with attestation key type 2, read as one integer."""


class OpenEnclaveFormat(StrEnum):
    """The envelopes that hold a quote which can be verified anywhere."""

    LEGACY_REPORT = "legacy report"
    SGX_ECDSA = "SGX_ECDSA"
    LEGACY_REPORT_REMOTE = "LEGACY_REPORT_REMOTE"
    RAW_SGX_QUOTE_ECDSA = "RAW_SGX_QUOTE_ECDSA"


_FORMATS: Final = {
    UUID("a3a21e87-1b4d-4014-b70a-a125d2fbcd8c"): OpenEnclaveFormat.SGX_ECDSA,
    UUID("c8303454-d923-4c2c-a691-df7def460a76"): OpenEnclaveFormat.LEGACY_REPORT_REMOTE,
    UUID("1923d91e-12d2-4c72-b220-25cd8dace871"): OpenEnclaveFormat.RAW_SGX_QUOTE_ECDSA,
}
_REFUSED: Final = {
    UUID("8ba70286-c1cf-11ed-afa1-0242ac120002"): "TDX_QUOTE_ECDSA, which is not SGX evidence",
    UUID("09268c33-6e0b-45e5-8a27-15644d0ef89a"): "SGX_LOCAL, good on its own machine only",
    UUID("f228aa3f-de4d-49d3-884c-b2aa87a50da6"): "SGX_EPID_LINKABLE, which Intel has retired",
    UUID("5c35d290-a2c2-4c55-9e13-5ad732746c88"): "SGX_EPID_UNLINKABLE, which Intel has retired",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenEnclaveEvidence:
    """A parsed report or piece of evidence: structure only, nothing verified."""

    format: OpenEnclaveFormat
    quote: SgxQuote
    custom_claims: bytes | None
    """What follows the quote in `SGX_ECDSA` evidence, perhaps empty; `None` elsewhere."""


def parse_evidence(data: bytes) -> OpenEnclaveEvidence:
    """Parse a legacy report or evidence with its header.

    Raises:
        MalformedEvidenceError: Neither structure (`oe_format`), a format that cannot be verified
            here (`unsupported`), or a malformed quote inside.
    """
    reader = Reader(data, "report", check=REPORT_FORMAT)
    version = reader.uint(4, "version")
    if version == _EVIDENCE_VERSION:
        return _read_evidence(Reader(data, "evidence", check=EVIDENCE_FORMAT))
    if version == _RAW_QUOTE:
        raise malformed(
            REPORT_FORMAT, "an Open Enclave report", "a bare SGX quote (send it as SgxEnclave)"
        )
    if version != _REPORT_VERSION:
        raise reader.malformed(
            "version", f"{_REPORT_VERSION} (report) or {_EVIDENCE_VERSION} (evidence)", f"{version}"
        )
    return OpenEnclaveEvidence(
        format=OpenEnclaveFormat.LEGACY_REPORT, quote=_parse_report(data), custom_claims=None
    )


def _parse_report(data: bytes) -> SgxQuote:
    """Parse a legacy report: 16 bytes of header, little-endian, then the quote.

    | offset | size | field                       |
    |-------:|-----:|-----------------------------|
    |      0 |    4 | version, 1                  |
    |      4 |    4 | type: 1 local, 2 remote     |
    |      8 |    8 | size of the quote           |
    """
    reader = Reader(data, "report", check=REPORT_FORMAT)
    version = reader.uint(4, "version")
    if version != _REPORT_VERSION:
        raise reader.malformed("version", f"{_REPORT_VERSION}", f"{version}")
    kind = reader.uint(4, "type")
    if kind != _REMOTE:
        raise malformed(
            UNSUPPORTED, "report type 2 (remote)", f"type {kind}{' (local)' if kind == 1 else ''}"
        )
    size = reader.uint(8, "size")
    if size != reader.remaining:
        raise reader.malformed("size", f"{reader.remaining}", f"{size}")
    return parse_quote(reader.octets(size, "quote"))


def _read_evidence(reader: Reader) -> OpenEnclaveEvidence:
    """Read evidence: 28 bytes of header, little-endian, then the format's data.

    | offset | size | field               |
    |-------:|-----:|---------------------|
    |      0 |    4 | version, 3          |
    |      4 |   16 | format UUID         |
    |     20 |    8 | size of the data    |
    """
    data = read_enveloped(reader)
    if data.format is OpenEnclaveFormat.LEGACY_REPORT_REMOTE:
        return OpenEnclaveEvidence(
            format=data.format, quote=_parse_report(data.content), custom_claims=None
        )
    if data.format is OpenEnclaveFormat.RAW_SGX_QUOTE_ECDSA:
        return OpenEnclaveEvidence(
            format=data.format, quote=parse_quote(data.content), custom_claims=None
        )
    content = Reader(data.content, "evidence", check=EVIDENCE_FORMAT)
    quote = read_quote(content)
    return OpenEnclaveEvidence(
        format=data.format,
        quote=quote,
        custom_claims=content.octets(content.remaining, "custom_claims"),
    )


@dataclass(frozen=True, slots=True)
class Enveloped:
    """The content of an `oe_attestation_header_t` envelope."""

    format: OpenEnclaveFormat
    content: bytes


def read_enveloped(reader: Reader) -> Enveloped:
    """Read the 28-byte header that evidence and endorsements share, and the data behind it.

    Raises:
        MalformedEvidenceError: Another version or size (`oe_format`), or a format that cannot be
            verified here, by its name (`unsupported`).
    """
    version = reader.uint(4, "version")
    if version != _EVIDENCE_VERSION:
        raise reader.malformed("version", f"{_EVIDENCE_VERSION}", f"{version}")
    uuid = UUID(bytes=reader.octets(16, "format"))
    found = _FORMATS.get(uuid)
    if found is None:
        raise malformed(
            UNSUPPORTED, "an SGX ECDSA format", _REFUSED.get(uuid, f"unknown format {uuid}")
        )
    size = reader.uint(8, "size")
    if size != reader.remaining:
        raise reader.malformed("size", f"{reader.remaining}", f"{size}")
    return Enveloped(found, reader.octets(size, "data"))
