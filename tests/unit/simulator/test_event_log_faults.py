from __future__ import annotations

from assay.evidence.tpm.algorithms import HashAlgorithm
from assay.simulator.faults.event_logs import EVENT_LOG_FAULTS
from assay.simulator.faults.log_attempt import (
    changed,
    edited,
    kernel_measured,
    log_attempt,
    of,
    with_bytes,
    with_kernel_log,
)
from assay.simulator.linux_boot import grub_boot, kernel_measurements
from assay.simulator.windows_boot import windows_boot


def test_an_attempt_has_no_defect_by_itself() -> None:
    attempt = log_attempt(windows_boot())

    assert attempt.log == windows_boot().encode()
    assert attempt.registers == windows_boot().registers()
    assert attempt.kernel_log is None


def test_an_edit_after_the_boot_leaves_the_registers_and_the_digests_alone() -> None:
    attempt = edited(changed(of(4, 0x80000007), data=b"other"))()

    assert attempt.registers == windows_boot().registers()
    assert attempt.log != windows_boot().encode()
    measured = HashAlgorithm.SHA256.digest(b"Calling EFI Application from Boot Option")
    assert measured in attempt.log


def test_bytes_of_both_logs_can_be_changed() -> None:
    assert with_bytes(lambda _: b"x")().log == b"x"
    assert with_kernel_log(lambda log: log + b"x")().kernel_log == (
        b"".join(one.encode() for one in kernel_measurements()) + b"x"
    )


def test_the_kernel_can_measure_something_else() -> None:
    attempt = kernel_measured(*kernel_measurements())()

    assert attempt == log_attempt(grub_boot(), kernel=True)


def test_every_fault_is_made_the_same_way_twice() -> None:
    assert [fault.apply() for fault in EVENT_LOG_FAULTS] == [
        fault.apply() for fault in EVENT_LOG_FAULTS
    ]
