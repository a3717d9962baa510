"""What a machine measures while it boots: a log of it, and the registers that it leads to.

The registers are computed here on their own, from what was measured and not from the log.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from assay.evidence.tpm.algorithms import HashAlgorithm
from assay.evidence.tpm.event_types import EventType

SPEC_ID: Final = b"Spec ID Event03\0"
PCR_COUNT: Final = 24
DYNAMIC: Final = frozenset(range(17, 23))

_SHA1: Final = HashAlgorithm.SHA1
_IMA_PCR: Final = 10

Registers = Mapping[HashAlgorithm, Mapping[int, bytes]]
"""Values by bank and number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One record of a log."""

    pcr: int
    type: int
    data: bytes
    measured: bytes | None = None
    """What the digests are of, where it is not the data: an image, a file."""

    @property
    def is_remark(self) -> bool:
        """Whether nothing is measured."""
        return self.type == EventType.EV_NO_ACTION

    def digest(self, bank: HashAlgorithm) -> bytes:
        """What extends the register in `bank`."""
        if self.is_remark:
            return bytes(bank.size)
        content = self.data if self.measured is None else self.measured
        return hashlib.new(bank.label, content).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class BootDraft:
    """The events of one boot."""

    events: tuple[Event, ...]
    banks: tuple[HashAlgorithm, ...] = (_SHA1, HashAlgorithm.SHA256)
    locality: int | None = None
    """From which the TPM was started, logged if given."""

    is_legacy: bool = False
    """The layout of TPM 1.2, with SHA-1 alone."""

    padding: bytes = b""

    def with_events(self, edit: Callable[[tuple[Event, ...]], Iterable[Event]]) -> BootDraft:
        """The same boot with other events."""
        return replace(self, events=tuple(edit(self.events)))

    def encode(self) -> bytes:
        """The log, little-endian."""
        remarks = () if self.locality is None else (_startup(self.locality),)
        if self.is_legacy:
            records = [_legacy(event) for event in (*remarks, *self.events)]
        else:
            head = _legacy(Event(pcr=0, type=EventType.EV_NO_ACTION, data=spec_id(self.banks)))
            records = [head, *(self._agile(event) for event in (*remarks, *self.events))]
        return b"".join(records) + self.padding

    def registers(self) -> Registers:
        """All 24 registers of each bank."""
        banks = (_SHA1,) if self.is_legacy else self.banks
        return {bank: self._bank(bank) for bank in banks}

    def _agile(self, event: Event) -> bytes:
        digests = [_u16(bank) + event.digest(bank) for bank in self.banks]
        return _head(event) + _u32(len(digests)) + b"".join(digests) + _sized(event.data)

    def _bank(self, bank: HashAlgorithm) -> Mapping[int, bytes]:
        measured = [event for event in self.events if not event.is_remark]
        dynamic = any(event.pcr in DYNAMIC for event in measured)
        values = {
            number: (b"\xff" if number in DYNAMIC and not dynamic else b"\0") * bank.size
            for number in range(PCR_COUNT)
        }
        starts_in_hardware = any(one.type == EventType.EV_EFI_HCRTM_EVENT for one in measured)
        values[0] = (4 if starts_in_hardware else self.locality or 0).to_bytes(bank.size, "big")
        for event in measured:
            values[event.pcr] = extended(bank, values[event.pcr], event.digest(bank))
        return values


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelMeasurement:
    """A record of the kernel's log."""

    template: str
    fields: tuple[bytes, ...]
    is_violation: bool = False

    @property
    def data(self) -> bytes:
        """The template data."""
        return b"".join(map(_sized, self.fields))

    def digest(self, bank: HashAlgorithm) -> bytes:
        """What extends PCR 10 in `bank`."""
        if self.is_violation:
            return b"\xff" * bank.size
        return hashlib.new(bank.label, self.data).digest()

    def encode(self) -> bytes:
        """The record, little-endian."""
        digest = bytes(_SHA1.size) if self.is_violation else self.digest(_SHA1)
        name = self.template.encode()
        return _u32(_IMA_PCR) + digest + _sized(name) + _sized(self.data)


def measured_by_kernel(
    measurements: Iterable[KernelMeasurement], registers: Registers
) -> tuple[bytes, Registers]:
    """The kernel's log, and registers that it has gone on extending."""
    log = b""
    values = {bank: dict(numbers) for bank, numbers in registers.items()}
    for measurement in measurements:
        log += measurement.encode()
        for bank, numbers in values.items():
            numbers[_IMA_PCR] = extended(bank, numbers[_IMA_PCR], measurement.digest(bank))
    return log, values


def extended(bank: HashAlgorithm, value: bytes, digest: bytes) -> bytes:
    """What TPM2_PCR_Extend makes of a register."""
    return hashlib.new(bank.label, value + digest).digest()


def spec_id(banks: Iterable[HashAlgorithm], *, vendor: bytes = b"") -> bytes:
    """The data of the event that begins a crypto-agile log."""
    sizes = [_u16(bank) + _u16(bank.size) for bank in banks]
    version = bytes([0, 2, 0, 2])
    head = SPEC_ID + _u32(0) + version + _u32(len(sizes))
    return head + b"".join(sizes) + bytes([len(vendor)]) + vendor


def _startup(locality: int) -> Event:
    data = b"StartupLocality\0" + bytes([locality])
    return Event(pcr=0, type=EventType.EV_NO_ACTION, data=data)


def _legacy(event: Event) -> bytes:
    return _head(event) + event.digest(_SHA1) + _sized(event.data)


def _head(event: Event) -> bytes:
    return _u32(event.pcr) + _u32(event.type)


def _sized(data: bytes) -> bytes:
    return _u32(len(data)) + data


def _u16(value: int) -> bytes:
    return value.to_bytes(2, "little")


def _u32(value: int) -> bytes:
    return value.to_bytes(4, "little")
