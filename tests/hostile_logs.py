"""Logs of the greatest size that is read, made to cost as much as they can.

`python -m tests.hostile_logs NAME` reads one and prints what it took: processor seconds, and the
largest memory of the process in MiB.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

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

SHA256: Final = HashAlgorithm.SHA256

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


HOSTILE_LOGS: Final = {
    "events": many_events,
    "variables": many_variables,
    "records": many_records,
    "signatures": many_signatures,
    "files": many_files,
}


def _peak_mebibytes() -> float:
    # The resource usage of a process counts what its parent had before it, too.
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found.group(1)) / 1024


def main() -> None:
    parse = HOSTILE_LOGS[sys.argv[1]]()
    start = time.process_time()
    log = parse()
    document = events_document(verify_event_logs([log], {SHA256: replay([log], SHA256)}))
    seconds = time.process_time() - start
    assert document
    print(seconds, _peak_mebibytes())  # noqa: T201


if __name__ == "__main__":
    main()
