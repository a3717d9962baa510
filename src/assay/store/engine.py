"""A database connection set up for the store, and its failures in the operator's words."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from assay.errors import SettingsError, StoreUnavailableError
from assay.store.failures import PRIMARY_CODE, failure_reason

BUSY_TIMEOUT: Final = timedelta(seconds=10)
"""How long a write waits for another process's. Writes take milliseconds, so more is a hang."""

_WAL_PAUSE: Final = timedelta(milliseconds=10)

_WRITE: Final = "assay_write"

_POSTGRESQL: Final = "postgresql"
_DRIVER: Final = "postgresql+psycopg"

_HIDDEN: Final = "hidden"

_LOCK_SECONDS: Final = 10
"""How long a PostgreSQL statement waits for another session's lock."""

_CONNECT_SECONDS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolLimits:
    """How many connections one process may hold, and how long it waits for one of them."""

    connections: int = 5
    seconds: float = 10


DEFAULT_POOL: Final = PoolLimits()


def create_engine(
    url: str, *, busy_timeout: timedelta = BUSY_TIMEOUT, pool: PoolLimits = DEFAULT_POOL
) -> sa.Engine:
    """An engine for the database at `url`; a SQLite file that is not there yet is created.

    SQLite runs in WAL mode, so that readers never wait for a writer.

    Raises:
        SettingsError: The URL does not parse, its driver is not installed, or it names no
            plain SQLite file; in memory, every process and thread would have its own.
        StoreUnavailableError: The SQLite file cannot be created.
    """
    try:
        parsed = _with_driver(make_url(url))
        file = _sqlite_file(parsed)
        # The driver is imported here, and is missing where an optional extra is.
        engine = sa.create_engine(
            parsed,
            pool_size=pool.connections,
            max_overflow=0,
            pool_timeout=pool.seconds,
            # An error is for logs and terminals, and what is written may be a sealed key.
            hide_parameters=True,
            # A connection that the server has ended meanwhile is replaced, not handed out.
            pool_pre_ping=file is None,
            connect_args=_connect_arguments(parsed),
        )
    except (ImportError, SQLAlchemyError, ValueError) as error:
        # The URL may hold a password and is not repeated.
        raise SettingsError(
            "the database URL needs the form sqlite:////path/to/assay.db, or "
            "postgresql://user@host/database with the driver that `pip install "
            f"'assay[postgres]'` brings; got one that fails with {type(error).__name__}"
        ) from None
    if file is not None:
        _create_private_file(file)
        event.listen(engine, "connect", partial(_configure_sqlite, busy_timeout=busy_timeout))
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def is_postgresql(engine: sa.Engine) -> bool:
    """Whether the engine's database is PostgreSQL; else it is SQLite."""
    return engine.dialect.name == _POSTGRESQL


def is_sqlite_url(url: str) -> bool:
    """Whether a URL names a SQLite file.

    Raises:
        SettingsError: It does not parse.
    """
    try:
        return make_url(url).get_backend_name() == "sqlite"
    except (SQLAlchemyError, ValueError) as error:
        raise SettingsError(
            f"the database URL does not parse ({type(error).__name__}); write it as "
            "sqlite:////path/to/assay.db or postgresql://user@host/database"
        ) from None


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection in a transaction that only reads.

    Raises:
        StoreUnavailableError: The database fails.
    """
    with explained(), engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection in a transaction that writes: committed at the end, undone by an exception.

    Raises:
        StoreUnavailableError: The database fails.
        IntegrityError: A row breaks a constraint; the caller knows what that means.
    """
    with (
        explained(),
        engine.connect() as connection,
        connection.execution_options(**{_WRITE: True}).begin(),
    ):
        yield connection


@contextmanager
def snapshot(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection that only reads, and sees the database as it is at one moment.

    Raises:
        StoreUnavailableError: The database fails.
    """
    # A transaction of SQLite has one view of the file by itself.
    chosen = {"isolation_level": "REPEATABLE READ"} if is_postgresql(engine) else {}
    with (
        explained(),
        engine.connect() as connection,
        connection.execution_options(**chosen).begin(),
    ):
        yield connection


def without_password(url: str) -> str:
    """The URL of a database as it may be shown.

    Raises:
        SettingsError: It does not parse.
    """
    is_sqlite_url(url)
    parsed = make_url(url)
    hidden = {name: _HIDDEN for name in parsed.query if "password" in name.lower()}
    return parsed.update_query_dict(hidden).render_as_string(hide_password=True)


def sqlite_file(url: str) -> Path | None:
    """The file that a URL names, whether it is there or not; nothing for PostgreSQL.

    Raises:
        SettingsError: The URL does not parse, or names no plain file.
    """
    return _sqlite_file(make_url(url)) if is_sqlite_url(url) else None


def _with_driver(url: URL) -> URL:
    # Any of the names that operators know leads to the one driver that is tested.
    if url.drivername in {"postgres", _POSTGRESQL}:
        return url.set(drivername=_DRIVER)
    if url.drivername not in {"sqlite", "sqlite+pysqlite", _DRIVER}:
        raise ValueError("neither SQLite nor PostgreSQL")
    return url


def _connect_arguments(url: URL) -> dict[str, Any]:
    if url.get_backend_name() != _POSTGRESQL:
        return {}
    chosen: dict[str, Any] = {
        "application_name": "assay",
        "connect_timeout": _CONNECT_SECONDS,
        "options": f"-c lock_timeout={_LOCK_SECONDS}s",
    }
    # What the operator says in the URL stands.
    return {name: value for name, value in chosen.items() if name not in url.query}


def _sqlite_file(url: URL) -> Path | None:
    if url.get_backend_name() != "sqlite":
        return None
    database = url.database or ":memory:"
    if database == ":memory:" or database.startswith("file:"):
        raise SettingsError(
            "the database URL needs the path of a file, as in sqlite:////path/to/assay.db; a "
            "SQLite database in memory is another one for every worker and gone after a restart"
        )
    return Path(database)


def _create_private_file(path: Path) -> None:
    try:
        # Made before SQLite does, so that sealed keys are never in a file that others can read;
        # its WAL files take the same mode.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise StoreUnavailableError(
            f"the database {path} cannot be created: {error.strerror}; create its folder and make "
            "it writable for the user that the service runs as"
        ) from error


def _configure_sqlite(
    connection: sqlite3.Connection, _record: object, *, busy_timeout: timedelta
) -> None:
    # The driver begins no transactions by itself; `_begin_sqlite` says which kind is wanted.
    connection.isolation_level = None
    _enter_wal(connection, busy_timeout)
    connection.execute(f"PRAGMA busy_timeout = {busy_timeout // timedelta(milliseconds=1)}")
    connection.execute("PRAGMA foreign_keys = ON")
    # NORMAL may lose the last commits when the power fails. A lost signing key leaves tokens that
    # nobody can verify, and a lost policy change one that was confirmed; writes are rare here.
    connection.execute("PRAGMA synchronous = FULL")


def _enter_wal(connection: sqlite3.Connection, busy_timeout: timedelta) -> None:
    # SQLite's own waiting does not cover this switch: of several workers that open a new database
    # at the same moment, one may be told at once that it is locked.
    connection.execute("PRAGMA busy_timeout = 0")
    for _ in range(busy_timeout // _WAL_PAUSE):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & PRIMARY_CODE != sqlite3.SQLITE_BUSY:
                raise
            time.sleep(_WAL_PAUSE.total_seconds())
        else:
            return
    connection.execute("PRAGMA journal_mode = WAL")


def _begin_sqlite(connection: sa.Connection) -> None:
    # A transaction that reads first and writes later fails at once when another one wrote between;
    # taking the write lock at the start waits for it instead.
    write = connection.get_execution_options().get(_WRITE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


@contextmanager
def explained() -> Iterator[None]:
    """Raise a database's failures as `StoreUnavailableError`, in words."""
    try:
        yield
    except IntegrityError:
        raise
    except PoolTimeoutError as error:
        raise StoreUnavailableError(
            "the database does not answer: every connection is in use; try again, or look for a "
            "request that hangs"
        ) from error
    except DBAPIError as error:
        reason, remedy = failure_reason(error.orig)
        raise StoreUnavailableError(f"the database does not answer: {reason}; {remedy}") from error
