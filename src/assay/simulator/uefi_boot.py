"""The events that firmware measures before any operating system, as a PC of today does."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from assay.evidence.tpm.event_types import EventType
from assay.simulator.measured_boot import Event

GLOBAL: Final = UUID("8be4df61-93ca-11d2-aa0d-00e098032b8c")
SECURITY: Final = UUID("d719b2cb-3d3a-4596-a3bc-dad00e67656f")
OWNER: Final = UUID("11111111-2222-4333-8444-555555555555")

_X509: Final = UUID("a5c059a1-94e4-4aa7-87b5-ab155c2bf072")
_SHA256: Final = UUID("c1c41626-504c-4092-aca9-41f936934328")
_LOADER_PATH: Final = bytes.fromhex("02010c00d041030a000000007fff0400")


def firmware_events(*, secure_boot: bool = True) -> tuple[Event, ...]:
    """The firmware itself, the configuration of secure boot, what to boot, and the separators."""
    return (
        measured(0, EventType.EV_S_CRTM_VERSION, utf16("1.2.3") + b"\0\0"),
        firmware_blob(0xFF000000, 0x800000, b"the firmware"),
        driver_config("SecureBoot", b"\1" if secure_boot else b"\0"),
        driver_config("PK", signature_list(_X509, b"a platform key")),
        driver_config("KEK", signature_list(_X509, b"a key exchange key")),
        driver_config("db", signature_list(_X509, b"a certificate"), guid=SECURITY),
        driver_config("dbx", signature_list(_SHA256, bytes(32), b"\1" * 32), guid=SECURITY),
        separator(7),
        measured(0, EventType.EV_NONHOST_INFO, b""),
        boot_variable("BootOrder", bytes([0, 0, 1, 0])),
        boot_variable("Boot0000", utf16("The loader") + b"\0\0"),
        action(4, "Calling EFI Application from Boot Option"),
        *(separator(number) for number in range(7)),
    )


def loader_events(image: bytes = b"the boot loader") -> tuple[Event, ...]:
    """What vouched for the boot loader, where it came from, and the loader."""
    return (
        authority("db", OWNER.bytes_le + b"a certificate"),
        partition_table(),
        image_load(image),
    )


def exit_events() -> tuple[Event, ...]:
    """The firmware hands over."""
    return (
        action(5, "Exit Boot Services Invocation"),
        action(5, "Exit Boot Services Returned with Success"),
    )


def measured(pcr: int, kind: int, data: bytes) -> Event:
    """An event whose digests are of its data."""
    return Event(pcr=pcr, type=kind, data=data)


def separator(pcr: int, data: bytes = bytes(4)) -> Event:
    """The end of a stage."""
    return measured(pcr, EventType.EV_SEPARATOR, data)


def action(pcr: int, text: str) -> Event:
    """What the firmware does."""
    return measured(pcr, EventType.EV_EFI_ACTION, text.encode())


def variable_data(name: str, data: bytes, guid: UUID = GLOBAL) -> bytes:
    """UEFI_VARIABLE_DATA."""
    return guid.bytes_le + _u64(len(name)) + _u64(len(data)) + utf16(name) + data


def driver_config(name: str, data: bytes, *, guid: UUID = GLOBAL, pcr: int = 7) -> Event:
    """A variable that configures the boot."""
    kind = EventType.EV_EFI_VARIABLE_DRIVER_CONFIG
    return measured(pcr, kind, variable_data(name, data, guid))


def boot_variable(name: str, data: bytes) -> Event:
    """A variable that says what to boot, measured without its name as most firmware does."""
    return Event(
        pcr=1,
        type=EventType.EV_EFI_VARIABLE_BOOT,
        data=variable_data(name, data),
        measured=data,
    )


def authority(name: str, data: bytes, *, guid: UUID = SECURITY) -> Event:
    """What vouched for an image."""
    kind = EventType.EV_EFI_VARIABLE_AUTHORITY
    return measured(7, kind, variable_data(name, data, guid))


def signature_list(kind: UUID, *signatures: bytes, header: bytes = b"") -> bytes:
    """EFI_SIGNATURE_LIST of signatures of one size."""
    size = 16 + len(signatures[0])
    entries = b"".join(OWNER.bytes_le + signature for signature in signatures)
    total = 28 + len(header) + len(entries)
    return kind.bytes_le + _u32(total) + _u32(len(header)) + _u32(size) + header + entries


def firmware_blob(base: int, length: int, content: bytes) -> Event:
    """A part of the firmware."""
    return Event(
        pcr=0,
        type=EventType.EV_EFI_PLATFORM_FIRMWARE_BLOB,
        data=_u64(base) + _u64(length),
        measured=content,
    )


def image_load(image: bytes, *, kind: int = EventType.EV_EFI_BOOT_SERVICES_APPLICATION) -> Event:
    """A program of the firmware's environment."""
    fields = _u64(0x6E8D3018) + _u64(len(image)) + _u64(0x10000000) + _u64(len(_LOADER_PATH))
    return Event(pcr=4, type=kind, data=fields + _LOADER_PATH, measured=image)


def partition_table(name: str = "EFI system partition", count: int = 1) -> Event:
    """A GUID partition table."""
    entry = GLOBAL.bytes_le + OWNER.bytes_le + _u64(2048) + _u64(534527) + _u64(1 << 63)
    entry += utf16(name).ljust(72, b"\0")
    header = b"EFI PART" + _u32(0x10000) + _u32(92) + _u32(0x626917F7) + _u32(0)
    header += _u64(1) + _u64(999) + _u64(34) + _u64(966) + OWNER.bytes_le
    header += _u64(2) + _u32(128) + _u32(128) + _u32(0xCFEAEA17)
    data = header + _u64(count) + entry * count
    return measured(5, EventType.EV_EFI_GPT_EVENT, data)


def utf16(text: str) -> bytes:
    """UTF-16, little-endian, without an end."""
    return text.encode("utf-16-le")


def _u32(value: int) -> bytes:
    return value.to_bytes(4, "little")


def _u64(value: int) -> bytes:
    return value.to_bytes(8, "little")
