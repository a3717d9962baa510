"""Refusals of changes, into the audit record, within a bound.

Whoever reaches the service can have something refused as often as they like. They are not to fill
the database with it, nor to hold its lock: beyond a number in a minute refusals are counted, and
the next record has the count.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from assay.audit import AuditEvent
from assay.store import Store

_WINDOW: Final = timedelta(minutes=1)
REFUSALS_IN_WINDOW: Final = 60
"""Of one process. People and their pipelines stay far below it."""


class RefusalRecord:
    """Writes refusals down. Safe to share between threads."""

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self.now = now
        self._store = store
        self._lock = threading.Lock()
        self._began: datetime | None = None
        self._in_window = 0
        self._left_out = 0

    def record(self, event: AuditEvent) -> None:
        """Put a refusal into the audit record, or count it.

        Raises:
            StoreUnavailableError: The database fails.
        """
        with self._lock:
            if self._began is None or not timedelta(0) <= event.at - self._began < _WINDOW:
                self._began, self._in_window = event.at, 0
            self._in_window += 1
            if self._in_window > REFUSALS_IN_WINDOW:
                self._left_out += 1
                return
            left_out, self._left_out = self._left_out, 0
        if left_out:
            event = replace(event, details={**event.details, "left_out": str(left_out)})
        self._store.audit.add(event)
