"""An issuer's keys, kept: fetched once for everybody who waits, and again when there is a reason.

| case | what a caller gets |
|---|---|
| keys of less than an hour | those, at once |
| older keys | those, at once; new ones are fetched in the background |
| a token names a key that is not among them | what is fetched now, at most once a minute |
| as before, and it cannot be fetched | the keys that are there |
| no keys, or keys of more than a day | what is fetched now, or the error |

Whoever sends tokens with made-up key names causes one request to the issuer a minute, at most.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from assay.encoding import JsonValue
from assay.errors import IssuerUnavailableError
from assay.token import KeySet

_LOG: Final = logging.getLogger(__name__)

REFRESH_AFTER: Final = timedelta(hours=1)
"""How long a key that the issuer has withdrawn goes on being accepted, at most, while the issuer
can be reached."""

MAX_AGE: Final = timedelta(hours=24)
"""The same where it cannot."""

FETCH_INTERVAL: Final = timedelta(minutes=1)
"""Between two requests for keys, as long as there are any."""

_FAILURE_LIFE: Final = timedelta(seconds=5)
"""Where there are none: long enough for a burst, short enough for whoever repairs the cause."""


class KeySource(Protocol):
    """Where an issuer's keys come from."""

    @property
    def issuer(self) -> str:
        """The issuer's name."""
        ...

    async def fetch_keys(self) -> KeySet:
        """The keys that it publishes now.

        Raises:
            IssuerUnavailableError: They cannot be had.
        """
        ...

    async def close(self) -> None:
        """Let go of its connections."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    keys: KeySet
    fetched_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    message: str
    at: datetime


class IssuerKeys:
    """The keys of one issuer. For one event loop."""

    __slots__ = ("_asked_at", "_failure", "_held", "_load", "_now", "_source")

    def __init__(self, source: KeySource, *, now: Callable[[], datetime]) -> None:
        """Keys that close `source` when they are closed.

        Args:
            source: Where they come from.
            now: The time.
        """
        self._source = source
        self._now = now
        self._held: _Held | None = None
        self._asked_at: datetime | None = None
        self._failure: _Failure | None = None
        """Why the last attempt gave no keys, where it gave none."""
        self._load: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """End what is under way, and close the source."""
        if self._load is not None:
            self._load.cancel()
            await asyncio.wait({self._load})
        await self._source.close()

    async def keys_for(self, kid: JsonValue) -> KeySet:
        """The keys to look for `kid` in; it need not be among them.

        Raises:
            IssuerUnavailableError: There are none that may be used, and none can be fetched.
        """
        now = self._now()
        held = self._usable(now)
        if held is None:
            if not self._has_just_failed(now):
                await self._renewed()
        elif not _knows(held.keys, kid):
            if self._load is not None or self._may_ask(now):
                await self._renewed()
        elif now >= held.fetched_at + REFRESH_AFTER and self._may_ask(now):
            _ = self._begin()
        return self._current()

    def _usable(self, now: datetime) -> _Held | None:
        held = self._held
        return held if held is not None and now < held.fetched_at + MAX_AGE else None

    def _current(self) -> KeySet:
        held = self._usable(self._now())
        if held is not None:
            return held.keys
        closing = f"the keys of issuer {self._source.issuer} cannot be had: the server is stopping"
        # A new error each time: one raised by many waiters would collect their tracebacks.
        raise IssuerUnavailableError(closing if self._failure is None else self._failure.message)

    def _may_ask(self, now: datetime) -> bool:
        return self._asked_at is None or now >= self._asked_at + FETCH_INTERVAL

    def _has_just_failed(self, now: datetime) -> bool:
        return self._failure is not None and now < self._failure.at + _FAILURE_LIFE

    async def _renewed(self) -> None:
        load = self._begin()
        # Who stops waiting does not end the waiting of the others.
        await asyncio.wait({load})
        if not load.cancelled():
            load.result()

    def _begin(self) -> asyncio.Task[None]:
        """The one task that fetches keys."""
        if self._load is None:
            self._asked_at = self._now()
            self._load = asyncio.get_running_loop().create_task(self._renew())
            self._load.add_done_callback(self._ended)
        return self._load

    def _ended(self, _load: asyncio.Task[None]) -> None:
        self._load = None

    async def _renew(self) -> None:
        try:
            keys = await self._source.fetch_keys()
        except IssuerUnavailableError as error:
            if self._failure is None:
                _LOG.warning("%s", error.message)
            self._failure = _Failure(message=error.message, at=self._now())
        else:
            self._held = _Held(keys=keys, fetched_at=self._now())
            self._failure = None


def _knows(keys: KeySet, kid: JsonValue) -> bool:
    # A token without a key's name is refused whatever the keys are.
    return not isinstance(kid, str) or kid in keys.keys or kid in keys.passed_over
