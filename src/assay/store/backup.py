"""A copy of a SQLite database while it is used: whole, private, or not there at all.

Source: SQLite, "SQLite Backup API".
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import sqlalchemy as sa

from assay.errors import SettingsError, StoreUnavailableError
from assay.store.engine import is_postgresql, reading
from assay.store.failures import failure_reason


def back_up(engine: sa.Engine, file: Path) -> None:
    """Write the database to a new file, as it is at one moment, while others use it.

    Raises:
        SettingsError: It is not of SQLite, or the file is there already or cannot be.
        StoreUnavailableError: The database cannot be read, or the copy cannot be written.
    """
    if is_postgresql(engine):
        raise SettingsError(
            "the database is a PostgreSQL server, which has means of its own; run "
            "`pg_dump --format=custom --file=FILE DATABASE` as a user that may read it"
        )
    if file.exists():
        raise _taken(file)
    # Beside the file, so that it becomes that file in one step.
    draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    try:
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        try:
            _copy(engine, draft)
            _sync(draft)
            # Unlike a renaming, this fails where somebody has made the file meanwhile.
            os.link(draft, file)
        finally:
            draft.unlink()
        _sync(file.parent)
    except FileExistsError:
        raise _taken(file) from None
    except OSError as error:
        raise SettingsError(
            f"the backup {file} cannot be written: {error.strerror}; name a file in a folder that "
            "you may write to, on a file system with room and with hard links"
        ) from error


def _copy(engine: sa.Engine, draft: Path) -> None:
    try:
        with reading(engine) as connection, closing(sqlite3.connect(draft)) as target:
            source = connection.connection.driver_connection
            assert isinstance(source, sqlite3.Connection)  # noqa: S101  the engine is SQLite's
            source.backup(target)
            # One file without companions, which can be read from a read-only medium, too.
            target.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        reason, remedy = failure_reason(error)
        raise StoreUnavailableError(f"the backup cannot be made: {reason}; {remedy}") from error
    finally:
        for companion in ("-wal", "-shm", "-journal"):
            with suppress(FileNotFoundError):
                draft.with_name(f"{draft.name}{companion}").unlink()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _taken(file: Path) -> SettingsError:
    return SettingsError(
        f"the backup {file} is there already, and is not overwritten; name another file"
    )
