"""The instances that a server hosts, found by name or host, and loaded when first asked for.

The index knows every instance of the store and is read anew when the store's revision has moved:
at once after a change of this process, and by a thread that watches for those of others. An
instance that is loaded is used for as long as the index knows no newer revision of it, so that a
database which is away stops changes and not attestations.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock, Thread
from typing import Final
from urllib.parse import urlsplit

from assay.errors import StoreUnavailableError, UnknownInstanceError
from assay.service.instances import Instance
from assay.store import InstanceEntry, InstanceState, Store

DEFAULT_CAPACITY: Final = 1024
"""Loaded instances: some 100 kB each, most of it compiled policies and certificates."""

_POLL_SECONDS: Final = 0.25
"""How long a change of another process may go unnoticed where the database tells nobody."""

_PORTS: Final = {"http": 80, "https": 443}

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Index:
    revision: int = -1
    names: Mapping[str, InstanceEntry] = field(default_factory=dict)
    """By name in lower case."""

    hosts: Mapping[str, InstanceEntry] = field(default_factory=dict)
    """By host, and port where a caller would write it, in lower case."""


@dataclass(frozen=True, slots=True)
class _Loaded:
    revision: int
    instance: Instance


class InstanceRegistry:
    """Instances of a store. Look-ups are for one event loop; `refresh` is for any thread."""

    def __init__(
        self,
        store: Store,
        load: Callable[[InstanceState], Instance],
        *,
        capacity: int = DEFAULT_CAPACITY,
    ) -> None:
        """A registry that knows nothing yet.

        Args:
            store: Where instances are kept.
            load: Makes an instance ready to attest. Called in a thread.
            capacity: How many instances are kept loaded.
        """
        self._store = store
        self._load = load
        self._capacity = capacity
        self._index = _Index()
        self._refreshing = Lock()
        self._loaded: OrderedDict[str, _Loaded] = OrderedDict()
        self._loading: dict[str, asyncio.Task[Instance]] = {}
        self._watch = store.watch()
        self._thread = Thread(target=self._follow, name="assay-instances", daemon=True)

    def start(self) -> None:
        """Read the index, and follow the changes of other processes.

        Raises:
            StoreUnavailableError: The database cannot be read.
        """
        self.refresh()
        self._thread.start()

    def close(self) -> None:
        """Follow no more changes."""
        self._watch.stop()
        if self._thread.is_alive():
            self._thread.join()
        self._watch.close()

    def refresh(self) -> None:
        """Know every change that is committed by now.

        Raises:
            StoreUnavailableError: The database cannot be read; what was known still is.
        """
        with self._refreshing:
            revision = self._store.revision()
            if revision != self._index.revision:
                # What is read after the revision may be newer than it, and never older.
                self._index = _index(revision, self._store.instances.entries())

    def named(self, name: str) -> InstanceEntry | None:
        """The instance of that name, in any case."""
        return self._index.names.get(name.lower())

    def at_host(self, host: str) -> InstanceEntry | None:
        """The instance whose public URL is that host's, as a caller names it."""
        return self._index.hosts.get(host.lower())

    def ready(self, entry: InstanceEntry) -> Instance | None:
        """The instance, if it is loaded and current."""
        loaded = self._loaded.get(entry.name)
        if loaded is None or loaded.revision < entry.revision:
            return None
        self._loaded.move_to_end(entry.name)
        return loaded.instance

    async def get(self, entry: InstanceEntry) -> Instance:
        """The instance, loaded if it is not, or not current.

        Raises:
            UnknownInstanceError: It was removed meanwhile.
            SettingsError: It cannot be served as it is.
            SigningUnavailableError: A key of it is in a token that is away.
            StoreUnavailableError: It has to be loaded, and the database cannot be read.
        """
        found = self.ready(entry)
        if found is not None:
            return found
        # Whoever comes while it is being loaded waits for the same, and may leave alone.
        task = self._loading.get(entry.name)
        if task is None:
            task = asyncio.create_task(self._read(entry.name))
            # Its error is told to all who wait, and there may be nobody left.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._loading[entry.name] = task
        return await asyncio.shield(task)

    async def _read(self, name: str) -> Instance:
        try:
            loaded = await asyncio.to_thread(self._read_state, name)
        finally:
            del self._loading[name]
        self._loaded[name] = loaded
        self._loaded.move_to_end(name)
        if len(self._loaded) > self._capacity:
            self._loaded.popitem(last=False)
        return loaded.instance

    def _read_state(self, name: str) -> _Loaded:
        try:
            state = self._store.instances.state(name)
        except UnknownInstanceError:
            self.refresh()
            raise
        return _Loaded(state.revision, self._load(state))

    def _follow(self) -> None:
        failing = False
        while True:
            self._watch.wait(_POLL_SECONDS)
            if self._watch.stopped:
                return
            try:
                self.refresh()
            except StoreUnavailableError as error:
                if not failing:
                    _LOG.warning("instances are served as they were last seen: %s", error.message)
                failing = True
            else:
                failing = False


def _index(revision: int, entries: tuple[InstanceEntry, ...]) -> _Index:
    hosts = {host: entry for entry in entries for host in _hosts(entry.issuer)}
    return _Index(revision, {entry.name.lower(): entry for entry in entries}, hosts)


def _hosts(issuer: str) -> tuple[str, ...]:
    """What callers of that URL send as host; nothing where a path tells instances apart."""
    parts = urlsplit(issuer.lower())
    if parts.path:
        return ()
    default = _PORTS.get(parts.scheme)
    bare = parts.netloc.removesuffix(f":{default}")
    return (bare, f"{bare}:{default}") if parts.port in {None, default} else (bare,)
