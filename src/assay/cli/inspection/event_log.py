"""Event logs as members to show."""

from __future__ import annotations

from typing import Final

from assay.encoding import JsonValue, parse_json_object
from assay.errors import AssayError
from assay.evidence.tpm.algorithms import HashAlgorithm
from assay.evidence.tpm.documents import events_document
from assay.evidence.tpm.event_log import EventLog, LogRecord, parse_event_log
from assay.evidence.tpm.event_types import type_name
from assay.evidence.tpm.ima_log import parse_ima_log
from assay.evidence.tpm.log_verify import verify_event_logs
from assay.evidence.tpm.replay import MeasurementLog, replay

_SPEC_ID: Final = b"Spec ID Event"
_SPEC_ID_OFFSET: Final = 32
_FIRST_PCR: Final = bytes(4)
"""Logs begin with the firmware, which is measured into PCR 0; no quote begins so."""

_IMA_PCR: Final = (10).to_bytes(4, "little")
_IMA: Final = b"ima"
_TEMPLATE_OFFSET: Final = 28

_EVERY_BANK: Final = frozenset(HashAlgorithm)


def is_event_log(data: bytes) -> bool:
    """Whether bytes begin as a log of firmware does."""
    return data.startswith(_FIRST_PCR) or data[_SPEC_ID_OFFSET:].startswith(_SPEC_ID)


def is_ima_log(data: bytes) -> bool:
    """Whether bytes begin as a log of the kernel does."""
    return data.startswith(_IMA_PCR) and data[_TEMPLATE_OFFSET:].startswith(_IMA)


def event_log_members(data: bytes) -> dict[str, JsonValue]:
    """A log of firmware: its banks, the registers that it leads to, and its events.

    Raises:
        MalformedEvidenceError: It does not parse.
    """
    log = parse_event_log(data)
    members: dict[str, JsonValue] = {
        "layout": "crypto-agile" if log.is_crypto_agile else "SHA-1",
        "banks": [bank.name for bank in sorted(log.banks)],
        "records": len(log.records),
        "padding_bytes": log.padding_bytes,
    }
    if not log.banks:
        return {**members, "problem": "no bank has a digest of every event"}
    return members | _replayed(log, max(log.banks))


def ima_log_members(data: bytes) -> dict[str, JsonValue]:
    """A log of the kernel: the register that it leads to, and its events.

    Raises:
        MalformedEvidenceError: It does not parse.
    """
    log = parse_ima_log(data)
    return {"records": len(log.records), **_replayed(log, HashAlgorithm.SHA256)}


def _replayed(log: MeasurementLog, bank: HashAlgorithm) -> dict[str, JsonValue]:
    """What a log says of a machine whose registers are as it says."""
    try:
        registers = replay([log], bank)
        measured = verify_event_logs([log], {bank: registers}, accepted=_EVERY_BANK)
    except AssayError as error:
        problems: list[JsonValue] = [str(finding) for finding in error.findings]
        records = log.records if isinstance(log, EventLog) else ()
        return {"problems": problems, "events": [_record(record) for record in records]}
    document = parse_json_object(events_document(measured).encode(), "events")
    values: dict[str, JsonValue] = {
        f"PCR {number}": value.hex() for number, value in sorted(registers.items())
    }
    return {"registers": {bank.name: values}, "events": document["Events"]}


def _record(record: LogRecord) -> JsonValue:
    """An event of a log that has problems, as far as it is no matter of belief."""
    return {
        "sequence": record.sequence,
        "pcr": record.pcr,
        "type": type_name(record.type),
        "bytes": len(record.data),
    }
