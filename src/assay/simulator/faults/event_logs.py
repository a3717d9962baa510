"""Event logs that are wrong in one thing, each with the finding that it must cause.

Most are edited after the boot: the registers hold what was measured, and the log says something
else. The rest are boots that measured something that no sound machine does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from assay.evidence.tpm.algorithms import HashAlgorithm
from assay.evidence.tpm.event_types import EventType
from assay.evidence.tpm.sipa import SipaId
from assay.simulator.faults.log_attempt import (
    LogAttempt,
    LogFault,
    appended,
    before,
    booted,
    changed,
    edited,
    log_attempt,
    of,
    prepended,
    variable_named,
    with_bytes,
    with_kernel_log,
    without,
)
from assay.simulator.linux_boot import kernel_measurements
from assay.simulator.measured_boot import Event
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

_TEXT: Final = b"this is no event log, whatever it is"
_LAST: Final = len(exit_events()[-1].data)
_UINT32_MAX: Final = (2**32 - 1).to_bytes(4, "little")


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
    return log_attempt(windows_boot().with_events(appended(remark)))


def _unlike_locality() -> LogAttempt:
    boot = replace(windows_boot(), locality=3)
    return LogAttempt(log=replace(boot, locality=0).encode(), registers=boot.registers())


_HIDDEN: Final = "its measurement under another type, with other data"
_DEBUGGED: Final = boundary(12, flag(SipaId.BOOTDEBUGGING, value=True))
_SECURE_BOOT_ON: Final = driver_config("SecureBoot", b"\1")

EVENT_LOG_FAULTS: Final = (
    LogFault("log-empty", "no bytes at all", _FORMAT, with_bytes(lambda _: b"")),
    LogFault("log-cut", "the last byte cut off", _FORMAT, with_bytes(lambda log: log[:-1])),
    LogFault("log-text", "a text", _FORMAT, with_bytes(lambda _: _TEXT)),
    LogFault("log-tail", "a byte behind the log", _FORMAT, with_bytes(lambda log: log + b"\1")),
    LogFault("log-large", "an endless tail", _FORMAT, with_bytes(lambda log: log + bytes(2**21))),
    LogFault(
        "log-digest-size", "a size that SHA-256 does not have", _FORMAT, with_bytes(_resized_digest)
    ),
    LogFault(
        "log-event-size",
        "a size of 2^32 - 1 bytes",
        _FORMAT,
        with_bytes(lambda log: log[: -_LAST - 4] + _UINT32_MAX + log[-_LAST:]),
    ),
    LogFault(
        "log-pcr-24",
        "a register that no TPM has",
        _FORMAT,
        edited(changed(of(5, EventType.EV_EFI_ACTION), pcr=24)),
    ),
    LogFault("event-removed", "an event left out", _REPLAY, edited(lambda events: events[:-1])),
    LogFault(
        "event-added",
        "an event that was not measured",
        _REPLAY,
        edited(appended(action(5, "an action"))),
    ),
    LogFault("events-swapped", "two events of a register exchanged", _REPLAY, edited(_swapped)),
    LogFault(
        "event-moved",
        "an event of another register",
        _REPLAY,
        edited(changed(of(4, EventType.EV_EFI_ACTION), pcr=5)),
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
        booted(appended(measured(0, EventType.EV_EFI_HCRTM_EVENT, b"HCRTM"))),
    ),
    LogFault("bank-weak", "SHA-1 alone", _BANK, _weak_bank),
    LogFault("bank-other", "a log without the bank that was quoted", _BANK, _other_bank),
    LogFault(
        "register-unlogged", "no word of what is in PCR 12", _UNLOGGED, edited(without(of(12)))
    ),
    LogFault(
        "secure-boot-edited",
        "the variable's value changed",
        _DATA,
        edited(changed(variable_named("SecureBoot"), data=variable_data("SecureBoot", b"\0"))),
    ),
    LogFault(
        "variable-renamed",
        "a variable under another name",
        _DATA,
        edited(changed(variable_named("dbx"), data=variable_data("dbt", b""))),
    ),
    LogFault(
        "action-edited",
        "another action than the measured one",
        _DATA,
        edited(changed(of(4, EventType.EV_EFI_ACTION), data=b"another action")),
    ),
    LogFault(
        "separator-edited",
        "a separator with other data",
        _DATA,
        edited(changed(of(0, EventType.EV_SEPARATOR), data=b"\xff" * 4)),
    ),
    LogFault(
        "partitions-edited",
        "another partition table",
        _DATA,
        edited(changed(of(5, EventType.EV_EFI_GPT_EVENT), data=partition_table("another").data)),
    ),
    LogFault(
        "boot-order-edited",
        "another value of what to boot",
        _DATA,
        edited(
            changed(of(1, EventType.EV_EFI_VARIABLE_BOOT), data=variable_data("BootOrder", b"\1"))
        ),
    ),
    LogFault(
        "authority-edited",
        "another authority",
        _DATA,
        edited(
            changed(of(7, EventType.EV_EFI_VARIABLE_AUTHORITY), data=variable_data("db", bytes(40)))
        ),
    ),
    LogFault(
        "record-edited",
        "a record of Windows with another value",
        _DATA,
        edited(changed(of(12, EventType.EV_EVENT_TAG), data=_DEBUGGED.data)),
    ),
    LogFault(
        "variable-relabelled",
        f"secure boot's variable: {_HIDDEN}",
        _TYPE,
        edited(changed(variable_named("SecureBoot"), type=EventType.EV_POST_CODE, data=b"ACPI")),
    ),
    LogFault(
        "record-relabelled",
        f"a record of Windows: {_HIDDEN}",
        _TYPE,
        edited(changed(of(12, EventType.EV_EVENT_TAG), type=EventType.EV_IPL, data=b"a file")),
    ),
    LogFault(
        "action-relabelled",
        "a variable called an action",
        _EVENT_FORMAT,
        edited(changed(variable_named("dbx"), type=EventType.EV_EFI_ACTION)),
    ),
    LogFault(
        "separator-relabelled",
        "a separator called a variable",
        _EVENT_FORMAT,
        edited(
            changed(of(7, EventType.EV_SEPARATOR), type=EventType.EV_EFI_VARIABLE_DRIVER_CONFIG)
        ),
    ),
    LogFault(
        "variable-twice",
        "two variables of secure boot",
        _VARIABLE,
        booted(before(variable_named("PK"), _SECURE_BOOT_ON)),
    ),
    LogFault(
        "variable-elsewhere",
        "secure boot's variable in PCR 5",
        _VARIABLE,
        booted(appended(driver_config("SecureBoot", b"\1", pcr=5))),
    ),
    LogFault(
        "variable-late",
        "secure boot's variable behind the separator",
        _SEPARATOR,
        booted(appended(driver_config("AuditMode", b"\0"))),
    ),
    LogFault(
        "authority-early",
        "an authority before the separator",
        _SEPARATOR,
        booted(prepended(authority("db", bytes(40)))),
    ),
    LogFault(
        "separator-twice", "two separators in PCR 4", _SEPARATOR, booted(appended(separator(4)))
    ),
    LogFault(
        "separator-error",
        "firmware that failed",
        _SEPARATOR,
        booted(changed(of(2, EventType.EV_SEPARATOR), data=b"\1\0\0\0", measured=None)),
    ),
    LogFault(
        "record-late",
        "a record of Windows measured after the boot",
        _SEPARATOR,
        booted(appended(boundary(12, flag(SipaId.VBS_IOMMU_REQUIRED, value=True)))),
    ),
    LogFault(
        "record-unclosed",
        "PCR 13 left open",
        _SEPARATOR,
        booted(without(of(13, EventType.EV_SEPARATOR))),
    ),
    LogFault(
        "variable-size",
        "a variable longer than its event",
        _EVENT_FORMAT,
        booted(
            before(
                variable_named("PK"),
                measured(7, EventType.EV_EFI_VARIABLE_DRIVER_CONFIG, variable_data("x", b"x")[:-1]),
            )
        ),
    ),
    LogFault(
        "signature-size",
        "signatures of no size",
        _EVENT_FORMAT,
        booted(
            before(variable_named("PK"), driver_config("dbt", bytes(16) + b"\x1d\0\0\0" + bytes(9)))
        ),
    ),
    LogFault(
        "partition-count",
        "more partitions than there are",
        _EVENT_FORMAT,
        booted(
            appended(measured(5, EventType.EV_EFI_GPT_EVENT, partition_table(count=2).data[:-1]))
        ),
    ),
    LogFault(
        "signatures-many",
        "more signatures than any machine has",
        _LIMIT,
        booted(
            before(
                variable_named("PK"),
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
        booted(before(of(12), boundary(12, sipa(SipaId.SAFEMODE, b"\0")[:-1]))),
    ),
    LogFault(
        "record-deep",
        "containers without end",
        _WBCL,
        booted(before(of(12), tagged(12, _nested(9)))),
    ),
    LogFault(
        "record-empty",
        "a switch without a value",
        _WBCL,
        booted(before(of(12), boundary(12, sipa(SipaId.SAFEMODE)))),
    ),
    LogFault(
        "record-twice",
        "a switch with two values",
        _DUPLICATE,
        booted(
            before(
                of(12),
                boundary(12, flag(SipaId.SAFEMODE, value=False), flag(SipaId.SAFEMODE, value=True)),
            )
        ),
    ),
    LogFault("kernel-cut", "the kernel's log cut", _IMA, with_kernel_log(lambda log: log[:-1])),
    LogFault(
        "kernel-edited",
        "a path changed",
        _IMA,
        with_kernel_log(lambda log: log.replace(b"/usr/bin/init", b"/usr/bin/evil")),
    ),
    LogFault(
        "kernel-removed",
        "a measurement left out",
        _REPLAY,
        with_kernel_log(lambda _: kernel_measurements()[0].encode()),
    ),
)
