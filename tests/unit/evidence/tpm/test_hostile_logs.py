"""Logs of the greatest size that is read, made to cost as much as they can."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable

import pytest

from assay.evidence.tpm.algorithms import HashAlgorithm
from assay.evidence.tpm.documents import events_document
from assay.evidence.tpm.event_log import MAX_LOG_BYTES, parse_event_log
from assay.evidence.tpm.ima_log import MAX_LOG_BYTES as MAX_IMA_BYTES
from assay.evidence.tpm.ima_log import MAX_RECORDS, parse_ima_log
from assay.evidence.tpm.log_verify import verify_event_logs
from assay.evidence.tpm.replay import MeasurementLog, replay
from assay.evidence.tpm.sipa import SipaId
from assay.simulator.linux_boot import file_measurement
from assay.simulator.measured_boot import BootDraft, Event
from assay.simulator.uefi_boot import (
    OWNER,
    SECURITY,
    action,
    driver_config,
    separator,
    signature_list,
)
from assay.simulator.windows_boot import CLOSED, boundary, flag, sipa

SHA256 = HashAlgorithm.SHA256
SECONDS = 2.0
BYTES = 200 * 1_048_576


Parse = Callable[[], MeasurementLog]


def boot(*events: Event) -> Parse:
    data = BootDraft(events=events, banks=(SHA256,)).encode()
    assert len(data) <= MAX_LOG_BYTES
    return lambda: parse_event_log(data)


def many_events() -> Parse:
    return boot(*(action(5, "x" * 40) for _ in range(19_000)))


def many_variables() -> Parse:
    return boot(*(driver_config(f"v{one}", b"x", pcr=1) for one in range(15_000)))


def many_records() -> Parse:
    module = sipa(SipaId.LOADEDMODULE_AGGREGATION, flag(SipaId.IMAGEVALIDATED, value=True))
    full = boundary(12, *(module for _ in range(16_000)))
    return boot(full, separator(12, CLOSED))


def many_signatures() -> Parse:
    lists = signature_list(OWNER, *(b"x" for _ in range(32_000)))
    return boot(driver_config("db", lists, guid=SECURITY))


def many_files() -> Parse:
    record = file_measurement("/usr/" + "x" * 80, b"x").encode()
    assert len(record) * MAX_RECORDS <= MAX_IMA_BYTES
    return lambda: parse_ima_log(record * MAX_RECORDS)


@pytest.mark.parametrize(
    "make", [many_events, many_variables, many_records, many_signatures, many_files]
)
def test_the_largest_logs_are_read_in_little_time(make: Callable[[], Parse]) -> None:
    parse = make()
    start = time.process_time()

    document = documented(parse)

    assert time.process_time() - start < SECONDS
    assert len(document) < BYTES


@pytest.mark.parametrize("make", [many_events, many_files])
def test_the_largest_logs_are_read_in_little_memory(make: Callable[[], Parse]) -> None:
    parse = make()
    tracemalloc.start()
    try:
        document = documented(parse)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(document) < peak < BYTES


def documented(parse: Parse) -> str:
    log = parse()
    return events_document(verify_event_logs([log], {SHA256: replay([log], SHA256)}))
