from __future__ import annotations

import contextlib
import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.errors import MalformedEvidenceError
from assay.evidence.sgx import parse_quote
from assay.evidence.sgx.quote import MAX_QUOTE_SIZE
from assay.simulator import SimulatedPlatform
from assay.simulator.quote import BodyDescriptor, QuoteParts
from tests.conftest import AT

_PLATFORM = SimulatedPlatform.create(AT)


def _parts(version: int = 3) -> QuoteParts:
    return _PLATFORM.draft(version=version).sign()


def _refused(data: bytes) -> str:
    with pytest.raises(MalformedEvidenceError) as caught:
        parse_quote(data)
    assert len(caught.value.findings) == 1
    return caught.value.findings[0].check


@pytest.mark.parametrize("version", [3, 4, 5])
def test_parse_quote_gives_back_what_was_written(version: int) -> None:
    parts = _parts(version)

    quote = parse_quote(parts.encode())

    assert quote.header.version == version
    assert quote.signed == parts.signed
    assert quote.signature.signature == parts.quote_signature
    assert quote.signature.attestation_key == parts.attestation_key
    assert quote.signature.qe_report == parts.qe_report
    assert quote.signature.qe_report_signature == parts.qe_report_signature
    assert quote.signature.qe_auth_data == parts.qe_auth
    assert quote.signature.certification_type == 5
    assert quote.signature.certification_data == parts.certification_data
    assert quote.declared_size == len(parts.encode())


@pytest.mark.parametrize("version", [3, 4, 5])
def test_the_quoting_key_is_of_everything_but_the_quotes_own_signature(version: int) -> None:
    def key(quote: bytes) -> bytes:
        return parse_quote(quote).signature.quoting_key()

    parts = _parts(version)
    own = key(parts.encode())

    assert key(_PLATFORM.draft(version=version, isv_svn=9).sign().encode()) == own
    for field in ("attestation_key", "qe_report_signature", "qe_auth", "certification_data"):
        flipped = bytes(255 - byte for byte in getattr(parts, field))
        changed = dataclasses.replace(parts, **{field: flipped})  # type: ignore[arg-type]
        assert key(changed.encode()) != own
    assert key(dataclasses.replace(parts, certification_type=4).encode()) != own


@pytest.mark.parametrize("version", [3, 4, 5])
def test_parse_quote_refuses_every_truncation(version: int) -> None:
    data = _parts(version).encode()

    for size in range(0, len(data), 7):
        assert _refused(data[:size]) == "dcap.quote.quote_format"
    assert _refused(data[:-1]) == "dcap.quote.quote_format"


def test_parse_quote_accepts_zero_padding_and_reports_the_declared_size() -> None:
    data = _parts().encode()

    assert parse_quote(data + bytes(3000)).declared_size == len(data)


def test_parse_quote_refuses_padding_that_is_not_all_zero() -> None:
    assert _refused(_parts().encode() + bytes(10) + b"\x01") == "dcap.quote.quote_format"


def test_parse_quote_refuses_more_than_its_limit() -> None:
    data = _parts().encode()
    padded = data + bytes(MAX_QUOTE_SIZE - len(data))

    assert parse_quote(padded).declared_size == len(data)
    assert _refused(padded + b"\0") == "dcap.quote.quote_format"


@pytest.mark.parametrize(
    ("offset", "value"),
    [(0, 1), (0, 2), (0, 6), (2, 0), (2, 1), (2, 3), (2, 4), (4, 0x81), (4, 0x82), (12, 0)],
)
def test_parse_quote_refuses_another_kind_of_quote_by_name(offset: int, value: int) -> None:
    data = bytearray(_parts().encode())
    data[offset] = value

    assert _refused(bytes(data)) == "dcap.quote.unsupported"


@pytest.mark.parametrize(
    ("body_type", "body_size"), [(0, 384), (2, 584), (3, 648), (1, 383), (1, 385), (2, 384)]
)
def test_parse_quote_refuses_a_body_that_is_not_sgx(body_type: int, body_size: int) -> None:
    descriptor = BodyDescriptor(body_type=body_type, body_size=body_size).encode()
    data = dataclasses.replace(_parts(5), descriptor=descriptor).encode()

    assert _refused(data) == "dcap.quote.quote_format"


@pytest.mark.parametrize("field", ["signature_size", "certification_size", "outer_size"])
@pytest.mark.parametrize("change", [-1, 1, 2**31, 2**32 - 1])
def test_parse_quote_refuses_a_size_that_does_not_fit(field: str, change: int) -> None:
    parts = _parts(4)
    true_sizes = {
        "signature_size": len(parts.signature_data()),
        "certification_size": len(parts.certification_data),
        "outer_size": len(parts.signature_data()) - 64 - 64 - 6,
    }
    size = change if change > 1 else true_sizes[field] + change
    data = dataclasses.replace(parts, **{field: size}).encode()  # type: ignore[arg-type]

    assert _refused(data) == "dcap.quote.quote_format"


@pytest.mark.parametrize("size", [0, 31, 33, 65535])
def test_parse_quote_refuses_an_auth_data_size_that_does_not_fit(size: int) -> None:
    data = dataclasses.replace(_parts(), qe_auth_size=size).encode()

    assert _refused(data) == "dcap.quote.quote_format"


@pytest.mark.parametrize("version", [3, 4, 5])
def test_parse_quote_refuses_stray_bytes_inside_the_signature_data(version: int) -> None:
    data = dataclasses.replace(_parts(version), stray=b"\0\0\0\0").encode()

    assert _refused(data) == "dcap.quote.quote_format"


@pytest.mark.parametrize("outer_type", [0, 5, 7, 65535])
def test_parse_quote_refuses_another_outer_certification_type(outer_type: int) -> None:
    data = dataclasses.replace(_parts(4), outer_type=outer_type).encode()

    assert _refused(data) == "dcap.quote.quote_format"


@pytest.mark.property
@given(st.binary(max_size=2048))
def test_any_bytes_are_a_quote_or_malformed(data: bytes) -> None:
    with pytest.raises(MalformedEvidenceError):
        parse_quote(data)


@pytest.mark.property
@given(
    st.sampled_from([_parts(3).encode(), _parts(4).encode(), _parts(5).encode()]),
    st.integers(min_value=0),
    st.binary(min_size=1, max_size=8),
)
def test_any_damage_gives_a_quote_or_malformed(data: bytes, place: int, patch: bytes) -> None:
    start = place % len(data)
    changed = (data[:start] + patch + data[start + len(patch) :])[: len(data)]

    with contextlib.suppress(MalformedEvidenceError):
        assert parse_quote(changed).declared_size <= len(changed)
