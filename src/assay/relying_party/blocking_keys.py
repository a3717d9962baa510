"""An issuer's keys for threads, kept as `assay.relying_party.key_cache` says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from threading import Lock
from typing import Protocol

from assay.encoding import JsonValue
from assay.errors import IssuerUnavailableError
from assay.relying_party.key_cache import KeyCache, KeyPlan
from assay.token import KeySet


class BlockingKeySource(Protocol):
    """Where an issuer's keys come from."""

    @property
    def issuer(self) -> str:
        """The issuer's name."""
        ...

    def fetch_keys(self) -> KeySet:
        """The keys that it publishes now.

        Raises:
            IssuerUnavailableError: They cannot be had.
        """
        ...

    def close(self) -> None:
        """Let go of its connections."""
        ...


class BlockingIssuerKeys:
    """The keys of one issuer, for any number of threads.

    The caller who finds that keys are due fetches them; those who have keys do not wait for it.
    """

    __slots__ = ("_cache", "_fetching", "_now", "_source")

    def __init__(self, source: BlockingKeySource, *, now: Callable[[], datetime]) -> None:
        """Keys that close `source` when they are closed.

        Args:
            source: Where they come from.
            now: The time.
        """
        self._source = source
        self._now = now
        self._cache = KeyCache(source.issuer)
        self._fetching = Lock()

    def close(self) -> None:
        """Close the source."""
        self._source.close()

    def keys_for(self, kid: JsonValue) -> KeySet:
        """The keys to look for `kid` in; it need not be among them.

        Raises:
            IssuerUnavailableError: There are none that may be used, and none can be fetched.
        """
        ended = self._cache.ended
        now = self._now()
        plan = self._cache.plan(kid, now, under_way=self._fetching.locked())
        if plan is not KeyPlan.USE and self._fetching.acquire(blocking=plan is KeyPlan.FETCH):
            try:
                # Who waited for another's answer has it now.
                if self._cache.ended == ended:
                    self._renew()
            finally:
                self._fetching.release()
            now = self._now()
        return self._cache.current(now)

    def _renew(self) -> None:
        self._cache.begin(self._now())
        try:
            keys = self._source.fetch_keys()
        except IssuerUnavailableError as error:
            self._cache.fail(error, self._now())
        else:
            self._cache.succeed(keys, self._now())
