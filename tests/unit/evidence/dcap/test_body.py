from __future__ import annotations

import pytest

from assay.errors import MalformedEvidenceError
from assay.evidence.dcap.body import (
    HEADER_SIZE,
    REPORT_BODY_SIZE,
    SgxReportBody,
    read_header,
    read_report_body,
)
from assay.simulator import SimulatedPlatform
from assay.wire import Reader

RESERVED = [(20, 12), (96, 32), (160, 32), (262, 42)]


def _read(data: bytes) -> SgxReportBody:
    reader = Reader(data, "body", check="dcap.quote.quote_format")
    body = read_report_body(reader)
    reader.end()
    return body


@pytest.fixture
def body(platform: SimulatedPlatform) -> bytes:
    return platform.quote()[HEADER_SIZE : HEADER_SIZE + REPORT_BODY_SIZE]


def test_sizes_are_those_of_the_specification() -> None:
    assert (HEADER_SIZE, REPORT_BODY_SIZE) == (48, 384)


def test_read_header_gives_every_field_its_bytes() -> None:
    data = bytes(range(48))

    header = read_header(Reader(data, "quote", check="dcap.quote.quote_format"))

    assert header.version == 0x0100
    assert header.attestation_key_type == 0x0302
    assert header.tee_type == 0x07060504
    assert header.qe_svn == 0x0908
    assert header.pce_svn == 0x0B0A
    assert header.qe_vendor_id == data[12:28]
    assert header.user_data == data[28:48]


def test_read_report_body_gives_every_field_its_bytes() -> None:
    data = bytearray(range(256)) + bytearray(range(128))
    for offset, size in RESERVED:
        data[offset : offset + size] = bytes(size)

    body = _read(bytes(data))

    assert body.cpu_svn == data[0:16]
    assert body.misc_select == int.from_bytes(data[16:20], "little")
    assert body.isv_ext_prod_id == data[32:48]
    assert body.attributes == data[48:64]
    assert body.mr_enclave == data[64:96]
    assert body.mr_signer == data[128:160]
    assert body.config_id == data[192:256]
    assert body.isv_prod_id == int.from_bytes(data[256:258], "little")
    assert body.isv_svn == int.from_bytes(data[258:260], "little")
    assert body.config_svn == int.from_bytes(data[260:262], "little")
    assert body.isv_family_id == data[304:320]
    assert body.report_data == data[320:384]


@pytest.mark.parametrize(("offset", "size"), RESERVED)
def test_read_report_body_refuses_a_set_reserved_byte(body: bytes, offset: int, size: int) -> None:
    for place in (offset, offset + size - 1):
        changed = bytearray(body)
        changed[place] = 1

        with pytest.raises(MalformedEvidenceError, match="reserved"):
            _read(bytes(changed))


def test_read_report_body_refuses_one_byte_less(body: bytes) -> None:
    with pytest.raises(MalformedEvidenceError, match="need 384 bytes"):
        _read(body[:-1])


@pytest.mark.parametrize(
    ("flags", "debuggable", "key_separation"),
    [(0x05, False, False), (0x07, True, False), (0x85, False, True), (0x87, True, True)],
)
def test_flags_say_debug_and_key_separation(
    platform: SimulatedPlatform, flags: int, *, debuggable: bool, key_separation: bool
) -> None:
    body = _read(platform.quote(flags=flags)[48:432])

    assert body.is_debuggable is debuggable
    assert body.has_key_separation is key_separation
