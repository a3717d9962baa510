"""The ring of context keys: the newest seals, all open, and every server on the database has them.

A key seals for a day. It opens for as long as something that it sealed may come back.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from assay.service.keys import KeyChest
from assay.store import ContextKeyRecord
from assay.token import CONTEXT_LIFETIME, ContextKey

_SEALS_FOR: Final = timedelta(days=1)
_KEPT_FOR: Final = _SEALS_FOR + 2 * CONTEXT_LIFETIME
_LOOKED_AGAIN: Final = timedelta(seconds=1)
"""Names that are not known may be anybody's invention: the database is not asked for each."""

_KEY_BYTES: Final = 32
_NAME_BYTES: Final = 32
_MAX_REMEMBERED: Final = 65_536


class ContextKeyRing:
    """Context keys. Waits for the database where it has to; safe to share between threads."""

    def __init__(self, chest: KeyChest, now: Callable[[], datetime]) -> None:
        self._chest = chest
        self._now = now
        self._lock = threading.Lock()
        self._keys: dict[str, tuple[ContextKey, datetime]] = {}
        self._read_at: datetime | None = None

    def current(self) -> ContextKey:
        """The key that seals now.

        Raises:
            SettingsError: The key-encryption key is not the one that sealed the keys.
            StoreUnavailableError: The database cannot be used.
        """
        with self._lock:
            at = self._now()
            found = self._newest(at)
            if found is None:
                self._read(at)
                found = self._newest(at)
            return self._add(at) if found is None else found

    def find(self, name: str) -> ContextKey | None:
        """The key of a name, if there is one that still opens.

        Raises:
            SettingsError: The key-encryption key is not the one that sealed the keys.
            StoreUnavailableError: The database cannot be used.
        """
        with self._lock:
            at = self._now()
            known = self._keys.get(name)
            if known is None and (self._read_at is None or at - self._read_at >= _LOOKED_AGAIN):
                self._read(at)
                known = self._keys.get(name)
            if known is None or at - known[1] >= _KEPT_FOR:
                return None
            return known[0]

    def _newest(self, at: datetime) -> ContextKey | None:
        fresh = [(made, key) for key, made in self._keys.values() if at - made < _SEALS_FOR]
        return max(fresh, key=lambda pair: (pair[0], pair[1].name))[1] if fresh else None

    def _read(self, at: datetime) -> None:
        records = self._chest.store.context_keys.all()
        self._keys = {record.name: (self._open(record), record.created_at) for record in records}
        self._read_at = at

    def _add(self, at: datetime) -> ContextKey:
        key = ContextKey(
            name=secrets.token_hex(_NAME_BYTES).upper(), secret=secrets.token_bytes(_KEY_BYTES)
        )
        sealed = self._chest.key_encryption_key.seal(
            key.secret, context=ContextKeyRecord.seal_context(key.name)
        )
        record = ContextKeyRecord(name=key.name, sealed=sealed, created_at=at)
        self._chest.store.context_keys.add(record, outdated=at - _KEPT_FOR)
        self._keys[key.name] = (key, at)
        return key

    def _open(self, record: ContextKeyRecord) -> ContextKey:
        return ContextKey(name=record.name, secret=self._chest.open_secret(record.secret))


class AnsweredChallenges:
    """The challenges that this process has accepted an answer to. Safe to share between threads.

    Another replica does not know them: within the life of a context, the same evidence may be
    taken once by each.
    """

    def __init__(self, *, capacity: int = _MAX_REMEMBERED) -> None:
        self._capacity = capacity
        self._lock = threading.Lock()
        self._until: OrderedDict[bytes, datetime] = OrderedDict()

    def accept(self, challenge: bytes, *, at: datetime) -> bool:
        """Whether the challenge is answered for the first time."""
        with self._lock:
            while self._until and next(iter(self._until.values())) <= at:
                self._until.popitem(last=False)
            if challenge in self._until:
                return False
            self._until[challenge] = at + CONTEXT_LIFETIME
            if len(self._until) > self._capacity:
                self._until.popitem(last=False)
            return True
