from __future__ import annotations

from pathlib import Path

import pytest

from assay.attester.errors import AttesterError
from assay.attester.tpm.measurements import measurement_logs, read_log
from assay.evidence.tpm.request import LogKind


def _write(root: Path, name: str, content: bytes) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_logs_of_linux_are_found_in_the_order_of_measurement(tmp_path: Path) -> None:
    _write(tmp_path, "sys/kernel/security/ima/binary_runtime_measurements", b"later")
    _write(tmp_path, "sys/kernel/security/tpm0/binary_bios_measurements", b"earlier")

    found = measurement_logs(tmp_path)

    assert [(log.kind, log.data) for log in found] == [
        (LogKind.TCG, b"earlier"),
        (LogKind.IMA, b"later"),
    ]


def test_of_windows_the_newest_is_taken(tmp_path: Path) -> None:
    for name in ("0000000009-0000000001", "0000000010-0000000000"):
        _write(tmp_path, f"Windows/Logs/MeasuredBoot/{name}.log", name.encode())

    (log,) = measurement_logs(tmp_path)

    assert log.data == b"0000000010-0000000000"


def test_a_machine_without_logs_is_told_where_they_would_be(tmp_path: Path) -> None:
    with pytest.raises(AttesterError, match="binary_bios_measurements"):
        measurement_logs(tmp_path)


def test_a_log_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(AttesterError, match="cannot read"):
        read_log(tmp_path, LogKind.TCG)
