"""Event logs that are wrong in one thing, each with the finding that it must cause.

Most are edited after the boot: the registers hold what was measured, and the log says something
else. The rest are boots that measured something that no sound machine does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from assay.evidence.tpm.algorithms import HashAlgorithm
from assay.evidence.tpm.event_types import EventType
from assay.evidence.tpm.sipa import SipaId
from assay.simulator.linux_boot import buffer_measurement, grub_boot, kernel_measurements
from assay.simulator.measured_boot import (
    BootDraft,
    Event,
    KernelMeasurement,
    Registers,
    measured_by_kernel,
)
from assay.simulator.uefi_boot import (
    SECURITY,
    action,
    authority,
    driver_config,
    exit_events,
    measured,
    partition_table,
    separator,
    variable_data,
)
from assay.simulator.windows_boot import boundary, flag, sipa, tagged, windows_boot

_FORMAT: Final = "tpm.event_log.format"
_STARTUP: Final = "tpm.event_log.startup"
_REPLAY: Final = "tpm.event_log.replay"
_BANK: Final = "tpm.event_log.bank"
_UNLOGGED: Final = "tpm.event_log.unlogged"
_DATA: Final = "tpm.event_log.event_data"
_EVENT_FORMAT: Final = "tpm.event_log.event_format"
_TYPE: Final = "tpm.event_log.event_type"
_SEPARATOR: Final = "tpm.event_log.separator"
_VARIABLE: Final = "tpm.event_log.variable"
_LIMIT: Final = "tpm.event_log.limit"
_WBCL: Final = "tpm.wbcl.format"
_DUPLICATE: Final = "tpm.wbcl.duplicate"
_IMA: Final = "tpm.ima_log.format"

_LAST: Final = len(exit_events()[-1].data)
_UINT32_MAX: Final = (2**32 - 1).to_bytes(4, "little")

_Edit = Callable[[tuple[Event, ...]], Iterable[Event]]
_Chosen = Callable[[Event], bool]


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


def _edited(edit: _Edit, boot: Callable[[], BootDraft] = windows_boot) -> Callable[[], LogAttempt]:
    """Edit the log of a boot after it."""

    def apply() -> LogAttempt:
        draft = boot()
        return LogAttempt(log=draft.with_events(edit).encode(), registers=draft.registers())

    return apply


def _booted(edit: _Edit, boot: Callable[[], BootDraft] = windows_boot) -> Callable[[], LogAttempt]:
    """Boot otherwise: the log says what was measured."""
    return lambda: log_attempt(boot().with_events(edit))


def _bytes(edit: Callable[[bytes], bytes]) -> Callable[[], LogAttempt]:
    """Change the bytes of a log after the boot."""

    def apply() -> LogAttempt:
        attempt = log_attempt(windows_boot())
        return replace(attempt, log=edit(attempt.log))

    return apply


def _kernel(edit: Callable[[bytes], bytes]) -> Callable[[], LogAttempt]:
    """Change the bytes of the kernel's log."""

    def apply() -> LogAttempt:
        attempt = log_attempt(grub_boot(), kernel=True)
        return replace(attempt, kernel_log=edit(attempt.kernel_log or b""))

    return apply


def _kernel_measured(*measurements: KernelMeasurement) -> Callable[[], LogAttempt]:
    """Let the kernel measure something else."""

    def apply() -> LogAttempt:
        boot = grub_boot()
        log, registers = measured_by_kernel(measurements, boot.registers())
        return LogAttempt(log=boot.encode(), registers=registers, kernel_log=log)

    return apply


def _changed(chosen: _Chosen, **changes: object) -> _Edit:
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


def _without(chosen: _Chosen) -> _Edit:
    return lambda events: [event for event in events if not chosen(event)]


def _appended(*more: Event) -> _Edit:
    return lambda events: (*events, *more)


def _prepended(*more: Event) -> _Edit:
    return lambda events: (*more, *events)


def _before(chosen: _Chosen, more: Event) -> _Edit:
    def edit(events: tuple[Event, ...]) -> Iterable[Event]:
        for event in events:
            if chosen(event):
                yield more
            yield event

    return edit


def _of(pcr: int, kind: int | None = None) -> _Chosen:
    return lambda event: event.pcr == pcr and kind in {None, event.type}


def _variable(name: str) -> _Chosen:
    head = len(name).to_bytes(8, "little")
    return lambda event: (
        event.type == EventType.EV_EFI_VARIABLE_DRIVER_CONFIG
        and event.data[16:24] == head
        and name.encode("utf-16-le") in event.data
    )


def _swapped(events: tuple[Event, ...]) -> Iterable[Event]:
    places = [place for place, event in enumerate(events) if event.pcr == 12]  # noqa: PLR2004
    first, second, *_ = places
    changed = list(events)
    changed[first], changed[second] = changed[second], changed[first]
    return changed


def _nested(levels: int) -> bytes:
    inner = b""
    for _ in range(levels):
        inner = sipa(SipaId.TRUSTBOUNDARY, inner)
    return inner


def _resized_digest(data: bytes) -> bytes:
    return data.replace(bytes.fromhex("0b002000"), bytes.fromhex("0b001400"), 1)


def _weak_bank() -> LogAttempt:
    boot = replace(windows_boot(), banks=(HashAlgorithm.SHA1,))
    return log_attempt(boot)


def _other_bank() -> LogAttempt:
    attempt = log_attempt(windows_boot())
    boot = replace(windows_boot(), banks=(HashAlgorithm.SHA384,))
    return replace(attempt, registers=boot.registers())


def _late_locality() -> LogAttempt:
    remark = Event(pcr=0, type=EventType.EV_NO_ACTION, data=b"StartupLocality\0\3")
    return log_attempt(windows_boot().with_events(_appended(remark)))


def _unlike_locality() -> LogAttempt:
    boot = replace(windows_boot(), locality=3)
    return LogAttempt(log=replace(boot, locality=0).encode(), registers=boot.registers())


_HIDDEN: Final = "its measurement under another type, with other data"
_DEBUGGED: Final = boundary(12, flag(SipaId.BOOTDEBUGGING, value=True))
_SECURE_BOOT_ON: Final = driver_config("SecureBoot", b"\1")

EVENT_LOG_FAULTS: Final = (
    LogFault("log-empty", "no bytes at all", _FORMAT, _bytes(lambda _: b"")),
    LogFault("log-cut", "the last byte cut off", _FORMAT, _bytes(lambda log: log[:-1])),
    LogFault("log-text", "a text", _FORMAT, _bytes(lambda _: b"this is not an event log at all")),
    LogFault("log-tail", "a byte behind the log", _FORMAT, _bytes(lambda log: log + b"\1")),
    LogFault("log-large", "a tail without end", _FORMAT, _bytes(lambda log: log + bytes(2**21))),
    LogFault(
        "log-digest-size", "a size that SHA-256 does not have", _FORMAT, _bytes(_resized_digest)
    ),
    LogFault(
        "log-event-size",
        "a size of 2^32 - 1 bytes",
        _FORMAT,
        _bytes(lambda log: log[: -_LAST - 4] + _UINT32_MAX + log[-_LAST:]),
    ),
    LogFault(
        "log-pcr-24",
        "a register that no TPM has",
        _FORMAT,
        _edited(_changed(_of(5, EventType.EV_EFI_ACTION), pcr=24)),
    ),
    LogFault("event-removed", "an event left out", _REPLAY, _edited(lambda events: events[:-1])),
    LogFault(
        "event-added",
        "an event that was not measured",
        _REPLAY,
        _edited(_appended(action(5, "an action"))),
    ),
    LogFault("events-swapped", "two events of a register exchanged", _REPLAY, _edited(_swapped)),
    LogFault(
        "event-moved",
        "an event of another register",
        _REPLAY,
        _edited(_changed(_of(4, EventType.EV_EFI_ACTION), pcr=5)),
    ),
    LogFault("locality-other", "another startup locality", _REPLAY, _unlike_locality),
    LogFault(
        "locality-late", "a startup locality behind events of PCR 0", _STARTUP, _late_locality
    ),
    LogFault(
        "locality-unknown",
        "a startup locality that does not exist",
        _STARTUP,
        lambda: log_attempt(replace(windows_boot(), locality=2)),
    ),
    LogFault(
        "hcrtm-late",
        "an H-CRTM event that is not the first",
        _STARTUP,
        _booted(_appended(measured(0, EventType.EV_EFI_HCRTM_EVENT, b"HCRTM"))),
    ),
    LogFault("bank-weak", "SHA-1 alone", _BANK, _weak_bank),
    LogFault("bank-other", "a log without the bank that was quoted", _BANK, _other_bank),
    LogFault(
        "register-unlogged", "no word of what is in PCR 12", _UNLOGGED, _edited(_without(_of(12)))
    ),
    LogFault(
        "secure-boot-edited",
        "the variable's value changed",
        _DATA,
        _edited(_changed(_variable("SecureBoot"), data=variable_data("SecureBoot", b"\0"))),
    ),
    LogFault(
        "variable-renamed",
        "a variable under another name",
        _DATA,
        _edited(_changed(_variable("dbx"), data=variable_data("dbt", b""))),
    ),
    LogFault(
        "action-edited",
        "another action than the measured one",
        _DATA,
        _edited(_changed(_of(4, EventType.EV_EFI_ACTION), data=b"another action")),
    ),
    LogFault(
        "separator-edited",
        "a separator with other data",
        _DATA,
        _edited(_changed(_of(0, EventType.EV_SEPARATOR), data=b"\xff" * 4)),
    ),
    LogFault(
        "partitions-edited",
        "another partition table",
        _DATA,
        _edited(_changed(_of(5, EventType.EV_EFI_GPT_EVENT), data=partition_table("another").data)),
    ),
    LogFault(
        "boot-order-edited",
        "another value of what to boot",
        _DATA,
        _edited(
            _changed(_of(1, EventType.EV_EFI_VARIABLE_BOOT), data=variable_data("BootOrder", b"\1"))
        ),
    ),
    LogFault(
        "authority-edited",
        "another authority",
        _DATA,
        _edited(
            _changed(
                _of(7, EventType.EV_EFI_VARIABLE_AUTHORITY), data=variable_data("db", bytes(40))
            )
        ),
    ),
    LogFault(
        "record-edited",
        "a record of Windows with another value",
        _DATA,
        _edited(_changed(_of(12, EventType.EV_EVENT_TAG), data=_DEBUGGED.data)),
    ),
    LogFault(
        "variable-relabelled",
        f"secure boot's variable: {_HIDDEN}",
        _TYPE,
        _edited(_changed(_variable("SecureBoot"), type=EventType.EV_POST_CODE, data=b"ACPI DATA")),
    ),
    LogFault(
        "record-relabelled",
        f"a record of Windows: {_HIDDEN}",
        _TYPE,
        _edited(_changed(_of(12, EventType.EV_EVENT_TAG), type=EventType.EV_IPL, data=b"a file")),
    ),
    LogFault(
        "action-relabelled",
        "a variable called an action",
        _EVENT_FORMAT,
        _edited(_changed(_variable("dbx"), type=EventType.EV_EFI_ACTION)),
    ),
    LogFault(
        "separator-relabelled",
        "a separator called a variable",
        _EVENT_FORMAT,
        _edited(
            _changed(_of(7, EventType.EV_SEPARATOR), type=EventType.EV_EFI_VARIABLE_DRIVER_CONFIG)
        ),
    ),
    LogFault(
        "variable-twice",
        "two variables of secure boot",
        _VARIABLE,
        _booted(_before(_variable("PK"), _SECURE_BOOT_ON)),
    ),
    LogFault(
        "variable-elsewhere",
        "secure boot's variable in PCR 5",
        _VARIABLE,
        _booted(_appended(driver_config("SecureBoot", b"\1", pcr=5))),
    ),
    LogFault(
        "variable-late",
        "secure boot's variable behind the separator",
        _SEPARATOR,
        _booted(_appended(driver_config("AuditMode", b"\0"))),
    ),
    LogFault(
        "authority-early",
        "an authority before the separator",
        _SEPARATOR,
        _booted(_prepended(authority("db", bytes(40)))),
    ),
    LogFault(
        "separator-twice", "two separators in PCR 4", _SEPARATOR, _booted(_appended(separator(4)))
    ),
    LogFault(
        "separator-error",
        "firmware that failed",
        _SEPARATOR,
        _booted(_changed(_of(2, EventType.EV_SEPARATOR), data=b"\1\0\0\0", measured=None)),
    ),
    LogFault(
        "record-late",
        "a record of Windows measured after the boot",
        _SEPARATOR,
        _booted(_appended(boundary(12, flag(SipaId.VBS_IOMMU_REQUIRED, value=True)))),
    ),
    LogFault(
        "record-unclosed",
        "PCR 13 left open",
        _SEPARATOR,
        _booted(_without(_of(13, EventType.EV_SEPARATOR))),
    ),
    LogFault(
        "variable-size",
        "a variable longer than its event",
        _EVENT_FORMAT,
        _booted(
            _before(
                _variable("PK"),
                measured(7, EventType.EV_EFI_VARIABLE_DRIVER_CONFIG, variable_data("x", b"x")[:-1]),
            )
        ),
    ),
    LogFault(
        "signature-size",
        "signatures of no size",
        _EVENT_FORMAT,
        _booted(
            _before(_variable("PK"), driver_config("dbt", bytes(16) + b"\x1d\0\0\0" + bytes(9)))
        ),
    ),
    LogFault(
        "partition-count",
        "more partitions than there are",
        _EVENT_FORMAT,
        _booted(
            _appended(measured(5, EventType.EV_EFI_GPT_EVENT, partition_table(count=2).data[:-1]))
        ),
    ),
    LogFault(
        "signatures-many",
        "more signatures than any machine has",
        _LIMIT,
        _booted(
            _before(
                _variable("PK"),
                driver_config(
                    "db",
                    bytes(16)
                    + (28 + 17 * 40_000).to_bytes(4, "little")
                    + bytes(4)
                    + b"\x11\0\0\0"
                    + bytes(17 * 40_000),
                    guid=SECURITY,
                    pcr=7,
                ),
            )
        ),
    ),
    LogFault(
        "record-size",
        "a record longer than its container",
        _WBCL,
        _booted(_before(_of(12), boundary(12, sipa(SipaId.SAFEMODE, b"\0")[:-1]))),
    ),
    LogFault(
        "record-deep",
        "containers without end",
        _WBCL,
        _booted(_before(_of(12), tagged(12, _nested(9)))),
    ),
    LogFault(
        "record-empty",
        "a switch without a value",
        _WBCL,
        _booted(_before(_of(12), boundary(12, sipa(SipaId.SAFEMODE)))),
    ),
    LogFault(
        "record-twice",
        "a switch with two values",
        _DUPLICATE,
        _booted(
            _before(
                _of(12),
                boundary(12, flag(SipaId.SAFEMODE, value=False), flag(SipaId.SAFEMODE, value=True)),
            )
        ),
    ),
    LogFault("kernel-cut", "the kernel's log cut", _IMA, _kernel(lambda log: log[:-1])),
    LogFault(
        "kernel-edited",
        "a path changed",
        _IMA,
        _kernel(lambda log: log.replace(b"/usr/bin/init", b"/usr/bin/evil")),
    ),
    LogFault(
        "kernel-removed",
        "a measurement left out",
        _REPLAY,
        _kernel(lambda _: kernel_measurements()[0].encode()),
    ),
    LogFault(
        "kernel-relabelled",
        "a signed file called a kernel's version",
        _IMA,
        _kernel_measured(buffer_measurement("kernel_version", b"\3\2 a signature")),
    ),
)
