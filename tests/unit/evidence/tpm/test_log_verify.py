from __future__ import annotations

from dataclasses import replace

import pytest

from assay.errors import AssayError, UntrustedEvidenceError
from assay.evidence.tpm.algorithms import HashAlgorithm
from assay.evidence.tpm.event_log import parse_event_log
from assay.evidence.tpm.event_types import EventType
from assay.evidence.tpm.log_verify import Banks, verify_event_logs
from assay.simulator.faults.event_logs import EVENT_LOG_FAULTS
from assay.simulator.faults.log_attempt import LogFault, log_attempt
from assay.simulator.linux_boot import grub_boot, systemd_boot
from assay.simulator.measured_boot import BootDraft, Event
from assay.simulator.uefi_boot import action, separator
from assay.simulator.windows_boot import boundary, windows_boot
from tests.logs import attempt_logs, verified

SHA1, SHA256, SHA384 = HashAlgorithm.SHA1, HashAlgorithm.SHA256, HashAlgorithm.SHA384


def codes(boot: BootDraft, quoted: Banks) -> list[str]:
    with pytest.raises(UntrustedEvidenceError) as caught:
        verify_event_logs([parse_event_log(boot.encode())], quoted)
    return [finding.check for finding in caught.value.findings]


@pytest.mark.parametrize("fault", EVENT_LOG_FAULTS, ids=lambda fault: fault.name)
def test_every_faulty_log_is_refused_for_its_own_reason(fault: LogFault) -> None:
    attempt = fault.apply()

    with pytest.raises(AssayError) as caught:
        verify_event_logs(attempt_logs(attempt), attempt.registers)

    assert {finding.check for finding in caught.value.findings} == {fault.check}


def test_there_are_faults_for_every_finding() -> None:
    assert len({fault.name for fault in EVENT_LOG_FAULTS}) == len(EVENT_LOG_FAULTS) >= 30
    assert len({fault.check for fault in EVENT_LOG_FAULTS}) >= 14


@pytest.mark.parametrize("boot", [windows_boot(), grub_boot(), systemd_boot()])
def test_a_sound_log_accounts_for_all_registers(boot: BootDraft) -> None:
    log = verified(replace(boot, locality=3))

    assert log.bank is SHA256
    assert log.quoted_pcrs == log.accounted_pcrs == set(range(24))
    assert [event.sequence for event in log.events] == [
        place for place, _ in enumerate(boot.events, 2)
    ]


def test_the_kernels_events_go_on_counting() -> None:
    log = verified(grub_boot(), kernel=True)

    kernel = [event for event in log.events if event.type == EventType.IMA_MEASUREMENT_EVENT]
    before = len(grub_boot().events) + 1
    assert [event.sequence for event in kernel] == [before, before + 1, before + 2]
    assert {event.pcr for event in kernel} == {10}


def test_without_pcr_10_the_kernels_log_proves_nothing() -> None:
    attempt = log_attempt(grub_boot(), kernel=True)
    quoted = {SHA256: {7: attempt.registers[SHA256][7]}}

    log = verify_event_logs(attempt_logs(attempt), quoted)

    assert {event.pcr for event in log.events} == {7}


def test_no_log_proves_nothing_and_accounts_for_what_rests() -> None:
    quoted = {SHA256: {4: b"\1" * 32, 9: bytes(32)}}

    log = verify_event_logs([], quoted)

    assert log.events == ()
    assert log.accounted_pcrs == {9}


def test_events_come_from_the_strongest_bank_of_those_that_cover_most() -> None:
    boot = replace(windows_boot(), banks=(SHA1, SHA256, SHA384))
    logs, quoted = [parse_event_log(boot.encode())], boot.registers()

    every = verify_event_logs(logs, quoted)
    most = verify_event_logs(logs, {**quoted, SHA384: {0: quoted[SHA384][0]}})

    assert every.bank is SHA384
    assert most.bank is SHA256
    assert every.events[0].digest == SHA384.digest(every.events[0].data)


def test_every_bank_that_is_quoted_has_to_replay() -> None:
    boot = windows_boot()
    quoted = {**boot.registers(), SHA1: {**boot.registers()[SHA1], 4: b"\1" * 20}}

    assert codes(boot, quoted) == ["tpm.event_log.replay"]


def test_events_in_registers_that_are_not_quoted_are_not_there() -> None:
    boot = windows_boot()
    quoted = {SHA256: {7: boot.registers()[SHA256][7]}}

    log = verify_event_logs([parse_event_log(boot.encode())], quoted)

    assert {event.pcr for event in log.events} == {7}


def test_sha1_proves_something_only_where_it_is_accepted() -> None:
    boot = replace(windows_boot(), is_legacy=True)
    logs, quoted = [parse_event_log(boot.encode())], boot.registers()

    assert codes(boot, quoted) == ["tpm.event_log.bank"]
    assert verify_event_logs(logs, quoted, accepted=frozenset({SHA1})).bank is SHA1


def test_registers_that_move_after_the_boot_may_be_unlogged_and_are_not_accounted_for() -> None:
    boot = windows_boot()
    moved = dict.fromkeys((8, 9, 10, 15, 16, 23), b"\x01" * 32)
    quoted = {SHA256: {**boot.registers()[SHA256], **moved}}

    log = verify_event_logs([parse_event_log(boot.encode())], quoted)

    assert log.quoted_pcrs - log.accounted_pcrs == moved.keys()


@pytest.mark.parametrize("pcr", [0, 3, 14])
def test_registers_of_the_boot_may_not_move_unlogged(pcr: int) -> None:
    boot = BootDraft(events=(action(4, "one"),))
    quoted = {SHA256: {**boot.registers()[SHA256], pcr: b"\1" * 32}}

    assert codes(boot, quoted) == ["tpm.event_log.unlogged"]


def test_a_refusal_names_all_that_is_wrong_with_the_events() -> None:
    boot = BootDraft(
        events=(*firmware_twice(), boundary(12), separator(12, b"WBCL"), boundary(12), boundary(13))
    )

    assert codes(boot, boot.registers()) == ["tpm.event_log.separator"] * 4


def firmware_twice() -> tuple[Event, ...]:
    return (separator(4), separator(4), separator(5, b"\1\0\0\0"))
