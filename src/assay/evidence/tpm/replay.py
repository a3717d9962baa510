"""What a machine's registers hold if its logs are the whole truth.

Source: TCG PC Client Platform Firmware Profile 1.06, sections 2.3.1 (registers), 10.4.5.3 (startup
locality) and 2.2.4 (H-CRTM); TPM 2.0 Library, Part 1, section 17 (PCR).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from assay.errors import Finding, UntrustedEvidenceError
from assay.evidence.tpm.algorithms import HashAlgorithm
from assay.evidence.tpm.event_log import EventLog, LogRecord
from assay.evidence.tpm.event_types import EventType
from assay.evidence.tpm.ima_log import IMA_PCR, ImaLog

STARTUP: Final = "tpm.event_log.startup"

MeasurementLog = EventLog | ImaLog

DYNAMIC_PCRS: Final = frozenset(range(17, 23))
"""Reset by a dynamic launch; before one, and without one, all their bits are set."""

_HCRTM_LOCALITY: Final = 4
_LOCALITIES: Final = frozenset({0, 3, _HCRTM_LOCALITY})
_STARTUP_LOCALITY: Final = b"StartupLocality\0"


def replay(logs: Sequence[MeasurementLog], bank: HashAlgorithm) -> Mapping[int, bytes]:
    """The registers that the logs extend, each with its value in `bank`.

    Args:
        logs: In the order in which they were measured.
        bank: One that all logs have.

    Raises:
        UntrustedEvidenceError: The logs contradict themselves about how the TPM was started.
    """
    locality = startup_locality(logs)
    registers: dict[int, bytes] = {}
    for pcr, digest in _measurements(logs, bank):
        value = registers.get(pcr)
        if value is None:
            value = bytes(bank.size) if pcr else _first(locality, bank)
        registers[pcr] = bank.digest(value + digest)
    return registers


def reset_values(pcr: int, bank: HashAlgorithm) -> frozenset[bytes]:
    """The values that a register has while nothing has been measured into it."""
    if pcr in DYNAMIC_PCRS:
        return frozenset({bytes(bank.size), b"\xff" * bank.size})
    if pcr == 0:
        return frozenset(_first(locality, bank) for locality in _LOCALITIES)
    return frozenset({bytes(bank.size)})


def startup_locality(logs: Sequence[MeasurementLog]) -> int:
    """The locality from which the TPM was started: the last byte of PCR 0 before its first event.

    No digest covers the record that says so; a wrong one leads to another value of PCR 0.

    Raises:
        UntrustedEvidenceError: It is said twice, too late, in another register, or not at all as
            the standard has it; or an H-CRTM event is not the first one, or contradicts it.
    """
    locality: int | None = None
    first = True
    for record in _records(logs):
        if record.type == EventType.EV_NO_ACTION:
            if record.data.startswith(_STARTUP_LOCALITY):
                if locality is not None or not first:
                    raise _contradiction("one startup locality, before all events of PCR 0")
                locality = _read_locality(record)
        elif record.pcr == 0:
            if record.type == EventType.EV_EFI_HCRTM_EVENT:
                if not first or locality not in {None, _HCRTM_LOCALITY}:
                    raise _contradiction("an H-CRTM event first, from locality 4")
                locality = _HCRTM_LOCALITY
            first = False
    return locality or 0


def _read_locality(record: LogRecord) -> int:
    size = len(_STARTUP_LOCALITY) + 1
    locality = record.data[-1]
    if record.pcr != 0 or len(record.data) != size or locality not in _LOCALITIES:
        raise _contradiction("a startup locality of 0, 3 or 4 in PCR 0")
    return locality


def _contradiction(expected: str) -> UntrustedEvidenceError:
    finding = Finding(check=STARTUP, expected=expected, actual="records that say otherwise")
    return UntrustedEvidenceError(
        f"the event log contradicts itself: need {expected}", findings=[finding]
    )


def _first(locality: int, bank: HashAlgorithm) -> bytes:
    return locality.to_bytes(bank.size, "big")


def _records(logs: Sequence[MeasurementLog]) -> Iterator[LogRecord]:
    for log in logs:
        if isinstance(log, EventLog):
            yield from log.records


def _measurements(
    logs: Sequence[MeasurementLog], bank: HashAlgorithm
) -> Iterator[tuple[int, bytes]]:
    for log in logs:
        if isinstance(log, ImaLog):
            for measurement in log.records:
                yield IMA_PCR, measurement.digest(bank)
        else:
            for record in log.records:
                if record.is_measured:
                    yield record.pcr, record.digests[bank]
