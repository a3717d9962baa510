"""What a fault of an event log is, and the ways to make one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from assay.evidence.tpm.event_types import EventType
from assay.simulator.linux_boot import grub_boot, kernel_measurements
from assay.simulator.measured_boot import (
    BootDraft,
    Event,
    KernelMeasurement,
    Registers,
    measured_by_kernel,
)
from assay.simulator.windows_boot import windows_boot

Edit = Callable[[tuple[Event, ...]], Iterable[Event]]
Chosen = Callable[[Event], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogAttempt:
    """What a verifier is given."""

    log: bytes
    registers: Registers
    """Of a quote that is in order."""

    kernel_log: bytes | None = None


@dataclass(frozen=True, slots=True)
class LogFault:
    """A named defect."""

    name: str
    description: str
    check: str
    """Code of the finding that a verifier must report."""

    apply: Callable[[], LogAttempt]


def log_attempt(boot: BootDraft, *, kernel: bool = False) -> LogAttempt:
    """An attempt without a defect."""
    if not kernel:
        return LogAttempt(log=boot.encode(), registers=boot.registers())
    kernel_log, registers = measured_by_kernel(kernel_measurements(), boot.registers())
    return LogAttempt(log=boot.encode(), registers=registers, kernel_log=kernel_log)


def edited(edit: Edit, boot: Callable[[], BootDraft] = windows_boot) -> Callable[[], LogAttempt]:
    """Edit the log of a boot after it."""

    def apply() -> LogAttempt:
        draft = boot()
        return LogAttempt(log=draft.with_events(edit).encode(), registers=draft.registers())

    return apply


def booted(edit: Edit, boot: Callable[[], BootDraft] = windows_boot) -> Callable[[], LogAttempt]:
    """Boot otherwise: the log says what was measured."""
    return lambda: log_attempt(boot().with_events(edit))


def with_bytes(edit: Callable[[bytes], bytes]) -> Callable[[], LogAttempt]:
    """Change the bytes of a log after the boot."""

    def apply() -> LogAttempt:
        attempt = log_attempt(windows_boot())
        return replace(attempt, log=edit(attempt.log))

    return apply


def with_kernel_log(edit: Callable[[bytes], bytes]) -> Callable[[], LogAttempt]:
    """Change the bytes of the kernel's log."""

    def apply() -> LogAttempt:
        attempt = log_attempt(grub_boot(), kernel=True)
        return replace(attempt, kernel_log=edit(attempt.kernel_log or b""))

    return apply


def kernel_measured(*measurements: KernelMeasurement) -> Callable[[], LogAttempt]:
    """Let the kernel measure something else."""

    def apply() -> LogAttempt:
        boot = grub_boot()
        log, registers = measured_by_kernel(measurements, boot.registers())
        return LogAttempt(log=boot.encode(), registers=registers, kernel_log=log)

    return apply


def changed(chosen: Chosen, **changes: object) -> Edit:
    """Change the events that are chosen, and measure what was measured."""

    def edit(events: tuple[Event, ...]) -> Iterable[Event]:
        for event in events:
            if chosen(event):
                original = event.data if event.measured is None else event.measured
                fields: dict[str, Any] = {"measured": original, **changes}
                yield replace(event, **fields)
            else:
                yield event

    return edit


def without(chosen: Chosen) -> Edit:
    """Leave events out."""
    return lambda events: [event for event in events if not chosen(event)]


def appended(*more: Event) -> Edit:
    """Put events behind all others."""
    return lambda events: (*events, *more)


def prepended(*more: Event) -> Edit:
    """Put events before all others."""
    return lambda events: (*more, *events)


def before(chosen: Chosen, more: Event) -> Edit:
    """Put an event before each that is chosen."""

    def edit(events: tuple[Event, ...]) -> Iterable[Event]:
        for event in events:
            if chosen(event):
                yield more
            yield event

    return edit


def of(pcr: int, kind: int | None = None) -> Chosen:
    """The events of a register, or of one type there."""
    return lambda event: event.pcr == pcr and kind in {None, event.type}


def variable_named(name: str) -> Chosen:
    """The events of a variable that configures the boot."""
    head = len(name).to_bytes(8, "little")
    return lambda event: (
        event.type == EventType.EV_EFI_VARIABLE_DRIVER_CONFIG
        and event.data[16:24] == head
        and name.encode("utf-16-le") in event.data
    )
