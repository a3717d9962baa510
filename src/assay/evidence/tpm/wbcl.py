"""The tagged records of Windows (SIPA events) inside EV_EVENT_TAG: structure only.

Source: Windows SDK, `wbcl.h`.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Final

import msgspec

from assay.evidence.tpm.allowance import Allowance
from assay.evidence.tpm.sipa import CATEGORIES, REPEATED, SIPA
from assay.wire import Layout, Reader, uint

WBCL_FORMAT: Final = "tpm.wbcl.format"
WBCL_DUPLICATE: Final = "tpm.wbcl.duplicate"

_HEAD: Final = Layout("record", uint("id", 4), uint("size", 4))
_AGGREGATION: Final = 0x40000000
_FLAGS: Final = 0xC0000000
"""Not measured, and aggregation."""

_MAX_LEVELS: Final = 8
"""Real records have three. Eight bytes are enough for a level, so depth is the sender's."""

_CATEGORY_SHIFT: Final = 16
_ID_SIZE: Final = 4


class SipaRecord(msgspec.Struct, frozen=True):
    """One record: a value, or a container of records."""

    id: int
    data: bytes
    children: tuple[SipaRecord, ...]
    """Of a container; empty otherwise."""


def is_sipa(data: bytes) -> bool:
    """Whether tagged data begins as a record of Windows does; other systems have ids of their own.

    Looks at the first number alone, so that a damaged record is seen as one.
    """
    if len(data) < _ID_SIZE:
        return False
    number = Reader(data, "wbcl", check=WBCL_FORMAT).uint(_ID_SIZE, "id")
    return (number & ~_FLAGS) >> _CATEGORY_SHIFT in CATEGORIES


def parse_sipa(data: bytes, allowance: Allowance) -> tuple[SipaRecord, ...]:
    """Parse a sequence of records, down to the values.

    Raises:
        MalformedEvidenceError: Sizes that do not add up, too deep, too many (`format`); or a
            record that its container should have once is there twice (`duplicate`).
    """
    return _parse(data, allowance, _MAX_LEVELS)


def find_sipa(records: tuple[SipaRecord, ...], identifiers: Container[int]) -> Iterator[SipaRecord]:
    """The records of these ids, at any level, in their order."""
    for record in records:
        if record.id in identifiers:
            yield record
        if record.children:
            yield from find_sipa(record.children, identifiers)


def _parse(data: bytes, allowance: Allowance, levels: int) -> tuple[SipaRecord, ...]:
    reader = Reader(data, "wbcl", check=WBCL_FORMAT)
    records = []
    seen: set[int] = set()
    while reader.remaining:
        if levels == 0:
            raise reader.malformed("record", f"at most {_MAX_LEVELS} levels", "more")
        allowance.take()
        number, size = reader.layout(_HEAD)
        if number in seen and number in SIPA and number not in REPEATED:
            again = Reader(data, "wbcl", check=WBCL_DUPLICATE)
            raise again.malformed("record", "each once in its container", f"0x{number:08X} twice")
        seen.add(number)
        content = reader.octets(size, "data")
        children = _parse(content, allowance, levels - 1) if number & _AGGREGATION else ()
        records.append(SipaRecord(number, content, children))
    return tuple(records)
