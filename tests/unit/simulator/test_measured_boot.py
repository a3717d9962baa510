from __future__ import annotations

import hashlib
from dataclasses import replace

from assay.evidence.tpm.algorithms import HashAlgorithm
from assay.evidence.tpm.event_types import EventType
from assay.simulator.linux_boot import kernel_measurements
from assay.simulator.measured_boot import (
    BootDraft,
    Event,
    KernelMeasurement,
    extended,
    measured_by_kernel,
)
from assay.simulator.uefi_boot import action, measured

SHA1, SHA256 = HashAlgorithm.SHA1, HashAlgorithm.SHA256


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def test_a_register_is_extended_by_each_of_its_events() -> None:
    boot = BootDraft(events=(action(4, "one"), action(5, "other"), action(4, "two")))

    registers = boot.registers()[SHA256]

    one = sha256(bytes(32) + sha256(b"one"))
    assert registers[4] == sha256(one + sha256(b"two"))
    assert registers[5] == sha256(bytes(32) + sha256(b"other"))


def test_registers_without_events_rest() -> None:
    registers = BootDraft(events=()).registers()[SHA256]

    assert {registers[pcr] for pcr in (*range(17), 23)} == {bytes(32)}
    assert {registers[pcr] for pcr in range(17, 23)} == {b"\xff" * 32}


def test_a_dynamic_launch_resets_its_registers() -> None:
    registers = BootDraft(events=(measured(17, 1, b"x"),)).registers()[SHA256]

    assert registers[17] == sha256(bytes(32) + sha256(b"x"))
    assert registers[22] == bytes(32)


def test_pcr_0_starts_at_the_locality() -> None:
    boot = BootDraft(events=(), locality=3)
    in_hardware = BootDraft(events=(measured(0, EventType.EV_EFI_HCRTM_EVENT, b"x"),))

    assert boot.registers()[SHA256][0] == bytes(31) + b"\3"
    assert in_hardware.registers()[SHA256][0] == sha256(bytes(31) + b"\4" + sha256(b"x"))


def test_remarks_extend_nothing() -> None:
    remark = Event(pcr=0, type=EventType.EV_NO_ACTION, data=b"remark")

    assert BootDraft(events=(remark,)).registers() == BootDraft(events=()).registers()
    assert remark.digest(SHA1) == bytes(20)


def test_what_was_measured_may_be_something_else_than_the_data() -> None:
    event = Event(pcr=4, type=1, data=b"words", measured=b"an image")

    assert event.digest(SHA256) == sha256(b"an image")


def test_a_legacy_log_has_one_bank() -> None:
    boot = BootDraft(events=(action(4, "one"),))

    assert boot.registers().keys() == {SHA1, SHA256}
    assert replace(boot, is_legacy=True).registers().keys() == {SHA1}
    assert b"Spec ID" not in replace(boot, is_legacy=True).encode()


def test_the_kernel_goes_on_where_the_firmware_ended() -> None:
    before = BootDraft(events=()).registers()
    first, *_ = kernel_measurements()
    violation = KernelMeasurement(template="ima-ng", fields=(b"x",), is_violation=True)

    log, registers = measured_by_kernel((first, violation), before)

    assert log == first.encode() + violation.encode()
    one = extended(SHA256, bytes(32), sha256(first.data))
    assert registers[SHA256][10] == extended(SHA256, one, b"\xff" * 32)
    assert before[SHA256][10] == bytes(32)
