"""Challenges: random, for one secret and one requester, good once and for a short time."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, final

from assay.encoding import encode_base64url
from assay.keyrelease.context import ReleaseContext, refused

_NONCE_BYTES: Final = 32
MAX_OUTSTANDING: Final = 65_536
"""Some 30 MB. Whoever asks for more than all of these in one lifetime stops new ones, and no
request that has its challenge."""


@final
@dataclass(slots=True, kw_only=True)
class _Outstanding:
    context: ReleaseContext
    until: datetime
    used: bool = False


@final
class Challenges:
    """The challenges of one broker, which live and end with its process.

    For one thread. A broker that starts anew knows none of them, so nothing can be replayed to it.
    """

    __slots__ = ("_lifetime", "_limit", "_outstanding")

    def __init__(self, *, lifetime: timedelta, limit: int = MAX_OUTSTANDING) -> None:
        """Challenges of a lifetime."""
        self._lifetime = lifetime
        self._limit = limit
        self._outstanding: dict[str, _Outstanding] = {}

    def issue(
        self, secret: str, requester: str, *, at: datetime
    ) -> tuple[ReleaseContext, datetime]:
        """A new challenge, and when it ends.

        Raises:
            ReleaseRefusedError: A name is malformed, or there are too many challenges.
        """
        self._forget(at)
        if len(self._outstanding) >= self._limit:
            raise refused(
                "keyrelease.challenge.busy",
                f"fewer than {self._limit} challenges",
                "as many; try again",
            )
        nonce = encode_base64url(secrets.token_bytes(_NONCE_BYTES))
        context = ReleaseContext(secret=secret, requester=requester, nonce=nonce)
        until = at + self._lifetime
        self._outstanding[nonce] = _Outstanding(context=context, until=until)
        return context, until

    def redeem(self, context: ReleaseContext, *, at: datetime) -> None:
        """Use a challenge up, whatever comes of the request.

        Raises:
            ReleaseRefusedError: It is of nobody (`unknown`), was used before (`used`), has ended
                (`expired`), or is for another secret or requester (`context`).
        """
        found = self._outstanding.get(context.nonce)
        if found is None:
            raise refused("keyrelease.challenge.unknown", "a challenge of this broker", "another")
        used, found.used = found.used, True
        if used:
            raise refused(
                "keyrelease.challenge.used", "a challenge that is new", "one that was used before"
            )
        if at >= found.until:
            raise refused(
                "keyrelease.challenge.expired", f"a challenge used by {found.until}", f"{at}"
            )
        if found.context != context:
            raise refused(
                "keyrelease.challenge.context", f"a request for {found.context}", f"{context}"
            )

    def _forget(self, at: datetime) -> None:
        # In the order of their ends, as all live equally long. A used one is kept as long again,
        # so that whoever sends it twice is told so.
        while self._outstanding:
            nonce, one = next(iter(self._outstanding.items()))
            if at < one.until + self._lifetime:
                return
            del self._outstanding[nonce]
