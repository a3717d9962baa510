"""What verifications remember of each other: results that depend on the same bytes only.

Only successes are kept, keyed by SHA-256 of exactly the bytes they are about and bound to one set
of roots and one set of collateral. Nothing that is kept depends on time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Final, Generic, TypeVar

from assay.endorsements.anchors import Anchors
from assay.endorsements.intel import VerifiedCollateral
from assay.evidence.dcap.pck import PckChain
from assay.evidence.dcap.tcb import TcbAppraisal
from assay.evidence.dcap.trust import PlatformStanding, PlatformTrust

_KeyT = TypeVar("_KeyT", bound=Hashable)
_ValueT = TypeVar("_ValueT")

_COLLATERAL_SETS: Final = 256
"""Sets of collateral, about 50 kB each: families of platforms times evaluation numbers."""

_PLATFORMS: Final = 4096
"""Platforms, about 4 kB each."""


class BoundedMemory(Generic[_KeyT, _ValueT]):
    """A mapping that forgets what was used least recently."""

    __slots__ = ("_entries", "_lock", "_size")

    def __init__(self, size: int) -> None:
        self._entries: OrderedDict[_KeyT, _ValueT] = OrderedDict()
        self._lock = Lock()
        self._size = size

    def __len__(self) -> int:
        return len(self._entries)

    def kept(self, key: _KeyT) -> _ValueT | None:
        """The value kept for `key`, if any."""
        with self._lock:
            value = self._entries.get(key)
            if value is not None:
                self._entries.move_to_end(key)
        return value

    def recall(self, key: _KeyT, make: Callable[[], _ValueT]) -> _ValueT:
        """The value kept for `key`, or a new one; nothing is kept where `make` raises."""
        value = self.kept(key)
        if value is not None:
            return value
        # Outside the lock: others need not wait while a certificate chain is verified.
        value = make()
        self.keep(key, value)
        return value

    def keep(self, key: _KeyT, value: _ValueT) -> None:
        """Keep a value for `key`, in place of what was kept."""
        with self._lock:
            self._entries[key] = value
            self._entries.move_to_end(key)
            if len(self._entries) > self._size:
                self._entries.popitem(last=False)


class DcapMemory:
    """The memory of verifications under one set of roots.

    Safe to share between threads: a race costs a repeated verification, never a wrong answer.
    """

    __slots__ = (
        "__weakref__",
        "appraisals",
        "collateral",
        "pck_chains",
        "platforms",
        "roots",
        "standings",
    )

    def __init__(self, roots: Anchors, *, platforms: int = _PLATFORMS) -> None:
        self.roots = roots
        self.collateral: BoundedMemory[bytes, VerifiedCollateral] = BoundedMemory(_COLLATERAL_SETS)
        self.pck_chains: BoundedMemory[bytes, PckChain] = BoundedMemory(platforms)
        self.standings: BoundedMemory[bytes, PlatformStanding] = BoundedMemory(platforms)
        self.appraisals: BoundedMemory[tuple[bytes, int], TcbAppraisal] = BoundedMemory(platforms)
        self.platforms: BoundedMemory[bytes, PlatformTrust] = BoundedMemory(platforms)
