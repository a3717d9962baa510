"""The audit record of a broker: a file of chained records, each on the disk before its release.

The format is that of `assay.audit`, and `assay audit verify FILE` checks it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self, final

from assay.audit import GENESIS, AuditEvent, append, verify_export
from assay.errors import SettingsError, StoreUnavailableError

_LINE_END: Final = b"\n"


@final
class AuditFile:
    """An audit record that one process appends to. For one thread."""

    __slots__ = ("_descriptor", "_head", "_path", "_size")

    def __init__(self, path: Path) -> None:
        """Open a record, and verify what is in it.

        A last line without its end was cut off by a crash, before anything was released for it;
        it is taken away.

        Raises:
            SettingsError: The file cannot be opened, or another process has it open.
            AuditError: What is in it was changed.
        """
        self._path = path
        self._size = 0
        self._descriptor = _open(path)
        try:
            self._head = verify_export(self._whole_lines(), after=GENESIS)
            os.ftruncate(self._descriptor, self._size)
            os.fsync(self._descriptor)
        except BaseException:
            os.close(self._descriptor)
            raise

    def _whole_lines(self) -> Iterator[bytes]:
        with self._path.open("rb") as file:
            for line in file:
                if line.endswith(_LINE_END):
                    self._size += len(line)
                    yield line

    @property
    def head(self) -> str:
        """The end of the chain, as `assay audit verify --head` takes it."""
        return f"{self._head.sequence}:{self._head.digest}"

    def record(self, event: AuditEvent) -> None:
        """Append a record, and return when it is on the disk.

        Raises:
            AuditError: The event does not fit a record.
            StoreUnavailableError: It could not be written; nothing may be released.
        """
        written, head = append(self._head, event)
        line = written.line() + _LINE_END
        try:
            if os.write(self._descriptor, line) != len(line):
                raise OSError(0, "only a part was written")  # noqa: TRY301  one way to fail
            os.fdatasync(self._descriptor)
        except OSError as error:
            # Half a line must not stand before the next one.
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._size)
            raise StoreUnavailableError(
                f"{self._path}: the audit record cannot be written: {error.strerror}; nothing is "
                "released until it can"
            ) from error
        self._head = head
        self._size += len(line)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        """The record itself, closed at the end."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close the file."""
        self.close()


def _open(path: Path) -> int:
    with _told(path):
        new = not path.exists()
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if new:
                _sync_folder(path.parent)
        except BaseException:
            os.close(descriptor)
            raise
    return descriptor


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except BlockingIOError as error:
        raise SettingsError(
            f"audit file {path}: another process writes to it; a record has one writer"
        ) from error
    except OSError as error:
        raise SettingsError(f"audit file {path}: cannot open it: {error.strerror}") from error
