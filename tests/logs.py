"""Event logs for tests: parsed and replayed as a verifier does it."""

from __future__ import annotations

from collections.abc import Iterable

from assay.evidence.tpm.algorithms import HashAlgorithm
from assay.evidence.tpm.event_log import EventLog, parse_event_log
from assay.evidence.tpm.ima_log import parse_ima_log
from assay.evidence.tpm.log_verify import verify_event_logs
from assay.evidence.tpm.measured_log import MeasuredEvent, MeasuredLog
from assay.evidence.tpm.replay import MeasurementLog, replay
from assay.simulator.faults.log_attempt import LogAttempt, log_attempt
from assay.simulator.measured_boot import DYNAMIC, PCR_COUNT, BootDraft, Event


def attempt_logs(attempt: LogAttempt) -> list[MeasurementLog]:
    """The logs of an attempt."""
    logs: list[MeasurementLog] = [parse_event_log(attempt.log)]
    if attempt.kernel_log is not None:
        logs.append(parse_ima_log(attempt.kernel_log))
    return logs


def verified(boot: BootDraft, *, kernel: bool = False) -> MeasuredLog:
    """A boot as a verifier sees it."""
    attempt = log_attempt(boot, kernel=kernel)
    return verify_event_logs(attempt_logs(attempt), attempt.registers)


def booted(*events: Event) -> MeasuredLog:
    """The same for a boot of these events alone."""
    return verified(BootDraft(events=events))


def only(log: MeasuredLog) -> MeasuredEvent:
    """The one event of a log."""
    (event,) = log.events
    return event


def registers(
    logs: Iterable[EventLog], bank: HashAlgorithm
) -> dict[HashAlgorithm, dict[int, bytes]]:
    """All registers of a machine whose logs are the whole truth."""
    values = {
        number: (b"\xff" if number in DYNAMIC else b"\0") * bank.size for number in range(PCR_COUNT)
    }
    return {bank: values | dict(replay(list(logs), bank))}
