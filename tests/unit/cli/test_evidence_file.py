from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.cli.evidence_file import FileEncoding, decode_evidence, read_evidence_file
from assay.errors import MalformedEvidenceError
from assay.evidence.format import AttestationType

QUOTE = bytes.fromhex("03000200") + bytes(range(256))


def test_bytes_are_taken_as_they_are() -> None:
    found = decode_evidence(QUOTE)

    assert found.data == QUOTE
    assert found.encoding is FileEncoding.BINARY


@pytest.mark.parametrize("text", [QUOTE.hex(), QUOTE.hex().upper(), f"  {QUOTE.hex()}\n"])
def test_hexadecimal_digits_stand_for_bytes(text: str) -> None:
    found = decode_evidence(text.encode())

    assert found.data == QUOTE
    assert found.encoding is FileEncoding.HEX


@pytest.mark.parametrize(
    "text",
    [
        base64.b64encode(QUOTE),
        base64.b64encode(QUOTE).rstrip(b"="),
        base64.urlsafe_b64encode(QUOTE),
        base64.encodebytes(QUOTE),
        base64.encodebytes(QUOTE).replace(b"\n", b"\r\n"),
    ],
)
def test_both_alphabets_of_base64_stand_for_bytes(text: bytes) -> None:
    found = decode_evidence(text)

    assert found.data == QUOTE
    assert found.encoding is FileEncoding.BASE64


def test_an_odd_number_of_hexadecimal_digits_is_base64() -> None:
    assert decode_evidence(b"abc").encoding is FileEncoding.BASE64


def test_nothing_is_binary() -> None:
    assert decode_evidence(b"").data == b""


def test_base64_that_was_cut_is_refused_with_the_length() -> None:
    with pytest.raises(MalformedEvidenceError) as caught:
        decode_evidence(b"AwAC-")

    (finding,) = caught.value.findings
    assert finding.check == "dcap.quote.quote_format"
    assert "5 base64 characters" in finding.actual


@pytest.mark.property
@given(st.binary(max_size=64))
def test_binary_evidence_of_every_format_is_never_taken_for_text(rest: bytes) -> None:
    for start in ("03000200", "04000200", "0500", "01000000", "03000000"):
        content = bytes.fromhex(start) + rest

        assert decode_evidence(content).data == content


@pytest.mark.property
@given(st.binary(min_size=1, max_size=64))
def test_hexadecimal_text_has_one_reading(data: bytes) -> None:
    assert decode_evidence(data.hex().encode()).data == data


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("01000000", AttestationType.OPEN_ENCLAVE),
        ("03000000", AttestationType.OPEN_ENCLAVE),
        ("03000200", AttestationType.SGX_ENCLAVE),
        ("04000200", AttestationType.SGX_ENCLAVE),
        ("05000200", AttestationType.SGX_ENCLAVE),
        ("ffffffff", AttestationType.SGX_ENCLAVE),
        ("0100", AttestationType.SGX_ENCLAVE),
        ("", AttestationType.SGX_ENCLAVE),
    ],
)
def test_the_first_bytes_say_what_kind_of_evidence_it_is(
    start: str, expected: AttestationType
) -> None:
    assert decode_evidence(bytes.fromhex(start)).attestation_type is expected


def test_a_file_is_read_and_decoded(tmp_path: Path) -> None:
    path = tmp_path / "quote.txt"
    path.write_text(QUOTE.hex())

    assert read_evidence_file(path).data == QUOTE
