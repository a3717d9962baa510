"""An issuer's keys as they are held, and when there is a reason to ask for others.

| case | what a caller gets |
|---|---|
| keys of less than an hour | those, at once |
| older keys | those, while one caller or task fetches new ones |
| a token names a key that is not among them | what is fetched now, at most once a minute |
| as before, and it cannot be fetched | the keys that are there |
| no keys, or keys of more than a day | what is fetched now, or the error |

Whoever sends tokens with made-up key names causes one request to the issuer a minute, at most.

This is the table alone: it fetches nothing, and leaves to its owner that one request is under way
at a time.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Final

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


class KeyPlan(Enum):
    """What to do for a caller."""

    USE = auto()
    """Give what is held, or the error."""

    RENEW = auto()
    """As before, and begin to fetch."""

    FETCH = auto()
    """Fetch, or join whoever does, and then give what is held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    keys: KeySet
    fetched_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    message: str
    at: datetime


class KeyCache:
    """The keys of one issuer."""

    __slots__ = ("_asked_at", "_failure", "_held", "_issuer", "ended")

    def __init__(self, issuer: str) -> None:
        self._issuer = issuer
        self._held: _Held | None = None
        self._asked_at: datetime | None = None
        self._failure: _Failure | None = None
        """Why the last attempt gave no keys, where it gave none."""
        self.ended = 0
        """How many attempts have ended, to tell whether one has since."""

    def plan(self, kid: JsonValue, now: datetime, *, under_way: bool = False) -> KeyPlan:
        """What to do for a token of this `kid`.

        Args:
            kid: Of the token, of any type.
            now: The time.
            under_way: Whether keys are being fetched.
        """
        held = self._usable(now)
        if held is None:
            return KeyPlan.USE if self._has_just_failed(now) else KeyPlan.FETCH
        if not _knows(held.keys, kid):
            return KeyPlan.FETCH if under_way or self._may_ask(now) else KeyPlan.USE
        if now >= held.fetched_at + REFRESH_AFTER and self._may_ask(now):
            return KeyPlan.RENEW
        return KeyPlan.USE

    def current(self, now: datetime) -> KeySet:
        """The keys that are held.

        Raises:
            IssuerUnavailableError: There are none that may be used.
        """
        held = self._usable(now)
        if held is not None:
            return held.keys
        closing = f"the keys of issuer {self._issuer} cannot be had: the program is stopping"
        # A new error each time: one raised by many waiters would collect their tracebacks.
        raise IssuerUnavailableError(closing if self._failure is None else self._failure.message)

    def begin(self, now: datetime) -> None:
        """Note that keys are asked for."""
        self._asked_at = now

    def succeed(self, keys: KeySet, now: datetime) -> None:
        """Hold what came."""
        self._held = _Held(keys=keys, fetched_at=now)
        self._failure = None
        self.ended += 1

    def fail(self, error: IssuerUnavailableError, now: datetime) -> None:
        """Note that nothing came. What is held stays."""
        if self._failure is None:
            _LOG.warning("%s", error.message)
        self._failure = _Failure(message=error.message, at=now)
        self.ended += 1

    def _usable(self, now: datetime) -> _Held | None:
        held = self._held
        return held if held is not None and now < held.fetched_at + MAX_AGE else None

    def _may_ask(self, now: datetime) -> bool:
        return self._asked_at is None or now >= self._asked_at + FETCH_INTERVAL

    def _has_just_failed(self, now: datetime) -> bool:
        return self._failure is not None and now < self._failure.at + _FAILURE_LIFE


def _knows(keys: KeySet, kid: JsonValue) -> bool:
    # A token without a key's name is refused whatever the keys are.
    return not isinstance(kid, str) or kid in keys.keys or kid in keys.passed_over
