from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.errors import MalformedEvidenceError
from assay.wire import ByteOrder, Layout, Reader, malformed, octets, uint, zeros

CHECK = "test.thing.quote_format"

HEADER = Layout("header", uint("version", 2), zeros("reserved", 3), octets("digest", 4))


def reader(data: bytes, order: ByteOrder = "little") -> Reader:
    return Reader(data, "thing", check=CHECK, order=order)


def test_octets_returns_the_next_bytes_and_moves_on() -> None:
    source = reader(b"abcdef")

    assert source.octets(2, "first") == b"ab"
    assert source.octets(3, "second") == b"cde"
    assert source.offset == 5
    assert source.remaining == 1


def test_octets_of_no_bytes_is_empty_even_at_the_end() -> None:
    assert reader(b"").octets(0, "nothing") == b""


def test_octets_refuses_more_than_is_left_and_names_the_place() -> None:
    source = reader(b"abc")
    source.octets(1, "first")

    with pytest.raises(MalformedEvidenceError) as caught:
        source.octets(3, "second")

    (finding,) = caught.value.findings
    assert finding.check == CHECK
    assert finding.expected == "3 bytes for thing.second"
    assert finding.actual == "2 left at byte 1"
    assert caught.value.message == "need 3 bytes for thing.second, got 2 left at byte 1"


def test_octets_refuses_a_negative_size_rather_than_rewinding() -> None:
    source = reader(b"abcdef")
    source.octets(4, "first")

    with pytest.raises(MalformedEvidenceError):
        source.octets(-2, "second")

    assert source.offset == 4


@pytest.mark.parametrize(("order", "value"), [("little", 0x0201), ("big", 0x0102)])
def test_uint_reads_in_the_order_of_the_reader(order: ByteOrder, value: int) -> None:
    assert reader(b"\x01\x02", order).uint(2, "field") == value


def test_uint_reads_sizes_that_no_layout_has() -> None:
    assert reader(b"\x01\x00\x80").uint(3, "field") == 0x800001


def test_uint_refuses_too_few_bytes() -> None:
    with pytest.raises(MalformedEvidenceError):
        reader(b"\x01").uint(2, "field")


def test_zeros_skips_reserved_bytes() -> None:
    source = reader(bytes(4) + b"x")

    source.zeros(4, "reserved")

    assert source.octets(1, "rest") == b"x"


@pytest.mark.parametrize("position", range(4))
def test_zeros_refuses_a_set_reserved_byte(position: int) -> None:
    data = bytearray(4)
    data[position] = 1
    source = reader(bytes(data))

    with pytest.raises(MalformedEvidenceError) as caught:
        source.zeros(4, "reserved")

    assert caught.value.findings[0].actual == f"0x{data.hex()} at byte 0"
    assert source.offset == 0


def test_zeros_refuses_too_few_bytes() -> None:
    with pytest.raises(MalformedEvidenceError):
        reader(bytes(3)).zeros(4, "reserved")


def test_errors_show_the_start_of_a_long_field_only() -> None:
    with pytest.raises(MalformedEvidenceError) as caught:
        reader(b"\xff" * 4096).zeros(4096, "reserved")

    assert caught.value.findings[0].actual == "0xffffffffffffffff… at byte 0"


def test_layout_knows_its_size() -> None:
    assert HEADER.size == 9


def test_layout_yields_its_fields_in_order_without_the_reserved_ones() -> None:
    assert reader(b"\x03\x00" + bytes(3) + b"abcd").layout(HEADER) == (3, b"abcd")


@pytest.mark.parametrize("order", ["little", "big"])
def test_layout_reads_integers_in_its_own_order(order: ByteOrder) -> None:
    sizes: tuple[Literal[1, 2, 4, 8], ...] = (1, 2, 4, 8)
    layout = Layout("numbers", *(uint(f"of_{size}", size) for size in sizes), order=order)
    data = bytes(range(1, 16))
    source = reader(data, order)

    assert layout.unpack(data, CHECK) == tuple(source.uint(size, "number") for size in sizes)


def test_layout_refuses_a_set_reserved_byte_by_name() -> None:
    with pytest.raises(MalformedEvidenceError) as caught:
        reader(b"\x03\x00\x00\x01\x00abcd").layout(HEADER)

    (finding,) = caught.value.findings
    assert finding.check == CHECK
    assert finding.expected == "header.reserved to be zero"
    assert finding.actual == "0x000100"


def test_layout_refuses_too_few_bytes() -> None:
    with pytest.raises(MalformedEvidenceError):
        reader(bytes(8)).layout(HEADER)


def test_layout_leaves_what_follows_it() -> None:
    source = reader(bytes(12))

    source.layout(HEADER)

    assert source.remaining == 3


def test_layout_of_another_size_is_a_mistake_of_the_program() -> None:
    with pytest.raises(struct.error):
        HEADER.unpack(bytes(8), CHECK)


def test_block_confines_the_reads_inside_it() -> None:
    source = reader(b"abcdef")

    with source.block(2, "inner"):
        assert source.remaining == 2
        assert source.octets(2, "field") == b"ab"

    assert source.remaining == 4


def test_block_refuses_a_read_beyond_it() -> None:
    source = reader(b"abcdef")

    with pytest.raises(MalformedEvidenceError, match=r"3 bytes for thing\.field"):
        _read_block(source, 2, 3)


def test_block_refuses_bytes_left_unread() -> None:
    with pytest.raises(MalformedEvidenceError) as caught:
        _read_block(reader(b"abcdef"), 4, 3)

    assert caught.value.findings[0].actual == "1 left unread at byte 3"


@pytest.mark.parametrize("size", [7, -1])
def test_block_refuses_a_size_that_is_not_there(size: int) -> None:
    with pytest.raises(MalformedEvidenceError):
        _read_block(reader(b"abcdef"), size, 0)


def test_block_inside_a_block_may_not_be_larger() -> None:
    source = reader(b"abcdef")

    with pytest.raises(MalformedEvidenceError), source.block(3, "outer"):
        _read_block(source, 4, 4)


def test_blocks_nest() -> None:
    source = reader(b"abcdef")

    with source.block(5, "outer"):
        source.octets(1, "first")
        with source.block(2, "inner"):
            source.octets(2, "second")
        source.octets(2, "third")

    assert source.octets(1, "last") == b"f"


def test_block_opens_again_after_an_error() -> None:
    source = reader(b"abcdef")

    with pytest.raises(MalformedEvidenceError):
        _read_block(source, 2, 3)

    assert source.remaining == 6


def test_end_accepts_nothing_left() -> None:
    reader(b"").end()


def test_end_refuses_what_is_left() -> None:
    with pytest.raises(MalformedEvidenceError) as caught:
        reader(b"\0").end()

    assert caught.value.findings[0].actual == "1 left at byte 0"


@pytest.mark.parametrize("padding", [b"", bytes(1), bytes(1000)])
def test_end_padded_accepts_zeros(padding: bytes) -> None:
    reader(padding).end_padded()


@pytest.mark.parametrize("padding", [b"\1", bytes(10) + b"\1", b"\1" + bytes(10)])
def test_end_padded_refuses_anything_else(padding: bytes) -> None:
    with pytest.raises(MalformedEvidenceError):
        reader(padding).end_padded()


def test_end_padded_looks_at_the_open_block_only() -> None:
    source = reader(bytes(2) + b"x")

    with source.block(2, "inner"):
        source.end_padded()
        source.zeros(2, "padding")


def test_malformed_carries_one_finding() -> None:
    error = malformed(CHECK, "a version", "none")

    assert error.findings[0].check == CHECK
    assert str(error) == "need a version, got none"


# One of each kind of read, to be applied to any bytes.
READS: list[Callable[[Reader, int], object]] = [
    lambda source, size: source.octets(size, "octets"),
    lambda source, size: source.uint(size, "uint"),
    lambda source, size: source.zeros(size, "zeros"),
    lambda source, _: source.layout(HEADER),
    lambda source, size: _read_block(source, size, size),
    lambda source, _: source.end(),
    lambda source, _: source.end_padded(),
]


@pytest.mark.property
@given(
    data=st.binary(max_size=64),
    reads=st.lists(st.tuples(st.sampled_from(READS), st.integers(-4, 40)), max_size=8),
)
def test_any_bytes_give_values_or_malformed_evidence(
    data: bytes, reads: list[tuple[Callable[[Reader, int], object], int]]
) -> None:
    source = reader(data)

    for read, size in reads:
        before = source.offset
        try:
            read(source, size)
        except MalformedEvidenceError:
            return
        assert before <= source.offset <= len(data)


@pytest.mark.property
@given(st.lists(st.binary(max_size=16), max_size=8))
def test_what_was_written_in_sequence_is_read_back(pieces: list[bytes]) -> None:
    source = reader(b"".join(pieces))

    assert [source.octets(len(piece), "piece") for piece in pieces] == pieces
    source.end()


@pytest.mark.property
@given(st.binary(max_size=32), st.sampled_from(["little", "big"]))
def test_uint_is_the_integer_that_the_bytes_spell(data: bytes, order: ByteOrder) -> None:
    assert reader(data, order).uint(len(data), "number").to_bytes(len(data), order) == data


@pytest.mark.property
@given(st.integers(0, 2**16 - 1), st.binary(min_size=4, max_size=4))
def test_layout_reads_what_a_reader_reads(version: int, digest: bytes) -> None:
    data = version.to_bytes(2, "little") + bytes(3) + digest
    one_by_one = reader(data)
    number = one_by_one.uint(2, "version")
    one_by_one.zeros(3, "reserved")

    assert reader(data).layout(HEADER) == (number, one_by_one.octets(4, "digest"))


@pytest.mark.property
@given(st.binary(max_size=HEADER.size - 1))
def test_every_truncation_of_a_layout_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedEvidenceError):
        reader(data).layout(HEADER)


def _read_block(source: Reader, size: int, consumed: int) -> None:
    with source.block(size, "block"):
        source.octets(consumed, "field")
