"""What firmware logs of images, firmware volumes and partition tables.

Source: TCG PC Client Platform Firmware Profile 1.06, sections 10.2.3 (UEFI_IMAGE_LOAD_EVENT),
10.2.5 (UEFI_PLATFORM_FIRMWARE_BLOB) and 10.2.7 (UEFI_GPT_DATA); UEFI 2.10, sections 5.3 and 10.3.
"""

from __future__ import annotations

from typing import Final

import msgspec

from assay.evidence.tpm.allowance import Allowance
from assay.evidence.tpm.efi_variable import EVENT_FORMAT, guid_text, read_utf16
from assay.wire import Layout, Reader, octets, uint

_IMAGE: Final = Layout(
    "image_load",
    uint("location", 8),
    uint("length", 8),
    uint("link_time_address", 8),
    uint("device_path_length", 8),
)
_NODE: Final = Layout("device_path", uint("type", 1), uint("sub_type", 1), uint("length", 2))
_BLOB: Final = Layout("firmware_blob", uint("base", 8), uint("length", 8))
_GPT: Final = Layout(
    "gpt",
    uint("signature", 8),
    uint("revision", 4),
    uint("header_size", 4),
    uint("crc32", 4),
    uint("reserved", 4),
    uint("my_lba", 8),
    uint("alternate_lba", 8),
    uint("first_usable_lba", 8),
    uint("last_usable_lba", 8),
    octets("disk_guid", 16),
    uint("partition_entry_lba", 8),
    uint("number_of_entries", 4),
    uint("size_of_entry", 4),
    uint("array_crc32", 4),
    uint("partition_count", 8),
)
_PARTITION: Final = Layout(
    "partition",
    octets("type_guid", 16),
    octets("unique_guid", 16),
    uint("starting_lba", 8),
    uint("ending_lba", 8),
    uint("attributes", 8),
)
_NAME_BYTES: Final = 72


class ImageLoad(msgspec.Struct, frozen=True, kw_only=True):
    """Where an image was loaded and from what; the digest is the image's, not of these."""

    location: int
    length: int
    link_time_address: int
    device_type: int
    """Of the first node of the device path."""

    device_sub_type: int


class FirmwareBlob(msgspec.Struct, frozen=True, kw_only=True):
    """Where a part of the firmware lies; the digest is that part's, not of these."""

    base: int
    length: int


class Partition(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of a partition table."""

    type_guid: str
    unique_guid: str
    starting_lba: int
    ending_lba: int
    attributes: int
    name: str


class PartitionTable(msgspec.Struct, frozen=True, kw_only=True):
    """A GUID partition table."""

    signature: int
    revision: int
    header_size: int
    crc32: int
    my_lba: int
    alternate_lba: int
    first_usable_lba: int
    last_usable_lba: int
    disk_guid: str
    partition_entry_lba: int
    number_of_entries: int
    size_of_entry: int
    array_crc32: int
    partitions: tuple[Partition, ...]


def parse_image_load(data: bytes) -> ImageLoad:
    """Parse UEFI_IMAGE_LOAD_EVENT as far as the first node of its device path.

    Raises:
        MalformedEvidenceError: Too short, or a device path of another length.
    """
    reader = Reader(data, "image_load", check=EVENT_FORMAT)
    location, length, link_time_address, path_length = reader.layout(_IMAGE)
    with reader.block(path_length, "device_path"):
        kind, sub_type, _ = reader.layout(_NODE)
        reader.octets(reader.remaining, "device_path")
    reader.end()
    return ImageLoad(
        location=location,
        length=length,
        link_time_address=link_time_address,
        device_type=kind,
        device_sub_type=sub_type,
    )


def parse_firmware_blob(data: bytes) -> FirmwareBlob:
    """Parse UEFI_PLATFORM_FIRMWARE_BLOB.

    Raises:
        MalformedEvidenceError: Not 16 bytes.
    """
    reader = Reader(data, "firmware_blob", check=EVENT_FORMAT)
    base, length = reader.layout(_BLOB)
    reader.end()
    return FirmwareBlob(base=base, length=length)


def parse_partition_table(data: bytes, allowance: Allowance) -> PartitionTable:
    """Parse UEFI_GPT_DATA: the table's header and the entries in use.

    Raises:
        MalformedEvidenceError: Sizes that do not add up, a name that is not UTF-16, or too many
            partitions.
    """
    reader = Reader(data, "gpt", check=EVENT_FORMAT)
    fields = reader.layout(_GPT)
    signature, revision, header_size, crc32, _, my, alternate, first, last, *rest = fields
    disk_guid, entry_lba, number_of_entries, size_of_entry, array_crc32, count = rest
    partitions: list[Partition] = []
    for _ in range(count):
        allowance.take()
        with reader.block(size_of_entry, "partition"):
            partitions.append(_read_partition(reader))
    reader.end()
    return PartitionTable(
        signature=signature,
        revision=revision,
        header_size=header_size,
        crc32=crc32,
        my_lba=my,
        alternate_lba=alternate,
        first_usable_lba=first,
        last_usable_lba=last,
        disk_guid=guid_text(disk_guid),
        partition_entry_lba=entry_lba,
        number_of_entries=number_of_entries,
        size_of_entry=size_of_entry,
        array_crc32=array_crc32,
        partitions=tuple(partitions),
    )


def _read_partition(reader: Reader) -> Partition:
    type_guid, unique_guid, starting_lba, ending_lba, attributes = reader.layout(_PARTITION)
    name = read_utf16(reader, _NAME_BYTES, "name")
    reader.octets(reader.remaining, "reserved")
    return Partition(
        type_guid=guid_text(type_guid),
        unique_guid=guid_text(unique_guid),
        starting_lba=starting_lba,
        ending_lba=ending_lba,
        attributes=attributes,
        name=name.partition("\0")[0],
    )
