from __future__ import annotations

import resource
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from assay.errors import SettingsError, StoreUnavailableError
from assay.store import Store
from tests.databases import PostgresqlServer
from tests.unit.store.records import AT, DOCUMENT, INSTANCE


@pytest.fixture
def sqlite(upgraded_sqlite: str) -> Iterator[Store]:
    with closing(Store.open(upgraded_sqlite)) as store:
        store.instances.add(INSTANCE)
        yield store


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_copy_has_everything_and_is_private(sqlite: Store, tmp_path: Path) -> None:
    file = tmp_path / "copy.db"

    sqlite.back_up(file)

    with closing(Store.open(f"sqlite:///{file}")) as copy:
        copy.check()
        assert copy.instances.all() == sqlite.instances.all()
        assert list(copy.audit.lines()) == list(sqlite.audit.lines())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_copy_is_one_file_that_can_be_read_where_nothing_can_be_written(
    sqlite: Store, tmp_path: Path
) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()

    sqlite.back_up(folder / "copy.db")

    assert [path.name for path in folder.iterdir()] == ["copy.db"]
    with closing(sqlite3.connect(f"file:{folder}/copy.db?mode=ro&immutable=1", uri=True)) as copy:
        assert copy.execute("SELECT name FROM instances").fetchall() == [("one",)]


def test_a_copy_is_of_one_moment_while_somebody_writes(sqlite: Store, tmp_path: Path) -> None:
    sqlite.collateral.put(DOCUMENT)

    sqlite.back_up(tmp_path / "first.db")
    sqlite.collateral.remove_expired(before=AT.replace(year=AT.year + 1))
    sqlite.back_up(tmp_path / "second.db")

    found = []
    for name in ("first", "second"):
        with closing(Store.open(f"sqlite:///{tmp_path}/{name}.db")) as copy:
            found.append(copy.collateral.get(DOCUMENT.key))
    assert found == [DOCUMENT, None]


def test_no_file_is_overwritten(sqlite: Store, tmp_path: Path) -> None:
    file = tmp_path / "there"
    file.write_text("mine")

    with pytest.raises(SettingsError, match="is there already"):
        sqlite.back_up(file)

    assert file.read_text() == "mine"


@pytest.mark.parametrize("folder", ["missing", "file"])
def test_a_folder_that_cannot_be_written_to_is_told(
    folder: str, sqlite: Store, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(SettingsError, match="cannot be written: No"):
        sqlite.back_up(tmp_path / folder / "copy.db")


def test_where_there_is_no_room_nothing_is_left(sqlite: Store, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()

    with files_of_at_most(16384), pytest.raises(StoreUnavailableError, match="backup cannot be"):
        sqlite.back_up(folder / "copy.db")

    assert list(folder.iterdir()) == []
    sqlite.check()


def test_postgresql_has_means_of_its_own(postgresql: PostgresqlServer, tmp_path: Path) -> None:
    with (
        closing(Store.open(postgresql.url("postgres"))) as store,
        pytest.raises(SettingsError, match="pg_dump"),
    ):
        store.back_up(tmp_path / "copy.db")

    assert list(tmp_path.iterdir()) == []
