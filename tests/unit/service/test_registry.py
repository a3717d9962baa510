from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing
from typing import Any, Final, TypeVar

import pytest

from assay.errors import SettingsError, StoreUnavailableError, UnknownInstanceError
from assay.service.instances import Instance
from assay.service.registry import InstanceRegistry
from assay.store import InstanceEntry, InstanceState, SentPolicy, Store
from tests.administration import ALICE, add_instance, make_record
from tests.conftest import AT
from tests.serving import make_instance

T = TypeVar("T")

_SECONDS: Final = 10


class _Loader:
    """Loads instances, and remembers which."""

    def __init__(self) -> None:
        self.loaded: list[str] = []
        self.error: Exception | None = None

    def __call__(self, state: InstanceState) -> Instance:
        self.loaded.append(state.record.name)
        if self.error is not None:
            raise self.error
        return make_instance(name=state.record.name, issuer=state.record.issuer)


@pytest.fixture
def loader() -> _Loader:
    return _Loader()


@pytest.fixture
def registry(store: Store, loader: _Loader) -> Iterator[InstanceRegistry]:
    registry = InstanceRegistry(store, loader, capacity=2)
    registry.start()
    yield registry
    registry.close()


def _entry(registry: InstanceRegistry, name: str) -> InstanceEntry:
    entry = registry.named(name)
    assert entry is not None
    return entry


def _get(registry: InstanceRegistry, name: str) -> Instance:
    return _run(registry.get(_entry(registry, name)))


def _run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _change(store: Store, name: str) -> None:
    store.policies.change(name, "Tpm", SentPolicy(jws=b"", text_hash=None), at=AT, by=ALICE)


def test_instances_are_found_by_name_in_any_case(registry: InstanceRegistry) -> None:
    assert _entry(registry, "AAD").name == "aad"
    assert registry.named("none") is None


@pytest.mark.parametrize("host", ["aad.example", "AAD.example", "aad.example:443"])
def test_instances_are_found_by_the_host_of_their_url(
    registry: InstanceRegistry, host: str
) -> None:
    found = registry.at_host(host)

    assert found is not None
    assert found.name == "aad"


@pytest.mark.parametrize("host", ["", "example", "aad.example:80", "aad.example.", "x.aad.example"])
def test_other_hosts_are_nobody_s(registry: InstanceRegistry, host: str) -> None:
    assert registry.at_host(host) is None


@pytest.mark.parametrize(
    ("issuer", "hosts"),
    [
        ("http://Some.example:8080", ["some.example:8080"]),
        ("http://some.example", ["some.example", "some.example:80"]),
        ("https://some.example:443", ["some.example", "some.example:443"]),
        ("http://[::1]:81", ["[::1]:81"]),
        ("https://some.example/path", []),
    ],
)
def test_a_url_is_called_by_its_port_where_it_is_another_than_usual(
    registry: InstanceRegistry, store: Store, issuer: str, hosts: list[str]
) -> None:
    add_instance(store, make_record("new", issuer=issuer))
    registry.refresh()

    names = ["some.example", "some.example:80", "some.example:443", "some.example:8080", "[::1]:81"]
    assert [name for name in names if registry.at_host(name)] == hosts


def test_an_instance_is_loaded_once(registry: InstanceRegistry, loader: _Loader) -> None:
    first = _get(registry, "aad")

    assert _get(registry, "aad") is first
    assert registry.ready(_entry(registry, "aad")) is first
    assert loader.loaded == ["aad"]


def test_who_comes_at_once_waits_for_the_same(registry: InstanceRegistry, loader: _Loader) -> None:
    async def ask() -> list[Instance]:
        entry = _entry(registry, "aad")
        return await asyncio.gather(*(registry.get(entry) for _ in range(5)))

    found = _run(ask())

    assert len({id(one) for one in found}) == 1
    assert loader.loaded == ["aad"]


def test_who_leaves_takes_nothing_from_the_others(
    registry: InstanceRegistry, loader: _Loader
) -> None:
    async def ask() -> Instance:
        entry = _entry(registry, "aad")
        leaver = asyncio.create_task(registry.get(entry))
        stayer = asyncio.create_task(registry.get(entry))
        await asyncio.sleep(0)
        leaver.cancel()
        return await stayer

    assert _run(ask()).definition.name == "aad"
    assert loader.loaded == ["aad"]


def test_the_one_used_longest_ago_is_let_go(registry: InstanceRegistry, loader: _Loader) -> None:
    for name in ("aad", "isolated", "aad", "shared", "aad", "isolated"):
        _get(registry, name)

    assert loader.loaded == ["aad", "isolated", "shared", "isolated"]


def test_a_change_loads_only_that_instance_again(
    registry: InstanceRegistry, loader: _Loader, store: Store
) -> None:
    _get(registry, "aad")
    _get(registry, "isolated")
    _change(store, "aad")
    registry.refresh()

    assert registry.ready(_entry(registry, "aad")) is None
    _get(registry, "isolated")
    _get(registry, "aad")
    assert loader.loaded == ["aad", "isolated", "aad"]


def test_changes_of_other_processes_are_noticed(
    registry: InstanceRegistry, upgraded_url: str
) -> None:
    before = _entry(registry, "aad").revision
    with closing(Store.open(upgraded_url)) as other:
        add_instance(other, make_record("new"))
        _change(other, "aad")

    _until(lambda: registry.named("new") is not None)
    _until(lambda: _entry(registry, "aad").revision > before)


def test_an_instance_that_was_removed_is_told(registry: InstanceRegistry, store: Store) -> None:
    entry = _entry(registry, "aad")
    store.instances.remove("aad", at=AT, by=ALICE)

    with pytest.raises(UnknownInstanceError):
        _run(registry.get(entry))

    assert registry.named("aad") is None


def test_a_new_instance_of_an_old_name_is_another(
    registry: InstanceRegistry, loader: _Loader, store: Store
) -> None:
    _get(registry, "aad")
    store.instances.remove("aad", at=AT, by=ALICE)
    add_instance(store, make_record("aad", issuer="https://other.example"))
    registry.refresh()

    assert _get(registry, "aad").issuer == "https://other.example"
    assert loader.loaded == ["aad", "aad"]


def test_an_instance_that_cannot_be_loaded_is_tried_again(
    registry: InstanceRegistry, loader: _Loader
) -> None:
    loader.error = SettingsError("no")
    with pytest.raises(SettingsError):
        _get(registry, "aad")
    loader.error = None

    assert _get(registry, "aad").definition.name == "aad"


class _AwayStore:
    """A store whose database goes away and comes back."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.away = threading.Event()
        self.asked = threading.Event()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  the store's
        return getattr(self._store, name)

    def revision(self) -> int:
        self.asked.set()
        if self.away.is_set():
            raise StoreUnavailableError("the database does not answer")
        return self._store.revision()


def test_without_its_database_what_is_loaded_is_served_and_then_followed_again(
    store: Store, loader: _Loader, caplog: pytest.LogCaptureFixture
) -> None:
    away = _AwayStore(store)
    registry = InstanceRegistry(away, loader)  # type: ignore[arg-type]
    registry.start()
    try:
        loaded = _get(registry, "aad")
        away.away.set()
        _change(store, "aad")
        for _ in range(2):
            away.asked.clear()
            assert away.asked.wait(_SECONDS)

        assert _get(registry, "aad") is loaded
        away.away.clear()
        _until(lambda: registry.ready(_entry(registry, "aad")) is None)
        assert _get(registry, "aad") is not loaded
    finally:
        registry.close()

    assert [record.getMessage() for record in caplog.records] == [
        "instances are served as they were last seen: the database does not answer"
    ]


def test_a_registry_does_not_start_without_its_database(store: Store, loader: _Loader) -> None:
    away = _AwayStore(store)
    away.away.set()
    registry = InstanceRegistry(away, loader)  # type: ignore[arg-type]

    with pytest.raises(StoreUnavailableError):
        registry.start()

    registry.close()
