"""Event logs of firmware and boot loaders, as the TCG lays them out; structure only.

Nothing in a log is a fact before `assay.evidence.tpm.log_verify` has replayed it.

Source: TCG PC Client Platform Firmware Profile 1.06, section 10 (both layouts, little-endian).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from assay.evidence.tpm.algorithms import HashAlgorithm
from assay.evidence.tpm.event_types import EventType
from assay.wire import Layout, Reader, malformed, octets, uint

LOG_FORMAT: Final = "tpm.event_log.format"

MAX_LOG_BYTES: Final = 2 * 1_048_576
"""A log of Windows 11 has 70 to 150 KB."""

MAX_RECORDS: Final = 20_000
"""Ten times what servers with many devices log."""

MAX_DATA_BYTES: Final = 1_048_576
"""Of one event; a full list of revoked signatures has 30 KB."""

PCR_COUNT: Final = 24
TRUST_POINT: Final = 0xFFFFFFFF
"""The register that Windows gives for the quote it puts at the end of its own log: none."""

_SPEC_ID: Final = b"Spec ID Event03\0"
_MAX_ALGORITHMS: Final = 16
_SHA1_SIZE: Final = 20

_HEAD: Final = Layout("event", uint("pcr", 4), uint("type", 4))
_SPEC_ID_HEAD: Final = Layout(
    "spec_id",
    octets("signature", 16),
    uint("platform_class", 4),
    uint("minor", 1),
    uint("major", 1),
    uint("errata", 1),
    uint("uintn_size", 1),
    uint("algorithm_count", 4),
)
_BANKS: Final = {bank.value: bank for bank in HashAlgorithm}
_ALGORITHM: Final = Layout("spec_id.algorithm", uint("id", 2), uint("size", 2))


class LogRecord(msgspec.Struct, frozen=True, gc=False):
    """One record: a measurement, or a remark where the type is EV_NO_ACTION."""

    sequence: int
    """Its place in the log; the first record has 0."""

    pcr: int
    type: int
    digests: Mapping[HashAlgorithm, bytes]
    """By bank; algorithms that Assay does not know are left out."""

    data: bytes

    @property
    def is_measured(self) -> bool:
        """Whether the record extended its register."""
        return self.type != EventType.EV_NO_ACTION and self.pcr != TRUST_POINT


class EventLog(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed log: nothing of it has been held against a register."""

    records: tuple[LogRecord, ...]
    banks: frozenset[HashAlgorithm]
    """The banks for which every measurement has its digest: those that can be replayed."""

    is_crypto_agile: bool
    """Whether it begins with a specification ID event; older logs have SHA-1 alone."""

    padding_bytes: int
    """Bytes after the last record, all 00 or all FF."""


def parse_event_log(data: bytes) -> EventLog:
    """Parse a log of either layout.

    A tail of nothing but 00 or nothing but FF ends it: firmware hands whole tables out.

    Raises:
        MalformedEvidenceError: Too large, a length that does not add up, a register that a TPM
            does not have, or a digest of an algorithm that the log does not announce.
    """
    if len(data) > MAX_LOG_BYTES:
        raise malformed(LOG_FORMAT, f"at most {MAX_LOG_BYTES} bytes", f"{len(data)}")
    reader = Reader(data, "log", check=LOG_FORMAT)
    first = _read_legacy(reader, 0)
    if not first.data.startswith(_SPEC_ID):
        return _rest(reader, data, first, None)
    if first.is_measured:
        raise reader.malformed("spec_id", "a remark, EV_NO_ACTION", "a measurement")
    return _rest(reader, data, first, _parse_spec_id(first.data))


def _rest(
    reader: Reader, data: bytes, first: LogRecord, sizes: Mapping[int, int] | None
) -> EventLog:
    """The log whose first record has been read; `sizes` are those of the announced digests."""
    records = [first]
    # Beforehand: looking at the tail anew behind each record would take quadratic time.
    tail = min(len(data.rstrip(b"\0")), len(data.rstrip(b"\xff")))
    while reader.offset < tail:
        number = len(records)
        if number == MAX_RECORDS:
            raise reader.malformed("events", f"at most {MAX_RECORDS}", "more")
        records.append(
            _read_legacy(reader, number) if sizes is None else _read_agile(reader, number, sizes)
        )
    return EventLog(
        records=tuple(records),
        banks=_complete_banks(records, sizes),
        is_crypto_agile=sizes is not None,
        padding_bytes=reader.remaining,
    )


def _complete_banks(
    records: list[LogRecord], sizes: Mapping[int, int] | None
) -> frozenset[HashAlgorithm]:
    if sizes is None:
        return frozenset({HashAlgorithm.SHA1})
    banks = {bank for bank in HashAlgorithm if bank in sizes}
    for record in records:
        if record.is_measured and not banks <= record.digests.keys():
            banks &= record.digests.keys()
    return frozenset(banks)


def _read_legacy(reader: Reader, number: int) -> LogRecord:
    """Read TCG_PCR_EVENT: register, type, one SHA-1 digest, data."""
    pcr, kind = _read_head(reader)
    digest = reader.octets(_SHA1_SIZE, "event.digest")
    return LogRecord(number, pcr, kind, {HashAlgorithm.SHA1: digest}, _read_data(reader))


def _read_agile(reader: Reader, number: int, sizes: Mapping[int, int]) -> LogRecord:
    """Read TCG_PCR_EVENT2: register, type, digests each after its algorithm, data."""
    pcr, kind = _read_head(reader)
    count = reader.uint(4, "event.digest_count")
    if count > len(sizes):
        raise reader.malformed("event.digest_count", f"at most {len(sizes)}", f"{count}")
    digests = {}
    seen = set()
    for _ in range(count):
        algorithm = reader.uint(2, "event.algorithm")
        if algorithm not in sizes or algorithm in seen:
            expected = "each announced algorithm once"
            raise reader.malformed("event.algorithm", expected, f"0x{algorithm:04x}")
        seen.add(algorithm)
        digest = reader.octets(sizes[algorithm], "event.digest")
        bank = _BANKS.get(algorithm)
        if bank is not None:
            digests[bank] = digest
    return LogRecord(number, pcr, kind, digests, _read_data(reader))


def _read_head(reader: Reader) -> tuple[int, int]:
    pcr, kind = reader.layout(_HEAD)
    if pcr >= PCR_COUNT and pcr != TRUST_POINT:
        raise reader.malformed("event.pcr", f"a register below {PCR_COUNT}", f"{pcr}")
    return pcr, kind


def _read_data(reader: Reader) -> bytes:
    size = reader.uint(4, "event.size")
    if size > MAX_DATA_BYTES:
        raise reader.malformed("event.size", f"at most {MAX_DATA_BYTES} bytes", f"{size}")
    return reader.octets(size, "event.data")


def _parse_spec_id(data: bytes) -> Mapping[int, int]:
    """The sizes of digests by algorithm, from the event that begins a crypto-agile log."""
    reader = Reader(data, "log", check=LOG_FORMAT)
    *_, count = reader.layout(_SPEC_ID_HEAD)
    if not 1 <= count <= _MAX_ALGORITHMS:
        raise reader.malformed("spec_id.algorithm_count", f"1 to {_MAX_ALGORITHMS}", f"{count}")
    sizes: dict[int, int] = {}
    for _ in range(count):
        algorithm, size = reader.layout(_ALGORITHM)
        bank = _BANKS.get(algorithm)
        if algorithm in sizes or (bank is not None and size != bank.size):
            expected = "each algorithm once, with the size of its digests"
            raise reader.malformed(
                "spec_id.algorithm", expected, f"0x{algorithm:04x}, {size} bytes"
            )
        sizes[algorithm] = size
    reader.octets(reader.uint(1, "spec_id.vendor_size"), "spec_id.vendor_info")
    reader.end()
    return sizes
