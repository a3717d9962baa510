from __future__ import annotations

from dataclasses import replace

import pytest

from assay.errors import UntrustedEvidenceError
from assay.evidence.tpm.algorithms import HashAlgorithm
from assay.evidence.tpm.event_log import parse_event_log
from assay.evidence.tpm.event_types import EventType
from assay.evidence.tpm.ima_log import parse_ima_log
from assay.evidence.tpm.replay import MeasurementLog, replay, reset_values, startup_locality
from assay.simulator.linux_boot import grub_boot, kernel_measurements, systemd_boot
from assay.simulator.measured_boot import BootDraft, Event, measured_by_kernel
from assay.simulator.uefi_boot import action, measured
from assay.simulator.windows_boot import windows_boot

SHA1, SHA256 = HashAlgorithm.SHA1, HashAlgorithm.SHA256
EVERY_BANK = tuple(HashAlgorithm)
HCRTM = measured(0, EventType.EV_EFI_HCRTM_EVENT, b"HCRTM")
VERSION = measured(0, EventType.EV_S_CRTM_VERSION, b"1")


def remark(data: bytes, *, pcr: int = 0) -> Event:
    return Event(pcr=pcr, type=EventType.EV_NO_ACTION, data=data)


def locality(number: int, *, pcr: int = 0) -> Event:
    return remark(b"StartupLocality\0" + bytes([number]), pcr=pcr)


def refusal(*events: Event) -> str:
    with pytest.raises(UntrustedEvidenceError) as caught:
        replay([parse_event_log(BootDraft(events=events).encode())], SHA256)
    (finding,) = caught.value.findings
    assert finding.check == "tpm.event_log.startup"
    return finding.expected


@pytest.mark.parametrize("boot", [windows_boot(), grub_boot(), systemd_boot()])
@pytest.mark.parametrize("number", [None, 0, 3, 4])
def test_a_replay_leads_to_the_registers_of_the_boot(boot: BootDraft, number: int | None) -> None:
    boot = replace(boot, banks=EVERY_BANK, locality=number)
    log = parse_event_log(boot.encode())

    for bank, registers in boot.registers().items():
        replayed = replay([log], bank)
        assert replayed == {pcr: registers[pcr] for pcr in replayed}
        assert replayed.keys() == {record.pcr for record in log.records if record.is_measured}


def test_a_legacy_log_replays_in_sha1() -> None:
    boot = replace(windows_boot(), is_legacy=True)

    replayed = replay([parse_event_log(boot.encode())], SHA1)

    assert replayed == {pcr: boot.registers()[SHA1][pcr] for pcr in replayed}


def test_an_hcrtm_event_is_measured_from_locality_4() -> None:
    boot = BootDraft(events=(HCRTM, VERSION))

    value = replay([parse_event_log(boot.encode())], SHA256)[0]

    first = SHA256.digest(bytes(31) + b"\4" + SHA256.digest(b"HCRTM"))
    assert value == SHA256.digest(first + SHA256.digest(b"1")) == boot.registers()[SHA256][0]


def test_an_hcrtm_event_may_come_with_its_locality() -> None:
    boot = BootDraft(events=(HCRTM,), locality=4)

    assert startup_locality([parse_event_log(boot.encode())]) == 4


def test_registers_of_a_dynamic_launch_start_at_zero() -> None:
    boot = BootDraft(events=(measured(19, EventType.EV_EVENT_TAG, b"data"),))

    value = replay([parse_event_log(boot.encode())], SHA256)[19]

    assert value == SHA256.digest(bytes(32) + SHA256.digest(b"data"))


def test_logs_go_on_where_those_before_them_ended() -> None:
    one, two = BootDraft(events=(action(4, "one"),)), BootDraft(events=(action(4, "two"),))
    both = BootDraft(events=(*one.events, *two.events))

    logs = [parse_event_log(one.encode()), parse_event_log(two.encode())]

    assert replay(logs, SHA256)[4] == both.registers()[SHA256][4]


def test_the_kernels_log_extends_pcr_10() -> None:
    boot = grub_boot()
    log, registers = measured_by_kernel(kernel_measurements(), boot.registers())

    logs: list[MeasurementLog] = [parse_event_log(boot.encode()), parse_ima_log(log)]

    assert replay(logs, SHA1)[10] == registers[SHA1][10]
    assert replay(logs, SHA256)[10] == registers[SHA256][10] != bytes(32)


def test_remarks_about_other_things_are_no_locality() -> None:
    boot = BootDraft(events=(remark(b"x"), remark(b"SP800-155 Event\0"), VERSION))

    assert startup_locality([parse_event_log(boot.encode())]) == 0


@pytest.mark.parametrize(
    "events",
    [
        (locality(3), locality(3)),
        (VERSION, locality(3)),
        (locality(1),),
        (locality(3, pcr=1),),
        (remark(b"StartupLocality\0"),),
        (remark(b"StartupLocality\0\0\3"),),
        (VERSION, HCRTM),
        (HCRTM, HCRTM),
        (locality(3), HCRTM),
    ],
)
def test_logs_that_contradict_themselves_about_the_start_are_refused(
    events: tuple[Event, ...],
) -> None:
    assert "locality" in refusal(*events)


def test_registers_rest_at_zero_with_two_exceptions() -> None:
    assert reset_values(1, SHA256) == {bytes(32)}
    assert reset_values(17, SHA1) == {bytes(20), b"\xff" * 20}
    assert reset_values(0, SHA1) == {bytes(20), bytes(19) + b"\3", bytes(19) + b"\4"}
