"""Boots of simulated machines with Linux, and what the kernel measures by itself."""

from __future__ import annotations

import hashlib
from typing import Final
from uuid import UUID

from assay.evidence.tpm.event_types import EventType
from assay.simulator.measured_boot import BootDraft, Event, KernelMeasurement
from assay.simulator.uefi_boot import (
    authority,
    exit_events,
    firmware_events,
    image_load,
    loader_events,
    measured,
    utf16,
)

SHIM: Final = UUID("605dab50-e046-4300-abb6-3dd810dd8b23")
INITRD_TAG: Final = bytes.fromhex("ec223b8f")
"""The number with which the kernel's EFI stub tags the initial RAM disk, in PCR 9."""

_COMMAND_LINE: Final = "root=UUID=0000 ro quiet"
KERNEL_VERSION: Final = "6.8.0-31-generic"


def grub_boot(*, secure_boot: bool = True) -> BootDraft:
    """A boot by shim and GRUB."""
    return BootDraft(
        events=(
            *firmware_events(secure_boot=secure_boot),
            *loader_events(b"shim"),
            file("MokList", b"the owner's certificates", pcr=14),
            authority("SbatLevel", b"sbat,1,2024010900\n", guid=SHIM),
            authority("Shim", _certificate(), guid=SHIM),
            image_load(b"GRUB"),
            command("grub_cmd: ", "set root=hd0,gpt2"),
            file("(hd0,gpt2)/grub/grub.cfg", b"a menu"),
            command("grub_cmd: ", f"linux /vmlinuz {_COMMAND_LINE}"),
            file("(hd0,gpt2)/vmlinuz", b"a kernel"),
            command("kernel_cmdline: ", f"/vmlinuz {_COMMAND_LINE}"),
            initrd(b"a RAM disk"),
            *exit_events(),
        )
    )


def systemd_boot() -> BootDraft:
    """A boot by systemd's loader with a unified kernel image."""
    return BootDraft(
        events=(
            *firmware_events(),
            *loader_events(b"systemd-boot"),
            image_load(b"a unified kernel image"),
            measured(11, EventType.EV_IPL, b".linux\0"),
            file(".linux", b"a kernel", pcr=11),
            measured(12, EventType.EV_IPL, utf16(_COMMAND_LINE) + b"\0\0"),
            initrd(b"a RAM disk"),
            *exit_events(),
        )
    )


def kernel_measurements() -> tuple[KernelMeasurement, ...]:
    """What the kernel measures of itself and of the files that it opens."""
    return (
        file_measurement("boot_aggregate", b"the registers"),
        file_measurement("/usr/bin/init", b"a program"),
        buffer_measurement("kernel_version", KERNEL_VERSION.encode()),
    )


def command(prefix: str, text: str) -> Event:
    """A command or command line in GRUB's way: measured without prefix and end."""
    data = f"{prefix}{text}\0".encode()
    return Event(pcr=8, type=EventType.EV_IPL, data=data, measured=text.encode())


def file(name: str, content: bytes, *, pcr: int = 9) -> Event:
    """A file that a loader read; the log has its name."""
    return Event(pcr=pcr, type=EventType.EV_IPL, data=name.encode() + b"\0", measured=content)


def initrd(content: bytes) -> Event:
    """The initial RAM disk in the way of the kernel's EFI stub."""
    name = b"Linux initrd\0"
    data = INITRD_TAG + len(name).to_bytes(4, "little") + name
    return Event(pcr=9, type=EventType.EV_EVENT_TAG, data=data, measured=content)


def file_measurement(path: str, content: bytes) -> KernelMeasurement:
    """A file by the template `ima-ng`."""
    return KernelMeasurement(
        template="ima-ng", fields=(sha256_field(content), path.encode() + b"\0")
    )


def buffer_measurement(name: str, content: bytes) -> KernelMeasurement:
    """Critical data or a key by the template `ima-buf`."""
    return KernelMeasurement(
        template="ima-buf", fields=(sha256_field(content), name.encode() + b"\0", content)
    )


def sha256_field(content: bytes) -> bytes:
    """`d-ng`: an algorithm's name and a digest."""
    return b"sha256:\0" + hashlib.sha256(content).digest()


def _certificate() -> bytes:
    """No certificate, but with the head of one."""
    body = bytes(300)
    return b"\x30\x82" + len(body).to_bytes(2, "big") + body
