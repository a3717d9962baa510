"""Where machines keep their measurement logs.

| system  | log                                                          |
|---------|--------------------------------------------------------------|
| Linux   | `/sys/kernel/security/tpm0/binary_bios_measurements`         |
| Linux   | `/sys/kernel/security/ima/binary_runtime_measurements` (IMA) |
| Windows | the newest of `C:/Windows/Logs/MeasuredBoot/*.log`           |
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from assay.attester.errors import AttesterError
from assay.evidence.tpm.request import LogKind, SentLog

_FIRMWARE: Final = "sys/kernel/security/tpm0/binary_bios_measurements"
_IMA: Final = "sys/kernel/security/ima/binary_runtime_measurements"
_MEASURED_BOOT: Final = "Windows/Logs/MeasuredBoot"


def measurement_logs(root: Path) -> tuple[SentLog, ...]:
    """The logs of the machine whose file system begins at `root`, in the order of measurement.

    Raises:
        AttesterError: There are none that can be read.
    """
    found = tuple(_logs(root))
    if not found:
        raise AttesterError(
            f"no measurement log under {root}: looked for {_FIRMWARE}, {_IMA} and "
            f"{_MEASURED_BOOT}; they are for root to read, or name the logs yourself"
        )
    return found


def read_log(path: Path, kind: LogKind) -> SentLog:
    """One log.

    Raises:
        AttesterError: It cannot be read.
    """
    try:
        return SentLog(kind, path.read_bytes())
    except OSError as error:
        raise AttesterError(f"cannot read the log {path}: {error.strerror}") from error


def _logs(root: Path) -> Iterator[SentLog]:
    for name, kind in ((_FIRMWARE, LogKind.TCG), (_IMA, LogKind.IMA)):
        path = root / name
        if path.exists():
            yield read_log(path, kind)
    # Their names begin with the numbers of boots and resumes.
    windows = sorted((root / _MEASURED_BOOT).glob("*.log"))
    if windows:
        yield read_log(windows[-1], LogKind.TCG)
