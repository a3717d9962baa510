from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, settings

from assay.store import Store
from tests.databases import PostgresqlServer, postgresql_server
from tests.tokens import SoftHsm, soft_hsm
from tests.vectors import MISSING, vectors_folder

AT: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)
"""The instant of every test that needs one. Nothing below the service reads a clock."""

# A deadline and the health check for slowness measure the machine, not the code.
_STEADY: Final = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

settings.register_profile("dev", _STEADY, max_examples=50)
settings.register_profile("ci", _STEADY, max_examples=200, derandomize=True, database=None)
settings.register_profile("nightly", _STEADY, max_examples=20_000)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.fixture(scope="session")
def at() -> datetime:
    return AT


@pytest.fixture(scope="session")
def vectors() -> Path:
    folder = vectors_folder()
    if folder is None:
        refuse = pytest.fail if os.environ.get("CI") else pytest.skip
        refuse(MISSING)
    return folder


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    with postgresql_server() as server:
        yield server


@pytest.fixture(scope="session")
def softhsm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftHsm]:
    with soft_hsm(tmp_path_factory.mktemp("softhsm")) as found:
        yield found


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database, of each kind in its turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'assay.db'}"
    server: PostgresqlServer = request.getfixturevalue("postgresql")
    return server.url(server.create_database())


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("template") / "assay.db"
    _upgrade(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def postgresql_template(postgresql: PostgresqlServer) -> str:
    name = postgresql.create_database()
    _upgrade(postgresql.url(name))
    return name


@pytest.fixture(params=["sqlite", "postgresql"])
def upgraded_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of this release's schema with nothing in it, of each kind in its turn."""
    if request.param == "sqlite":
        return _copied(request.getfixturevalue("sqlite_template"), tmp_path)
    server: PostgresqlServer = request.getfixturevalue("postgresql")
    return server.url(server.create_database(request.getfixturevalue("postgresql_template")))


@pytest.fixture
def upgraded_sqlite(sqlite_template: Path, tmp_path: Path) -> str:
    """The same on SQLite, for tests that are not about the database."""
    return _copied(sqlite_template, tmp_path)


def _copied(template: Path, folder: Path) -> str:
    file = folder / "assay.db"
    shutil.copyfile(template, file)
    return f"sqlite:///{file}"


def _upgrade(url: str) -> None:
    store = Store.open(url)
    store.upgrade()
    store.close()
