from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.errors import MalformedEvidenceError
from assay.evidence.tpm.algorithms import HashAlgorithm
from assay.evidence.tpm.event_log import (
    MAX_DATA_BYTES,
    MAX_LOG_BYTES,
    MAX_RECORDS,
    TRUST_POINT,
    parse_event_log,
)
from assay.evidence.tpm.event_types import EventType
from assay.simulator.measured_boot import BootDraft, Event, spec_id
from assay.simulator.uefi_boot import action, firmware_events, measured
from assay.simulator.windows_boot import windows_boot

SHA1, SHA256, SHA384 = HashAlgorithm.SHA1, HashAlgorithm.SHA256, HashAlgorithm.SHA384
SM3 = 0x0012
ONE = BootDraft(events=(action(4, "one"),))


def u16(value: int) -> bytes:
    return value.to_bytes(2, "little")


def u32(value: int) -> bytes:
    return value.to_bytes(4, "little")


def legacy(data: bytes, *, pcr: int = 0, kind: int = EventType.EV_NO_ACTION) -> bytes:
    return u32(pcr) + u32(kind) + bytes(20) + u32(len(data)) + data


def announced(*sizes: tuple[int, int], vendor: bytes = b"") -> bytes:
    """A spec ID event that announces these algorithms."""
    data = spec_id((), vendor=vendor)
    pairs = b"".join(u16(algorithm) + u16(size) for algorithm, size in sizes)
    return legacy(data[:24] + u32(len(sizes)) + pairs + bytes([len(vendor)]) + vendor)


def record(*digests: tuple[int, bytes], data: bytes = b"", kind: int = 1) -> bytes:
    pairs = b"".join(u16(algorithm) + digest for algorithm, digest in digests)
    return u32(0) + u32(kind) + u32(len(digests)) + pairs + u32(len(data)) + data


def refusal(data: bytes) -> str:
    with pytest.raises(MalformedEvidenceError) as caught:
        parse_event_log(data)
    assert [finding.check for finding in caught.value.findings] == ["tpm.event_log.format"]
    return str(caught.value)


def test_a_crypto_agile_log_has_its_events_behind_the_one_that_says_what_it_is() -> None:
    log = parse_event_log(ONE.encode())

    head, event = log.records
    assert log.is_crypto_agile
    assert log.banks == {SHA1, SHA256}
    assert log.padding_bytes == 0
    assert not head.is_measured
    assert event.is_measured
    assert (event.sequence, event.pcr, event.type) == (1, 4, EventType.EV_EFI_ACTION)
    assert event.digests == {bank: bank.digest(b"one") for bank in (SHA1, SHA256)}
    assert event.data == b"one"


def test_a_legacy_log_has_sha1_alone() -> None:
    log = parse_event_log(replace(ONE, is_legacy=True).encode())

    assert not log.is_crypto_agile
    assert log.banks == {SHA1}
    assert [event.data for event in log.records] == [b"one"]


@pytest.mark.parametrize("padding", [bytes(1), bytes(4096), b"\xff", b"\xff" * 4096])
def test_a_tail_of_one_byte_repeated_ends_a_log(padding: bytes) -> None:
    log = parse_event_log(replace(windows_boot(), padding=padding).encode())

    assert log.padding_bytes == len(padding)
    assert log.records == parse_event_log(windows_boot().encode()).records


@pytest.mark.parametrize("padding", [b"\0\xff" * 32, b"\0\0\0\1", b"\xff" * 8 + b"\0"])
def test_a_tail_of_anything_else_is_read_as_events(padding: bytes) -> None:
    refusal(replace(ONE, padding=padding).encode())


def test_unknown_algorithms_are_skipped_by_the_size_that_is_announced() -> None:
    digest = bytes(range(32))

    log = parse_event_log(
        announced((SM3, 5), (SHA256, 32)) + record((SM3, bytes(5)), (SHA256, digest))
    )

    assert log.records[1].digests == {SHA256: digest}
    assert log.banks == {SHA256}


def test_a_bank_is_complete_when_every_measurement_has_its_digest() -> None:
    both = record((SHA256, bytes(32)), (SHA384, bytes(48)))
    one = record((SHA256, bytes(32)))
    remark = record(kind=EventType.EV_NO_ACTION)

    log = parse_event_log(announced((SHA256, 32), (SHA384, 48)) + both + one + remark)

    assert log.banks == {SHA256}


def test_no_bank_is_complete_when_measurements_take_turns() -> None:
    one, other = record((SHA256, bytes(32))), record((SHA384, bytes(48)))

    log = parse_event_log(announced((SHA256, 32), (SHA384, 48)) + one + other)

    assert log.banks == frozenset()


def test_the_quote_at_the_end_of_a_log_of_windows_is_not_measured() -> None:
    trust_point = legacy(b"quote", pcr=TRUST_POINT, kind=EventType.EV_EVENT_TAG)

    (event,) = parse_event_log(trust_point).records

    assert not event.is_measured


def test_vendor_information_is_read_over() -> None:
    assert parse_event_log(announced((SHA256, 32), vendor=b"vendor")).banks == {SHA256}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "8 bytes"),
        (legacy(b"")[:-1], "4 bytes"),
        (legacy(b"x")[:-1], "1 bytes"),
        (legacy(b"", pcr=24), "register below 24"),
        (legacy(spec_id((SHA256,)), kind=1), "remark"),
        (legacy(spec_id((SHA256,)) + b"\0"), "no further bytes"),
        (legacy(spec_id((SHA256,))[:-1] + b"\4"), "4 bytes for log.spec_id.vendor_info"),
        (announced(), "1 to 16"),
        (announced(*((number, 1) for number in range(17))), "1 to 16"),
        (announced((SHA256, 20)), "size of its digests"),
        (announced((SM3, 32), (SM3, 32)), "each algorithm once"),
        (announced((SHA256, 32)) + record((SHA1, bytes(20))), "announced algorithm"),
        (announced((SHA256, 32)) + record(*2 * ((SHA256, bytes(32)),)), "at most 1"),
        (
            announced((SHA256, 32), (SHA1, 20)) + record(*2 * ((SHA256, bytes(32)),)),
            "announced algorithm once",
        ),
        (announced((SHA256, 32)) + u32(0) + u32(1) + u32(2**32 - 1), "at most 1"),
    ],
)
def test_a_log_that_does_not_follow_its_format_is_refused(data: bytes, said: str) -> None:
    assert said in refusal(data)


def test_logs_records_and_data_have_limits() -> None:
    many = b"".join(legacy(b"", kind=1) for _ in range(MAX_RECORDS))
    large = legacy(bytes(MAX_DATA_BYTES), kind=1)

    assert len(parse_event_log(many).records) == MAX_RECORDS
    assert len(parse_event_log(large).records) == 1
    assert "at most" in refusal(many + legacy(b"\1", kind=1))
    assert "at most" in refusal(legacy(bytes(MAX_DATA_BYTES + 1), kind=1))
    assert "at most" in refusal(bytes(MAX_LOG_BYTES + 1))


@pytest.mark.property
@given(st.binary(max_size=300))
def test_any_bytes_are_a_log_or_refused(data: bytes) -> None:
    for start in (b"", announced((SHA256, 32), (SM3, 3))):
        with contextlib.suppress(MalformedEvidenceError):
            assert parse_event_log(start + data).records


@pytest.mark.property
@given(
    st.lists(
        st.builds(
            measured,
            st.integers(0, 23),
            st.integers(0, 2**32 - 1).filter(lambda x: x != 3),
            st.binary(),
        ),
        min_size=1,
        max_size=5,
    ),
    st.booleans(),
)
def test_what_was_written_is_read(events: list[Event], is_legacy: bool) -> None:  # noqa: FBT001
    log = parse_event_log(BootDraft(events=tuple(events), is_legacy=is_legacy).encode() + b"")

    read = [(one.pcr, one.type, one.data) for one in log.records[0 if is_legacy else 1 :]]
    assert read == [(one.pcr, one.type, one.data) for one in events]


def test_a_cut_log_is_refused_or_has_fewer_events() -> None:
    whole = BootDraft(events=firmware_events()).encode()
    events = len(parse_event_log(whole).records)

    for size in range(65, len(whole)):
        try:
            log = parse_event_log(whole[:size])
        except MalformedEvidenceError:
            continue
        assert len(log.records) < events
