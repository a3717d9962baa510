"""Whatever is changed in a log after the boot: it is refused, or proves what it proved before."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.errors import AssayError
from assay.evidence.tpm.boot_claims import boot_claims
from assay.evidence.tpm.content import Authority, DriverConfig, Text, WindowsRecords
from assay.evidence.tpm.event_log import parse_event_log
from assay.evidence.tpm.event_types import EventType
from assay.evidence.tpm.log_verify import verify_event_logs
from assay.evidence.tpm.measured_log import MeasuredLog
from assay.simulator.linux_boot import grub_boot
from assay.simulator.measured_boot import BootDraft, Event, Registers
from assay.simulator.windows_boot import WindowsState, windows_boot

STATES: Final = (
    WindowsState(modules=1),
    WindowsState(
        modules=1, secure_boot=False, boot_debugging=True, safe_mode=True, iommu=False, vbs=False
    ),
)
BOOTS: Final = tuple(windows_boot(state) for state in STATES)
COVERED: Final = (Authority, DriverConfig, WindowsRecords)


def proved(log: MeasuredLog) -> list[object]:
    """What the digests of a log prove, with the register of each."""
    return [
        (event.pcr, event.digest, event.content)
        for event in log.events
        if isinstance(event.content, COVERED)
    ]


def read(data: bytes, registers: Registers) -> MeasuredLog | None:
    try:
        return verify_event_logs([parse_event_log(data)], registers)
    except AssayError as error:
        if not error.findings:
            raise
        return None


def check(boot: BootDraft, changed: bytes) -> None:
    registers = boot.registers()
    before, after = read(boot.encode(), registers), read(changed, registers)

    assert before is not None
    if after is not None:
        assert proved(after) == proved(before)
        assert boot_claims(after) == boot_claims(before)


@pytest.mark.property
@given(st.sampled_from(BOOTS), st.integers(0, 10_000), st.integers(1, 255))
def test_any_byte_may_be_changed(boot: BootDraft, place: int, bits: int) -> None:
    log = bytearray(boot.encode())
    log[place % len(log)] ^= bits

    check(boot, bytes(log))


@pytest.mark.property
@given(
    st.sampled_from(BOOTS),
    st.integers(0, 100),
    st.sampled_from(sorted(EventType)),
    st.sampled_from([None, b"", b"words", bytes(4), b"\xff" * 16]),
)
def test_any_event_may_be_given_another_type_and_other_data(
    boot: BootDraft, place: int, kind: EventType, data: bytes | None
) -> None:
    place %= len(boot.events)

    def edit(events: tuple[Event, ...]) -> list[Event]:
        changed = list(events)
        event = changed[place]
        original = event.data if event.measured is None else event.measured
        changed[place] = Event(
            pcr=event.pcr,
            type=kind,
            data=event.data if data is None else data,
            measured=original,
        )
        return changed

    check(boot, boot.with_events(edit).encode())


@pytest.mark.property
@given(st.sampled_from(BOOTS), st.integers(0, 100), st.integers(0, 100))
def test_events_may_be_exchanged_or_left_out(boot: BootDraft, one: int, other: int) -> None:
    one, other = one % len(boot.events), other % len(boot.events)

    def swap(events: tuple[Event, ...]) -> list[Event]:
        changed = list(events)
        changed[one], changed[other] = changed[other], changed[one]
        return changed

    def leave_out(events: tuple[Event, ...]) -> list[Event]:
        return [event for place, event in enumerate(events) if place != one]

    registers = boot.registers()
    swapped = read(boot.with_events(swap).encode(), registers)
    assert swapped is None or boot_claims(swapped) == boot_claims(
        verify_event_logs([parse_event_log(boot.encode())], registers)
    )
    assert read(boot.with_events(leave_out).encode(), registers) is None


def test_a_command_has_the_text_that_was_measured_whatever_stands_before_it() -> None:
    boot = grub_boot()

    # Of the same length, so that nothing else changes.
    after = read(boot.encode().replace(b"grub_cmd: linux", b"grub_cmd_ linux"), boot.registers())

    assert after is not None
    texts = [event.content.text for event in after.events if isinstance(event.content, Text)]
    assert "set root=hd0,gpt2" in texts
    assert not any(text.startswith("linux") for text in texts)
