from __future__ import annotations

import sqlite3
import stat
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError

from assay.errors import SettingsError, StoreUnavailableError
from assay.store import CollateralRecord, Store
from assay.store.engine import create_engine, reading, writing

AT: Final = datetime(2026, 1, 1, tzinfo=UTC)
SHORT: Final = timedelta(milliseconds=30)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "assay.db"


@pytest.fixture
def engine(path: Path) -> Iterator[sa.Engine]:
    engine = create_engine(f"sqlite:///{path}", busy_timeout=SHORT)
    with writing(engine) as connection:
        connection.exec_driver_sql("CREATE TABLE things (name TEXT PRIMARY KEY, data BLOB)")
    yield engine
    engine.dispose()


def _add(engine: sa.Engine, name: str, size: int = 0) -> None:
    with writing(engine) as connection:
        connection.exec_driver_sql("INSERT INTO things VALUES (?, zeroblob(?))", (name, size))


def _names(engine: sa.Engine) -> list[str]:
    with reading(engine) as connection:
        return [row[0] for row in connection.exec_driver_sql("SELECT name FROM things")]


def _on_connect(engine: sa.Engine, pragma: str) -> None:
    engine.dispose()
    event.listen(engine, "connect", lambda connection, _: connection.execute(pragma))


@pytest.mark.parametrize(
    ("pragma", "value"),
    [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 30)],
)
def test_sqlite_is_set_up_for_the_store(engine: sa.Engine, pragma: str, value: object) -> None:
    with reading(engine) as connection:
        assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar() == value


def test_only_the_owner_may_read_the_files(engine: sa.Engine, path: Path) -> None:
    _add(engine, "a")

    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}

    assert modes == {"assay.db": 0o600, "assay.db-wal": 0o600, "assay.db-shm": 0o600}


def test_an_existing_file_is_used_as_it_is(engine: sa.Engine, path: Path) -> None:
    _add(engine, "a")
    again = create_engine(f"sqlite:///{path}")

    assert _names(again) == ["a"]
    again.dispose()


def test_an_exception_undoes_the_transaction(engine: sa.Engine) -> None:
    def write_and_fail() -> None:
        with writing(engine) as connection:
            connection.exec_driver_sql("INSERT INTO things VALUES ('a', '')")
            raise LookupError

    with pytest.raises(LookupError):
        write_and_fail()

    assert _names(engine) == []


def test_a_broken_constraint_is_left_to_the_caller(engine: sa.Engine) -> None:
    _add(engine, "a")

    with pytest.raises(IntegrityError):
        _add(engine, "a")


def test_a_reader_does_not_wait_for_a_writer(engine: sa.Engine) -> None:
    with writing(engine) as connection:
        connection.exec_driver_sql("INSERT INTO things VALUES ('a', '')")

        assert _names(engine) == []


def test_a_writer_waits_for_another_one(path: Path, engine: sa.Engine) -> None:
    patient = create_engine(f"sqlite:///{path}", busy_timeout=timedelta(seconds=30))
    started = threading.Event()

    def write_too() -> None:
        started.set()
        _add(patient, "b")

    other = threading.Thread(target=write_too)
    with writing(engine) as connection:
        connection.exec_driver_sql("INSERT INTO things VALUES ('a', '')")
        other.start()
        assert started.wait(10)
    other.join(30)

    assert sorted(_names(engine)) == ["a", "b"]
    patient.dispose()


def test_a_lock_that_is_held_too_long_is_told(engine: sa.Engine) -> None:
    with writing(engine), pytest.raises(StoreUnavailableError, match="another process held its"):
        _add(engine, "a")


def test_a_lock_on_a_file_not_yet_in_wal_mode_is_told(path: Path) -> None:
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    engine = create_engine(f"sqlite:///{path}", busy_timeout=SHORT)

    with pytest.raises(StoreUnavailableError, match="another process held its"):
        _names(engine)

    holder.close()


def test_a_file_locked_for_a_moment_is_entered_after_it(path: Path) -> None:
    holder = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN EXCLUSIVE")
    engine = create_engine(f"sqlite:///{path}", busy_timeout=timedelta(seconds=30))
    release = threading.Timer(0.05, holder.close)
    release.start()

    with reading(engine) as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"

    release.join()
    engine.dispose()


def test_a_read_only_database_is_told(engine: sa.Engine) -> None:
    _on_connect(engine, "PRAGMA query_only = ON")

    with pytest.raises(StoreUnavailableError, match="it is read-only; make the file and its"):
        _add(engine, "a")


def test_a_full_disk_is_told(engine: sa.Engine) -> None:
    _on_connect(engine, "PRAGMA max_page_count = 8")

    with pytest.raises(StoreUnavailableError, match="its disk is full; free space"):
        _add(engine, "a", size=1 << 20)


def test_a_file_of_another_kind_is_told(path: Path) -> None:
    path.write_bytes(b"not a database " * 100)
    engine = create_engine(f"sqlite:///{path}")

    with pytest.raises(StoreUnavailableError, match="not a database of SQLite; name another"):
        _names(engine)


def test_a_damaged_file_is_told(path: Path, engine: sa.Engine) -> None:
    _add(engine, "a")
    engine.dispose()
    content = bytearray(path.read_bytes())
    content[100:] = b"\xff" * (len(content) - 100)
    path.write_bytes(content)

    with pytest.raises(StoreUnavailableError, match="it is damaged; restore a backup"):
        _names(engine)


def test_a_path_that_is_a_folder_is_told(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}")

    with pytest.raises(StoreUnavailableError, match="it cannot be opened; create its folder"):
        _names(engine)


def test_a_failure_of_another_kind_is_told_in_its_own_words(engine: sa.Engine) -> None:
    with (
        pytest.raises(StoreUnavailableError, match="OperationalError: no such table: absent"),
        reading(engine) as connection,
    ):
        connection.exec_driver_sql("SELECT * FROM absent")


def test_a_failure_of_the_program_itself_is_not_the_databases(engine: sa.Engine) -> None:
    with (
        pytest.raises(StoreUnavailableError, match="ProgrammingError"),
        reading(engine) as connection,
    ):
        connection.exec_driver_sql("SELECT ?", (1, 2))


def test_a_use_of_every_connection_is_told(path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{path}", pool_size=1, max_overflow=0, pool_timeout=0.01)

    with (
        reading(engine),
        pytest.raises(StoreUnavailableError, match="every connection is in use"),
        reading(engine),
    ):
        pytest.fail("got a second connection")

    engine.dispose()


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=memory&uri=true"]
)
def test_a_database_in_memory_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="needs the path of a file"):
        create_engine(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "assay.db",
        "nosuchdatabase://user:hunter2@host/db",
        "postgresql+nosuchdriver://user:hunter2@host/db",
        "mssql+pymssql://user:hunter2@host/db",
        "postgresql://user:hunter2@host:port/db",
    ],
)
def test_a_url_of_no_use_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(SettingsError, match="needs the form sqlite:////path") as raised:
        create_engine(url)

    assert "hunter2" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError, match="cannot be created: No such file"):
        create_engine(f"sqlite:///{tmp_path}/missing/assay.db")


def test_the_store_waits_as_long_as_it_is_told(path: Path) -> None:
    store = Store.open(f"sqlite:///{path}", busy_timeout=SHORT)
    store.upgrade()
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    record = CollateralRecord(key="k", document=b"", fetched_at=AT, expires_at=AT)

    with pytest.raises(StoreUnavailableError, match="for too long"):
        store.collateral.put(record)

    holder.close()
    store.close()
