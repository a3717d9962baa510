from __future__ import annotations

from collections.abc import Callable

import pytest

from assay.errors import MalformedEvidenceError
from assay.evidence.tpm.allowance import Allowance
from assay.evidence.tpm.efi_events import (
    FirmwareBlob,
    parse_firmware_blob,
    parse_image_load,
    parse_partition_table,
)
from assay.simulator.uefi_boot import firmware_blob, image_load, partition_table

IMAGE = image_load(b"image").data
BLOB = firmware_blob(1, 2, b"").data
TABLE = partition_table("A partition", 2).data


def table(data: bytes) -> object:
    return parse_partition_table(data, Allowance())


def test_an_image_has_a_place_and_the_kind_of_device_it_came_from() -> None:
    image = parse_image_load(IMAGE)

    assert (image.location, image.length, image.link_time_address) == (0x6E8D3018, 5, 0x10000000)
    assert (image.device_type, image.device_sub_type) == (2, 1)


def test_a_part_of_the_firmware_has_a_place() -> None:
    assert parse_firmware_blob(BLOB) == FirmwareBlob(base=1, length=2)


def test_a_partition_table_has_its_entries() -> None:
    parsed = parse_partition_table(TABLE, Allowance())

    assert parsed.signature.to_bytes(8, "little") == b"EFI PART"
    assert (parsed.first_usable_lba, parsed.last_usable_lba) == (34, 966)
    assert [one.name for one in parsed.partitions] == ["A partition"] * 2
    assert parsed.partitions[0].attributes == 1 << 63


@pytest.mark.parametrize(
    ("parse", "data"),
    [(parse_image_load, IMAGE), (parse_firmware_blob, BLOB), (table, TABLE)],
    ids=["image", "blob", "table"],
)
def test_what_is_too_short_or_too_long_is_refused(
    parse: Callable[[bytes], object], data: bytes
) -> None:
    for other in (data[:-1], data + b"\0", b""):
        with pytest.raises(MalformedEvidenceError) as caught:
            parse(other)
        assert caught.value.findings[0].check == "tpm.event_log.event_format"


@pytest.mark.parametrize("length", [0, 3, 15, 17, 2**64 - 1])
def test_a_device_path_has_the_length_that_it_says(length: int) -> None:
    data = IMAGE[:24] + length.to_bytes(8, "little") + IMAGE[32:]

    with pytest.raises(MalformedEvidenceError):
        parse_image_load(data)


def test_partitions_are_taken_from_the_allowance() -> None:
    with pytest.raises(MalformedEvidenceError) as caught:
        parse_partition_table(TABLE, Allowance(1))

    assert caught.value.findings[0].check == "tpm.event_log.limit"


def test_a_size_of_entries_that_is_too_small_is_refused() -> None:
    data = TABLE.replace((128).to_bytes(4, "little") * 2, (128).to_bytes(4, "little") + bytes(4))

    with pytest.raises(MalformedEvidenceError):
        parse_partition_table(data, Allowance())
