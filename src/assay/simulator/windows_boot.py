"""The boot of a simulated machine with Windows: its tagged records in PCR 12 to 14."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric import rsa

from assay.evidence.tpm.event_types import EventType
from assay.evidence.tpm.sipa import SipaId
from assay.simulator.measured_boot import BootDraft, Event
from assay.simulator.uefi_boot import (
    exit_events,
    firmware_events,
    loader_events,
    measured,
    separator,
    utf16,
)

CLOSED: Final = b"WBCL"
"""The data of the separators with which Windows closes its registers."""

_SHA256: Final = 0x000B
_CALG_SHA_256: Final = 0x800C
_ELAM_DRIVER: Final = "\\Windows\\system32\\drivers\\wd\\WdBoot.sys"


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowsState:
    """In which state the machine booted; by default as its owner wants it."""

    secure_boot: bool = True
    boot_debugging: bool = False
    kernel_debugging: bool = False
    code_integrity: bool = True
    test_signing: bool = False
    safe_mode: bool = False
    win_pe: bool = False
    vbs: bool = True
    iommu: bool = True
    modules: int = 20
    """How many drivers are loaded: they make up most of a log."""

    identity_key: rsa.RSAPublicKey | None = None
    """Of the secure kernel, for the reports of enclaves."""


def windows_boot(state: WindowsState | None = None) -> BootDraft:
    """The events of a boot, in the order in which a machine of 2025 measures them."""
    state = state or WindowsState()
    return BootDraft(
        events=(
            *firmware_events(secure_boot=state.secure_boot),
            *loader_events(),
            measured(11, EventType.EV_COMPACT_HASH, bytes.fromhex("10000000")),
            *_boot_manager(state),
            *_loader(state),
            *_kernel(state),
            measured(11, EventType.EV_COMPACT_HASH, bytes.fromhex("ffff0000")),
            *(separator(number, CLOSED) for number in (12, 13, 14)),
            *exit_events(),
        )
    )


def tagged(pcr: int, *records: bytes) -> Event:
    """An event of tagged records."""
    return measured(pcr, EventType.EV_EVENT_TAG, b"".join(records))


def boundary(pcr: int, *records: bytes) -> Event:
    """An event of one trust boundary with these records."""
    return tagged(pcr, sipa(SipaId.TRUSTBOUNDARY, *records))


def sipa(identifier: int, *content: bytes) -> bytes:
    """A tagged record: a value, or a container of records."""
    data = b"".join(content)
    return _u32(identifier) + _u32(len(data)) + data


def flag(identifier: int, *, value: bool) -> bytes:
    """A record that is on or off."""
    return sipa(identifier, bytes([value]))


def number(identifier: int, value: int, size: int = 4) -> bytes:
    """A record that is a number."""
    return sipa(identifier, value.to_bytes(size, "little"))


def text(identifier: int, value: str) -> bytes:
    """A record that is a text."""
    return sipa(identifier, utf16(value) + b"\0\0")


def key_payload(key: rsa.RSAPublicKey) -> bytes:
    """A public key as the boot measures it."""
    numbers = key.public_numbers()
    exponent, modulus = numbers.e.to_bytes(3, "big"), numbers.n.to_bytes(key.key_size // 8, "big")
    lengths = _u32(len(exponent)) + _u32(len(modulus))
    return _u32(1) + _u32(key.key_size) + lengths + exponent + modulus


def _boot_manager(state: WindowsState) -> tuple[Event, ...]:
    return (
        boundary(
            12,
            number(SipaId.COUNTERID, 21037057, 8),
            number(SipaId.EVENTCOUNTER, 15616, 8),
            number(SipaId.BOOTCOUNTER, 363, 8),
            _hashed_module(0),
            number(SipaId.APPLICATION_SVN, 1),
            flag(SipaId.BOOTDEBUGGING, value=state.boot_debugging),
            number(SipaId.BITLOCKER_UNLOCK, 4),
            number(SipaId.TRANSFER_CONTROL, 1),
        ),
        boundary(
            13,
            flag(SipaId.CODEINTEGRITY, value=state.code_integrity),
            flag(SipaId.TESTSIGNING, value=state.test_signing),
            sipa(SipaId.BOOT_REVOCATION_LIST, _u64(133_500_000_000_000_000), _hash_field(b"dbx")),
            _named_module(0, "\\WINDOWS\\system32\\winload.efi"),
        ),
        tagged(14, sipa(SipaId.AUTHORITYPUBKEY, b"the key of an authority")),
    )


def _loader(state: WindowsState) -> tuple[Event, ...]:
    drivers = [f"\\WINDOWS\\System32\\drivers\\driver{one:04}.sys" for one in range(state.modules)]
    paths = [_ELAM_DRIVER, *drivers]
    return (
        boundary(
            12,
            *(_hashed_module(place) for place, _ in enumerate(paths)),
            number(SipaId.DATAEXECUTIONPREVENTION, 0, 8),
            number(SipaId.HYPERVISOR_LAUNCH_TYPE, 1, 8),
            flag(SipaId.BOOTDEBUGGING, value=state.boot_debugging),
            flag(SipaId.SAFEMODE, value=state.safe_mode),
            flag(SipaId.WINPE, value=state.win_pe),
            flag(SipaId.VBS_VSM_REQUIRED, value=state.vbs),
            flag(SipaId.VBS_IOMMU_REQUIRED, value=state.iommu),
            number(SipaId.VBS_HVCI_POLICY, int(state.vbs), 8),
        ),
        boundary(
            13,
            text(SipaId.SYSTEMROOT, "\\WINDOWS"),
            number(SipaId.OSDEVICE, 0x10004),
            flag(SipaId.OSKERNELDEBUG, value=state.kernel_debugging),
            flag(SipaId.CODEINTEGRITY, value=state.code_integrity),
            number(SipaId.DRIVER_LOAD_POLICY, 1),
            sipa(SipaId.OS_REVOCATION_LIST, _u64(133_600_000_000_000_000), _hash_field(b"dbx")),
            *(_policy(name) for name in ("{one}", "{two}")),
            _elam(),
            *(_named_module(place, path) for place, path in enumerate(paths)),
        ),
        boundary(14, sipa(SipaId.AUTHORITYPUBKEY, b"one"), sipa(SipaId.AUTHORITYPUBKEY, b"two")),
    )


def _kernel(state: WindowsState) -> tuple[Event, ...]:
    if state.identity_key is None:
        return ()
    payload = key_payload(state.identity_key)
    return (boundary(12, sipa(SipaId.VSM_IDKS_INFO, payload)),)


def _hashed_module(place: int) -> bytes:
    return sipa(
        SipaId.LOADEDMODULE_AGGREGATION,
        sipa(SipaId.AUTHENTICODEHASH, place.to_bytes(32, "big")),
        number(SipaId.IMAGESIZE, 65536 + place, 8),
    )


def _named_module(place: int, path: str) -> bytes:
    return sipa(
        SipaId.LOADEDMODULE_AGGREGATION,
        text(SipaId.FILEPATH, path),
        number(SipaId.IMAGEBASE, 0x1000 * place, 8),
        number(SipaId.IMAGESIZE, 65536 + place, 8),
        number(SipaId.HASHALGORITHMID, _CALG_SHA_256),
        sipa(SipaId.AUTHENTICODEHASH, place.to_bytes(32, "big")),
        flag(SipaId.IMAGEVALIDATED, value=True),
        text(SipaId.AUTHORITYISSUER, "A production authority"),
        text(SipaId.AUTHORITYPUBLISHER, "A publisher"),
        sipa(SipaId.AUTHORITYSERIAL, place.to_bytes(16, "big")),
        sipa(SipaId.AUTHORITYSHA1THUMBPRINT, place.to_bytes(20, "big")),
        number(SipaId.MODULE_SVN, 1),
    )


def _elam() -> bytes:
    return sipa(
        SipaId.ELAM_AGGREGATION,
        text(SipaId.ELAM_KEYNAME, "An antimalware driver"),
        sipa(SipaId.ELAM_MEASURED, bytes(20)),
    )


def _policy(name: str) -> bytes:
    encoded = utf16(name) + b"\0\0"
    head = _u64(1) + _u16(len(encoded)) + _u16(_SHA256) + _u32(32)
    return sipa(SipaId.SI_POLICY, head, encoded, bytes(32))


def _hash_field(content: bytes) -> bytes:
    return _u32(32) + _u16(_SHA256) + content.ljust(32, b"\0")


def _u16(value: int) -> bytes:
    return value.to_bytes(2, "little")


def _u32(value: int) -> bytes:
    return value.to_bytes(4, "little")


def _u64(value: int) -> bytes:
    return value.to_bytes(8, "little")
