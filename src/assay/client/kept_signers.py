"""The keys of an instance while they are good: for an hour, or until a token has another key."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, final

from assay.client.answers import read_object
from assay.client.http import HttpResponse
from assay.client.owner_answers import read_signers
from assay.client.signer import SignerSet

_KEPT_SECONDS: Final = 3600
"""A key that the instance gives up is believed no longer than this."""


@final
@dataclass(frozen=True, slots=True)
class KeptSigners:
    """A key set, and when it came by the monotonic clock."""

    signers: SignerSet
    since: float

    @classmethod
    def of(cls, response: HttpResponse) -> KeptSigners:
        """The key set of an answer that has just come.

        Raises:
            ServiceError: It has none.
            TokenValidationError: Two of its keys have one identifier.
        """
        return cls(SignerSet.of(read_signers(read_object(response))), time.monotonic())

    def still(self, *, unlike: SignerSet | None) -> bool:
        """Whether it can be used: not too old, and not the one that lacked a key."""
        return self.signers is not unlike and time.monotonic() < self.since + _KEPT_SECONDS


@final
class SignerCache:
    """The key set of one instance, fetched by one thread at a time."""

    def __init__(self, fetch: Callable[[], HttpResponse]) -> None:
        self._fetch = fetch
        self._kept: KeptSigners | None = None
        self._fetching = threading.Lock()

    def get(self, *, unlike: SignerSet | None = None) -> SignerSet:
        """The key set; a newer one than `unlike`, if that is given.

        Raises:
            AttestationError: It cannot be had.
        """
        kept = self._kept
        if kept is not None and kept.still(unlike=unlike):
            return kept.signers
        with self._fetching:
            kept = self._kept
            if kept is None or not kept.still(unlike=unlike):
                self._kept = kept = KeptSigners.of(self._fetch())
            return kept.signers
