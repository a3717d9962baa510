"""What boots measure, and in which order: logs that replay and are something else are refused.

Replay does not protect the type of an event, nor the order of events in different registers, and
whoever runs the machine can measure anything once it has booted. So a log is read by rules that
leave no room for an event under another name or after its time.

Source: TCG PC Client Platform Firmware Profile 1.06, sections 3.3.4 and 10.4.1; for registers 12 to
14, the logs of Windows, which closes them itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from assay.errors import Finding, UntrustedEvidenceError
from assay.evidence.tpm.content import (
    WINDOWS_PCRS,
    Authority,
    DriverConfig,
    Separator,
    WindowsRecords,
)
from assay.evidence.tpm.efi_variable import KEY_DATABASES
from assay.evidence.tpm.event_types import EventType, type_name
from assay.evidence.tpm.measured_log import MeasuredEvent

SEPARATOR: Final = "tpm.event_log.separator"
EVENT_TYPE: Final = "tpm.event_log.event_type"
VARIABLE: Final = "tpm.event_log.variable"

SECURE_BOOT_PCR: Final = 7
SECURE_BOOT: Final = "SecureBoot"

_FIRMWARE_PCRS: Final = frozenset(range(8))
_CLOSED_BY_WINDOWS: Final = frozenset({12, 13, 14})
"""Anybody can go on measuring into them once the machine has booted; 19 to 22 are out of reach."""

_SEPARATOR_DATA: Final = frozenset({b"\0\0\0\0", b"\xff\xff\xff\xff"})
_SECURE_BOOT_TYPES: Final = frozenset(
    {
        EventType.EV_SEPARATOR,
        EventType.EV_EFI_ACTION,
        EventType.EV_EFI_VARIABLE_DRIVER_CONFIG,
        EventType.EV_EFI_VARIABLE_AUTHORITY,
    }
)
_SECURE_BOOT_VARIABLES: Final = KEY_DATABASES | {SECURE_BOOT}


def check_profile(events: Sequence[MeasuredEvent]) -> None:
    """Check that a boot has measured these events under these names.

    Raises:
        UntrustedEvidenceError: A register is closed twice, with an error, or where Windows should
            have closed it not at all; something came after it was closed (`separator`); an event
            is of a type that its register does not hold (`event_type`); a variable of secure boot
            is there twice or in another register (`variable`). Carries all findings.
    """
    findings = [
        *_separators(events),
        *_secure_boot_types(events),
        *_secure_boot_order(events),
        *_variables(events),
        *_windows(events),
    ]
    if findings:
        raise UntrustedEvidenceError(
            f"the event log is not what a boot measures: need {findings[0].expected}, "
            f"got {findings[0].actual}",
            findings=findings,
        )


def _separators(events: Sequence[MeasuredEvent]) -> Iterator[Finding]:
    closed = Counter(event.pcr for event in events if isinstance(event.content, Separator))
    for pcr, times in closed.items():
        if times > 1:
            yield _finding(SEPARATOR, f"one separator in PCR {pcr}", f"{times}")
    for event in events:
        if (
            event.pcr in _FIRMWARE_PCRS
            and isinstance(event.content, Separator)
            and event.data not in _SEPARATOR_DATA
        ):
            yield _finding(
                SEPARATOR,
                f"PCR {event.pcr} closed with 00000000 or FFFFFFFF",
                "other data, which says that the firmware failed",
            )


def _secure_boot_types(events: Sequence[MeasuredEvent]) -> Iterator[Finding]:
    # A variable under the name of a type whose data no digest covers would go unseen.
    for event in events:
        if event.pcr == SECURE_BOOT_PCR and event.type not in _SECURE_BOOT_TYPES:
            expected = "variables, actions and a separator in PCR 7"
            yield _finding(EVENT_TYPE, expected, _described(event))


def _secure_boot_order(events: Sequence[MeasuredEvent]) -> Iterator[Finding]:
    is_closed = False
    for event in events:
        if event.pcr != SECURE_BOOT_PCR:
            continue
        if isinstance(event.content, Separator):
            is_closed = True
        elif isinstance(event.content, DriverConfig) and is_closed:
            expected = "the configuration before the separator of PCR 7"
            yield _finding(SEPARATOR, expected, f"{event.content.variable.name!r} behind it")
        elif isinstance(event.content, Authority) and not is_closed:
            expected = "what vouched for images behind the separator of PCR 7"
            yield _finding(SEPARATOR, expected, f"{event.content.variable.name!r} before it")


def _variables(events: Sequence[MeasuredEvent]) -> Iterator[Finding]:
    seen = set()
    for event in events:
        if not isinstance(event.content, DriverConfig):
            continue
        variable = event.content.variable
        if event.pcr != SECURE_BOOT_PCR:
            if variable.name in _SECURE_BOOT_VARIABLES:
                expected = f"the variable {variable.name!r} in PCR 7"
                yield _finding(VARIABLE, expected, f"it in PCR {event.pcr}")
            continue
        key = (variable.guid, variable.name)
        if key in seen:
            yield _finding(VARIABLE, "each variable once in PCR 7", f"{variable.name!r} again")
        seen.add(key)


def _windows(events: Sequence[MeasuredEvent]) -> Iterator[Finding]:
    """Rules for machines that measure records of Windows anywhere."""
    pcrs = {event.pcr for event in events if isinstance(event.content, WindowsRecords)}
    if not pcrs:
        return
    closed: set[int] = set()
    for event in events:
        if event.pcr not in WINDOWS_PCRS:
            continue
        if isinstance(event.content, Separator):
            closed.add(event.pcr)
        elif not isinstance(event.content, WindowsRecords):
            # Whatever the log calls it: its data may be anything, and the true record is hidden.
            expected = f"records of Windows in PCR {event.pcr}"
            yield _finding(EVENT_TYPE, expected, _described(event))
        elif event.pcr in closed:
            expected = f"nothing behind the separator of PCR {event.pcr}"
            yield _finding(SEPARATOR, expected, f"event {event.sequence}")
    for pcr in sorted(pcrs & _CLOSED_BY_WINDOWS - closed):
        expected = f"a separator at the end of PCR {pcr}, which the boot closes"
        yield _finding(SEPARATOR, expected, "none")


def _described(event: MeasuredEvent) -> str:
    return f"{type_name(event.type)} (event {event.sequence})"


def _finding(check: str, expected: str, actual: str) -> Finding:
    return Finding(check=check, expected=expected, actual=actual)
