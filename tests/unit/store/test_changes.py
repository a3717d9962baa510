from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Final

import pytest

from assay.errors import SettingsError
from assay.store import Store
from assay.store.changes import ChangeWatch
from assay.store.engine import create_engine
from tests.databases import PostgresqlServer, postgresql_server
from tests.unit.store.records import ALICE, AT, OTHER

_LONG: Final = 30.0


@pytest.fixture
def watch(store: Store) -> Iterator[ChangeWatch]:
    found = store.watch()
    yield found
    found.close()


def _waited(watch: ChangeWatch, seconds: float) -> float:
    started = time.monotonic()
    watch.wait(seconds)
    return time.monotonic() - started


def test_a_wait_ends_by_itself(watch: ChangeWatch) -> None:
    assert 0.01 <= _waited(watch, 0.02) < _LONG


def test_a_wait_ends_when_it_is_stopped(watch: ChangeWatch) -> None:
    stopper = threading.Timer(0.05, watch.stop)
    stopper.start()

    assert _waited(watch, _LONG) < _LONG
    assert watch.stopped
    assert _waited(watch, _LONG) < _LONG
    stopper.join()


def test_postgresql_tells_of_a_change_at_once(postgresql: PostgresqlServer) -> None:
    url = postgresql.url(postgresql.create_database())
    with closing(Store.open(url)) as store, closing(store.watch()) as watch:
        store.upgrade()
        # Nothing has listened before the first wait.
        watch.wait(0.0)
        with closing(Store.open(url)) as other:
            other.instances.remove("none", at=AT, by=ALICE)

        assert _waited(watch, _LONG) < _LONG


def test_postgresql_tells_of_no_change_that_was_undone(
    postgresql: PostgresqlServer, postgresql_template: str
) -> None:
    url = postgresql.url(postgresql.create_database(postgresql_template))
    with closing(Store.open(url)) as store, closing(store.watch()) as watch:
        store.instances.add(OTHER)
        watch.wait(0.0)
        watch.wait(0.0)

        with pytest.raises(SettingsError):
            store.instances.add(OTHER)

        assert _waited(watch, 0.05) >= 0.04


def test_a_wait_outlives_its_database_and_listens_again() -> None:
    with postgresql_server() as server:
        engine = create_engine(server.url(server.create_database()))
        store = Store(engine)
        store.upgrade()
        with closing(ChangeWatch(engine)) as watch:
            watch.wait(0.0)
            server.stop()
            watch.wait(0.01)
            watch.wait(0.01)
            server.start()
            watch.wait(0.0)
            store.instances.remove("none", at=AT, by=ALICE)

            assert _waited(watch, _LONG) < _LONG
        store.close()
