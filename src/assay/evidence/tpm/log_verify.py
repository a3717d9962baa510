"""Verification of event logs against the registers of a quote.

Source: TCG PC Client Platform Firmware Profile 1.06, section 10.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from assay.errors import Finding, UntrustedEvidenceError
from assay.evidence.tpm.algorithms import STRONG_HASHES, HashAlgorithm
from assay.evidence.tpm.allowance import Allowance
from assay.evidence.tpm.content import read_content
from assay.evidence.tpm.event_log import EventLog, LogRecord
from assay.evidence.tpm.event_types import EventType
from assay.evidence.tpm.ima_entry import read_ima_entry
from assay.evidence.tpm.ima_log import IMA_PCR, ImaRecord
from assay.evidence.tpm.measured_log import MeasuredEvent, MeasuredLog
from assay.evidence.tpm.profile import check_profile
from assay.evidence.tpm.replay import MeasurementLog, replay, reset_values

BANK: Final = "tpm.event_log.bank"
REPLAY: Final = "tpm.event_log.replay"
UNLOGGED: Final = "tpm.event_log.unlogged"

_BOOT_PCRS: Final = frozenset({*range(8), 12, 13, 14})
"""Registers that move during the boot alone, in view of whoever writes the log. The kernel moves
10, systemd 11 and 15, and anybody 16 and 23, after the log was closed."""

Banks = Mapping[HashAlgorithm, Mapping[int, bytes]]
"""Register values by bank and number."""


def verify_event_logs(
    logs: Sequence[MeasurementLog],
    quoted: Banks,
    *,
    accepted: frozenset[HashAlgorithm] = STRONG_HASHES,
) -> MeasuredLog:
    """Replay logs in every bank that is quoted and logged, and decode what they prove.

    Args:
        logs: Of one attestation, in the order in which they were measured; perhaps none.
        quoted: The registers of a quote that has been verified, each with its value.
        accepted: Banks that may prove something; the others are replayed all the same.

    Raises:
        UntrustedEvidenceError: A log does not lead to the quoted values, leaves a register out,
            or is not what boots measure. Carries all findings of the first step that fails.
        MalformedEvidenceError: Measured data does not follow its format.
    """
    banks = quoted.keys() & _logged_banks(logs)
    usable = banks & accepted
    if not usable:
        raise _refused(
            BANK,
            f"a bank of {_names(accepted)} that is quoted and in every log",
            f"{_names(quoted)} quoted, {_names(_logged_banks(logs))} in the logs",
        )
    accounted = {bank: _replayed(logs, bank, quoted[bank]) for bank in banks}
    bank = max(usable, key=lambda one: (len(quoted[one]), one.size))
    events = _events(logs, bank, accounted[bank])
    check_profile(events)
    return MeasuredLog(
        bank=bank,
        events=events,
        quoted_pcrs=frozenset(quoted[bank]),
        accounted_pcrs=accounted[bank],
    )


def _logged_banks(logs: Sequence[MeasurementLog]) -> frozenset[HashAlgorithm]:
    banks = frozenset(HashAlgorithm)
    for log in logs:
        if isinstance(log, EventLog):
            banks &= log.banks
    return banks


def _replayed(
    logs: Sequence[MeasurementLog], bank: HashAlgorithm, quoted: Mapping[int, bytes]
) -> frozenset[int]:
    """The registers that the logs account for.

    Raises:
        UntrustedEvidenceError: A register that the logs extend has another value (`replay`), or
            one of the boot moved without a record of it (`unlogged`).
    """
    computed = replay(logs, bank)
    wrong = [pcr for pcr in sorted(quoted) if pcr in computed and computed[pcr] != quoted[pcr]]
    if wrong:
        registers = ", ".join(map(str, wrong))
        raise _refused(REPLAY, f"the quoted {bank.name} values", f"other values of PCR {registers}")
    resting = {
        pcr
        for pcr, value in quoted.items()
        if pcr not in computed and value in reset_values(pcr, bank)
    }
    silent = (quoted.keys() & _BOOT_PCRS) - computed.keys() - resting
    if silent and any(isinstance(log, EventLog) for log in logs):
        registers = ", ".join(map(str, sorted(silent)))
        raise _refused(UNLOGGED, "an event for what was measured", f"none of PCR {registers}")
    return frozenset((quoted.keys() & computed.keys()) | resting)


def _events(
    logs: Sequence[MeasurementLog], bank: HashAlgorithm, pcrs: frozenset[int]
) -> tuple[MeasuredEvent, ...]:
    """The measurements in the registers that the logs account for, and what they say."""
    events: list[MeasuredEvent] = []
    allowance = Allowance()
    before = 0
    for log in logs:
        if isinstance(log, EventLog):
            events += [
                _measured(record, bank, before, allowance)
                for record in log.records
                if record.is_measured and record.pcr in pcrs
            ]
        elif IMA_PCR in pcrs:
            events += [
                _measured_by_kernel(record, bank, before + place)
                for place, record in enumerate(log.records)
            ]
        before += len(log.records)
    return tuple(events)


def _measured(
    record: LogRecord, bank: HashAlgorithm, before: int, allowance: Allowance
) -> MeasuredEvent:
    return MeasuredEvent(
        sequence=before + record.sequence,
        pcr=record.pcr,
        type=record.type,
        digest=record.digests[bank],
        data=record.data,
        content=read_content(record, allowance),
    )


def _measured_by_kernel(record: ImaRecord, bank: HashAlgorithm, sequence: int) -> MeasuredEvent:
    return MeasuredEvent(
        sequence=sequence,
        pcr=IMA_PCR,
        type=EventType.IMA_MEASUREMENT_EVENT,
        digest=record.digest(bank),
        data=record.raw,
        content=read_ima_entry(record),
    )


def _names(banks: Mapping[HashAlgorithm, object] | frozenset[HashAlgorithm]) -> str:
    return ", ".join(bank.name for bank in sorted(banks)) or "none"


def _refused(check: str, expected: str, actual: str) -> UntrustedEvidenceError:
    finding = Finding(check=check, expected=expected, actual=actual)
    return UntrustedEvidenceError(f"need {expected}, got {actual}", findings=[finding])
