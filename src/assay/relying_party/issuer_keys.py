"""An issuer's keys, kept: fetched once for everybody who waits, and again when there is a reason.

When that is says `assay.relying_party.key_cache`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from assay.encoding import JsonValue
from assay.errors import IssuerUnavailableError
from assay.relying_party.key_cache import KeyCache, KeyPlan
from assay.token import KeySet


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


class IssuerKeys:
    """The keys of one issuer. For one event loop."""

    __slots__ = ("_cache", "_load", "_now", "_source")

    def __init__(self, source: KeySource, *, now: Callable[[], datetime]) -> None:
        """Keys that close `source` when they are closed.

        Args:
            source: Where they come from.
            now: The time.
        """
        self._source = source
        self._now = now
        self._cache = KeyCache(source.issuer)
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
        plan = self._cache.plan(kid, self._now(), under_way=self._load is not None)
        if plan is KeyPlan.FETCH:
            await self._renewed()
        elif plan is KeyPlan.RENEW:
            _ = self._begin()
        return self._cache.current(self._now())

    async def _renewed(self) -> None:
        load = self._begin()
        # Who stops waiting does not end the waiting of the others.
        await asyncio.wait({load})
        if not load.cancelled():
            load.result()

    def _begin(self) -> asyncio.Task[None]:
        """The one task that fetches keys."""
        if self._load is None:
            self._cache.begin(self._now())
            self._load = asyncio.get_running_loop().create_task(self._renew())
            self._load.add_done_callback(self._ended)
        return self._load

    def _ended(self, _load: asyncio.Task[None]) -> None:
        self._load = None

    async def _renew(self) -> None:
        try:
            keys = await self._source.fetch_keys()
        except IssuerUnavailableError as error:
            self._cache.fail(error, self._now())
        else:
            self._cache.succeed(keys, self._now())
