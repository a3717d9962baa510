"""Collateral kept: fetched once for everybody who waits, again before it runs out, and not undone.

| case | what a caller gets |
|---|---|
| a set that is good for a while | that set, at once |
| a set whose end is near | that set, at once; a new one is fetched in the background |
| no set, or one past its end | what is fetched now, one request for all who wait |
| as before, and it cannot be fetched | the set that is there, marked stale past its `nextUpdate` |
| as before, and there is none | the error; for a few seconds without asking again |

A set is refreshed by the first caller after three quarters of its life, so that platforms nobody
asks for any more cost nothing.

A set that does not verify under the root of the platform that asks is as good as none: one bad
answer takes the place of nothing, and is nothing that later ones could go back behind. What it is
worth for a verdict is not decided here.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Generic, Protocol, TypeAlias, TypeVar

from assay.endorsements.cache_entry import CacheEntry
from assay.endorsements.intel import verify_collateral
from assay.endorsements.platform import DcapPlatform, PckCa, Tee
from assay.endorsements.source import (
    STANDARD,
    EvaluationSelection,
    GatheredCollateral,
    OpenSource,
    unavailable,
)
from assay.errors import (
    CollateralUnavailableError,
    StoreUnavailableError,
    UntrustedEvidenceError,
)

_LOG: Final = logging.getLogger(__name__)

_MAX_ENTRIES: Final = 512
"""About 20 kB each; Intel serves fewer platforms than that."""

_MAX_FAILURES: Final = 1024
_FAILURE_LIFE: Final = timedelta(seconds=3)
"""Long enough for a burst of requests, short enough for whoever repairs the cause."""

_REFRESH_FROM: Final = 0.75
_REFRESH_SPREAD: Final = 0.15
"""Of a set's life: workers and platforms that began together do not refresh together."""

_RETRY_FIRST: Final = timedelta(seconds=30)
_RETRY_LAST: Final = timedelta(minutes=30)
_MAX_DOUBLINGS: Final = 10


class StoredDocuments(Protocol):
    """Where sets outlive the process. Called from other threads, one call after the other."""

    def get(self, key: str) -> bytes | None:
        """What was put under the key last, or nothing.

        Raises:
            StoreUnavailableError: It cannot be read.
        """
        ...

    def put(self, key: str, document: bytes, *, fetched_at: datetime, expires_at: datetime) -> None:
        """Keep the document in place of what the key had.

        Raises:
            StoreUnavailableError: It cannot be written.
        """
        ...


# The PCE's identifier is left out: no source is asked for it, and who sends evidence with another
# one each time must not fill the cache.
_Key: TypeAlias = tuple[Tee, bytes, PckCa, EvaluationSelection, str]
"""Who asks under another root, by its fingerprint, asks for another set."""
_Outcome: TypeAlias = CacheEntry | CollateralUnavailableError


@dataclass(slots=True, kw_only=True)
class _Held:
    """An entry and what is known of its successor."""

    entry: CacheEntry
    refresh_at: datetime
    failures: int = 0
    """In a row, to fetch the successor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    error: CollateralUnavailableError
    until: datetime


class CollateralCache:
    """A `CollateralSource` that asks another one as rarely as it can. For one event loop."""

    __slots__ = (
        "_closed",
        "_failures",
        "_held",
        "_jitter",
        "_loads",
        "_now",
        "_source",
        "_store",
        "_store_fails",
        "_wait_seconds",
    )

    def __init__(
        self,
        source: OpenSource,
        *,
        store: StoredDocuments | None = None,
        now: Callable[[], datetime],
        wait_seconds: float = 20,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """A cache that closes `source` when it is closed.

        Args:
            source: Where sets come from.
            store: Where they outlive this process.
            now: The real time: what decides when to fetch, not what evidence is verified at.
            wait_seconds: How long a caller waits for a set; fetching it goes on.
            jitter: From 0 up to 1, another one each time.
        """
        self._source = source
        self._store = store
        self._now = now
        self._wait_seconds = wait_seconds
        self._jitter = jitter
        self._held: _Recent[_Key, _Held] = _Recent(_MAX_ENTRIES)
        self._failures: _Recent[_Key, _Failure] = _Recent(_MAX_FAILURES)
        self._loads: dict[_Key, asyncio.Task[_Outcome]] = {}
        self._store_fails = False
        self._closed = False

    @property
    def name(self) -> str:
        """That of the source."""
        return self._source.name

    async def close(self) -> None:
        """End what is under way, and close the source."""
        self._closed = True
        loads = tuple(self._loads.values())
        for load in loads:
            load.cancel()
        await asyncio.gather(*loads, return_exceptions=True)
        await self._source.close()

    async def gather(
        self, platform: DcapPlatform, *, evaluation: EvaluationSelection = STANDARD
    ) -> GatheredCollateral:
        """A set for the platform; `stale` if it is past its `nextUpdate` and no other can be had.

        Raises:
            CollateralUnavailableError: There is none, and none can be fetched in time.
        """
        if self._closed:
            raise self._closing()
        root = platform.anchor.fingerprint if platform.anchor else ""
        key = (platform.tee, platform.fmspc, platform.ca, evaluation, root)
        now = self._now()
        held = self._held.get(key)
        if held is not None:
            if now < held.refresh_at:
                return held.entry.served(now)
            load = self._load(key, platform)
            if now < held.entry.ends:
                return held.entry.served(now)
        else:
            failure = self._failures.get(key)
            if failure is not None and now < failure.until:
                raise _copy(failure.error)
            load = self._load(key, platform)
        return await self._outcome(load)

    async def _outcome(self, load: asyncio.Task[_Outcome]) -> GatheredCollateral:
        try:
            async with asyncio.timeout(self._wait_seconds):
                # Who stops waiting does not end the waiting of the others.
                outcome = await asyncio.shield(load)
        except TimeoutError as error:
            raise unavailable(
                f"collateral within {self._wait_seconds:g} s",
                f"no answer from {self.name}",
                "try again; if it lasts, the service's operator must look at the source",
            ) from error
        except asyncio.CancelledError:
            waiter = asyncio.current_task()
            if load.cancelled() and not (waiter and waiter.cancelling()):
                raise self._closing() from None
            raise
        if isinstance(outcome, CollateralUnavailableError):
            raise _copy(outcome)
        return outcome.served(self._now())

    def _load(self, key: _Key, platform: DcapPlatform) -> asyncio.Task[_Outcome]:
        """The one task that gets a new set of the key."""
        load = self._loads.get(key)
        if load is None:
            load = asyncio.get_running_loop().create_task(self._renew(key, platform))
            self._loads[key] = load
            load.add_done_callback(lambda _: self._loads.pop(key))
        return load

    async def _renew(self, key: _Key, platform: DcapPlatform) -> _Outcome:
        restored = await self._restore(key, platform)
        if restored is not None:
            held = self._adopt(key, restored)
            # This process has just started, or another one has been faster.
            if self._now() < held.refresh_at:
                return held.entry
        try:
            entry = CacheEntry.of(await self._source.gather(platform, evaluation=key[3]))
            _check_genuine(entry, platform)
        except CollateralUnavailableError as error:
            return self._failed(key, error)
        present = self._held.get(key)
        if present is not None and entry.is_older_than(present.entry):
            return self._failed(key, _rolled_back(entry, present.entry))
        self._keep(key, entry)
        await self._persist(self._store_key(key), entry)
        return entry

    def _adopt(self, key: _Key, restored: CacheEntry) -> _Held:
        """The newer of what was held and what was restored."""
        held = self._held.get(key)
        if held is None or (
            held.entry.gathered.fetched_at < restored.gathered.fetched_at
            and not restored.is_older_than(held.entry)
        ):
            return self._keep(key, restored)
        return held

    def _keep(self, key: _Key, entry: CacheEntry) -> _Held:
        fetched_at = entry.gathered.fetched_at
        share = _REFRESH_FROM + _REFRESH_SPREAD * self._jitter()
        refresh_at = fetched_at + (entry.ends - fetched_at) * share
        now = self._now()
        if entry.ends <= now <= fetched_at + _RETRY_FIRST:
            # The source itself has nothing better than what has run out: do not ask each time.
            refresh_at = now + _RETRY_FIRST
        held = _Held(entry=entry, refresh_at=refresh_at)
        self._held.put(key, held)
        self._failures.drop(key)
        return held

    def _failed(self, key: _Key, error: CollateralUnavailableError) -> _Outcome:
        now = self._now()
        held = self._held.get(key)
        if held is None:
            self._failures.put(key, _Failure(error=error, until=now + _FAILURE_LIFE))
            return error
        if held.failures == 0:
            _LOG.warning(
                "collateral of FMSPC %s is not renewed, the set of %s stays: %s",
                key[1].hex(),
                held.entry.gathered.fetched_at.isoformat(),
                error.message,
            )
        pause = min(_RETRY_FIRST * 2 ** min(held.failures, _MAX_DOUBLINGS), _RETRY_LAST)
        held.failures += 1
        held.refresh_at = now + pause * (1 + _REFRESH_SPREAD * self._jitter())
        return held.entry

    async def _restore(self, key: _Key, platform: DcapPlatform) -> CacheEntry | None:
        if self._store is None:
            return None
        try:
            document = await asyncio.to_thread(self._store.get, self._store_key(key))
            if document is None:
                return None
            entry = CacheEntry.decode(document, origin="the store")
            _check_fits(entry, key)
            _check_genuine(entry, platform)
        except StoreUnavailableError as error:
            self._store_failed(error)
            return None
        except CollateralUnavailableError as error:
            _LOG.warning("collateral in the store is left out: %s", error.message)
            return None
        return entry

    async def _persist(self, key: str, entry: CacheEntry) -> None:
        if self._store is None:
            return
        try:
            await asyncio.to_thread(
                self._store.put,
                key,
                entry.encode(),
                fetched_at=entry.gathered.fetched_at,
                expires_at=entry.label.expires,
            )
        except StoreUnavailableError as error:
            self._store_failed(error)
        else:
            self._store_fails = False

    def _store_failed(self, error: StoreUnavailableError) -> None:
        if not self._store_fails:
            _LOG.warning("collateral is kept in memory only: %s", error.message)
        self._store_fails = True

    def _store_key(self, key: _Key) -> str:
        tee, fmspc, ca, evaluation, root = key
        # Services may be years apart; one that lags must not look like one that goes back.
        return f"dcap {tee} {fmspc.hex()} {ca} {evaluation} {root} {self._source.name}"

    def _closing(self) -> CollateralUnavailableError:
        return unavailable(f"collateral from {self.name}", "none: it is being closed", "ask again")


_KeyT = TypeVar("_KeyT", bound=Hashable)
_ValueT = TypeVar("_ValueT")


class _Recent(Generic[_KeyT, _ValueT]):
    """A mapping that forgets what was not asked for the longest."""

    __slots__ = ("_size", "_values")

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: OrderedDict[_KeyT, _ValueT] = OrderedDict()

    def get(self, key: _KeyT) -> _ValueT | None:
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: _KeyT, value: _ValueT) -> None:
        self._values[key] = value
        self._values.move_to_end(key)
        if len(self._values) > self._size:
            self._values.popitem(last=False)

    def drop(self, key: _KeyT) -> None:
        self._values.pop(key, None)


def _copy(error: CollateralUnavailableError) -> CollateralUnavailableError:
    # One error raised by a thousand waiters would collect a thousand tracebacks.
    return CollateralUnavailableError(error.message, findings=error.findings)


def _check_fits(entry: CacheEntry, key: _Key) -> None:
    of = entry.label.platform
    if (of.tee, of.fmspc, of.ca) != key[:3]:
        raise unavailable(
            f"a set for FMSPC {key[1].hex()}, {key[0]}, {key[2]} CA in the store",
            f"one for FMSPC {of.fmspc.hex()}, {of.tee}, {of.ca} CA",
        )


def _check_genuine(entry: CacheEntry, platform: DcapPlatform) -> None:
    if platform.anchor is None:
        return
    try:
        verify_collateral(entry.gathered.collateral, roots=(platform.anchor,))
    except UntrustedEvidenceError as error:
        raise CollateralUnavailableError(
            f"collateral of {entry.gathered.source} does not verify: {error.findings[0]}; "
            "look at what it serves",
            findings=error.findings,
        ) from error


def _rolled_back(fetched: CacheEntry, held: CacheEntry) -> CollateralUnavailableError:
    return unavailable(
        f"collateral no older than TCB evaluation data {held.label.evaluation_number} of "
        f"{held.label.issued.isoformat()}",
        f"number {fetched.label.evaluation_number} of {fetched.label.issued.isoformat()} from "
        f"{fetched.gathered.source}",
        "the source goes back: find out why before anything else",
    )
