from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any, Final

import psycopg
import pytest
import sqlalchemy as sa

from assay.errors import SettingsError, StoreUnavailableError
from assay.store import PoolLimits, Store, is_sqlite_url
from assay.store.engine import create_engine, reading, writing
from assay.store.failures import failure_reason
from tests.databases import PostgresqlServer, postgresql_server
from tests.unit.store.records import ALICE, AT

_PASSWORD: Final = "hunter2"  # noqa: S105  looked for in what is said


@pytest.fixture
def url(postgresql: PostgresqlServer) -> str:
    return postgresql.url(postgresql.create_database())


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    engine = create_engine(url, pool=PoolLimits(connections=2, seconds=0.05))
    yield engine
    engine.dispose()


def _value(engine: sa.Engine, query: str) -> Any:  # noqa: ANN401  a column's
    with reading(engine) as connection:
        return connection.exec_driver_sql(query).scalar_one()


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_every_name_of_it_leads_to_the_one_driver(url: str, scheme: str) -> None:
    engine = create_engine(url.replace("postgresql", scheme, 1))

    assert engine.dialect.driver == "psycopg"
    assert _value(engine, "SELECT 1") == 1
    engine.dispose()


def test_a_connection_says_who_it_is_and_does_not_wait_for_ever(engine: sa.Engine) -> None:
    assert _value(engine, "SHOW application_name") == "assay"
    assert _value(engine, "SHOW lock_timeout") == "10s"


def test_what_the_url_says_stands(url: str) -> None:
    engine = create_engine(url + "&application_name=other&options=-c%20lock_timeout%3D1s")

    assert _value(engine, "SHOW application_name") == "other"
    assert _value(engine, "SHOW lock_timeout") == "1s"
    engine.dispose()


def test_no_more_connections_are_opened_than_allowed(engine: sa.Engine) -> None:
    with (
        reading(engine),
        reading(engine),
        pytest.raises(StoreUnavailableError, match="every connection is in use"),
        reading(engine),
    ):
        pytest.fail("got a third connection")


def test_a_server_that_is_away_is_told_and_found_again() -> None:
    with postgresql_server() as server:
        store = Store.open(server.url(server.create_database()))
        store.upgrade()
        server.stop()
        for _ in range(2):
            with pytest.raises(StoreUnavailableError, match="cannot be reached"):
                store.check()
        server.start()

        store.check()
        store.close()


def test_a_database_that_is_not_there_is_told(postgresql: PostgresqlServer) -> None:
    with (
        closing(Store.open(postgresql.url("none"))) as store,
        pytest.raises(StoreUnavailableError, match="cannot be reached"),
    ):
        store.check()


def test_a_read_only_database_is_told(engine: sa.Engine) -> None:
    store = Store(engine)
    store.upgrade()
    name = engine.url.database
    with writing(engine) as connection:
        connection.exec_driver_sql(
            f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'
        )
    engine.dispose()

    with pytest.raises(StoreUnavailableError, match="it is read-only"):
        store.instances.remove("none", at=AT, by=ALICE)


def test_a_lock_that_is_held_too_long_is_told(url: str) -> None:
    patient = create_engine(url)
    hasty = create_engine(url + "&options=-c%20lock_timeout%3D20ms")
    Store(patient).upgrade()
    with writing(patient) as connection:
        connection.exec_driver_sql("LOCK TABLE revision")

        with pytest.raises(StoreUnavailableError, match="held its lock for too long"):
            Store(hasty).instances.remove("none", at=AT, by=ALICE)

    patient.dispose()
    hasty.dispose()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (psycopg.errors.lookup("53100")(), "its disk is full"),
        (psycopg.errors.lookup("53300")(), "no connection left"),
        (psycopg.errors.lookup("28P01")(), "refused the user or the password"),
        (psycopg.errors.lookup("3D000")(), "no database of that name"),
        (psycopg.errors.lookup("42501")(), "the user may not do this"),
        (psycopg.errors.lookup("57P01")(), "starting or shutting down"),
        (psycopg.errors.lookup("08006")(), "cannot be reached"),
        (psycopg.OperationalError("lost"), "cannot be reached"),
        (psycopg.errors.lookup("42P01")("no such relation"), "UndefinedTable: no such relation"),
        (ValueError("something else"), "ValueError: something else"),
    ],
)
def test_failures_are_told_in_words(error: Exception, expected: str) -> None:
    reason, remedy = failure_reason(error)

    assert expected in reason
    assert remedy


def test_a_password_is_in_no_failure(postgresql: PostgresqlServer) -> None:
    name = postgresql.create_database()
    url = f"postgresql://stranger:{_PASSWORD}@/{name}?host={postgresql.folder}"

    with closing(Store.open(url)) as store, pytest.raises(StoreUnavailableError) as caught:
        store.check()

    assert _PASSWORD not in str(caught.value)
    assert _PASSWORD not in repr(caught.value.__cause__)


def test_urls_tell_which_kind_they_are_of() -> None:
    assert is_sqlite_url("sqlite:////a/b.db")
    assert not is_sqlite_url("postgresql://user@host/db")
    with pytest.raises(SettingsError, match="does not parse") as caught:
        is_sqlite_url(f"nonsense:{_PASSWORD}")
    assert _PASSWORD not in str(caught.value)
