"""Keeps the signing keys of all instances to their schedules, in the background of a server.

Every process has one, and they need not know of each other. No key signs before this process has
seen it in the store for some seconds by its own steady clock: by then every server that reaches
the database publishes it, whatever the clocks of the others say.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from threading import Event, Thread
from typing import Final

from assay.errors import AssayError, StoreUnavailableError
from assay.service.key_rotation import KeyRotation
from assay.service.key_schedule import LEAD, KeyAction, KeyStep, next_step
from assay.service.keys import REPORTS, NewKey
from assay.store import InstanceRecord, KeyState, SigningKeyRecord

_PAUSE_SECONDS: Final = 1.0
_RETRY: Final = timedelta(seconds=30)
"""After a step that failed: a device may be away, or the settings wrong."""

_LOG: Final = logging.getLogger(__name__)


class KeyKeeper:
    """Looks what is due, and does it. For one thread."""

    def __init__(
        self, rotation: KeyRotation, *, steady: Callable[[], float] = time.monotonic
    ) -> None:
        """A keeper that has looked at nothing yet.

        Args:
            rotation: Makes the steps.
            steady: Seconds of a clock that nobody sets.
        """
        self._rotation = rotation
        self._steady = steady
        self._revision = -1
        self._plan: dict[str, tuple[InstanceRecord, KeyStep]] = {}
        self._seen: dict[str, float] = {}
        """Since when each prepared key is known to be in the store."""

        self._failed: dict[str, datetime] = {}

    def look(self) -> None:
        """Make every step that is due.

        Raises:
            StoreUnavailableError: The database cannot be used.
        """
        store = self._rotation.chest.store
        revision = store.revision()
        if revision != self._revision:
            self._read()
            # What was read after the revision may be newer than it, and never older.
            self._revision = revision
        at = self._rotation.now()
        for record, step in tuple(self._plan.values()):
            if step.at <= at and self._may(record, step, at):
                self._take(record, step, at)

    def _read(self) -> None:
        store = self._rotation.chest.store
        records = store.instances.all()
        keys: dict[str, list[SigningKeyRecord]] = {}
        for key in store.signing_keys.all():
            keys.setdefault(key.instance, []).append(key)
        reporting = store.policies.instances_with(REPORTS)
        steady = self._steady()
        self._seen = {
            key.kid: self._seen.get(key.kid, steady)
            for found in keys.values()
            for key in found
            if key.state is KeyState.PREPARED
        }
        self._plan = {}
        for record in records:
            with self._explained(record, self._rotation.now()):
                wanted = NewKey.of(
                    record, self._rotation.chest.schedule, reports=record.name in reporting
                )
                step = next_step(keys.get(record.name, []), wanted.algorithm, wanted.schedule)
                if step is not None:
                    self._plan[record.name] = (record, step)

    def _may(self, record: InstanceRecord, step: KeyStep, at: datetime) -> bool:
        if self._rests(record, at):
            return False
        if step.action is not KeyAction.ACTIVATE:
            return True
        return self._steady() - self._seen[step.kid] >= LEAD.total_seconds()

    def _rests(self, record: InstanceRecord, at: datetime) -> bool:
        failed = self._failed.get(record.name)
        return failed is not None and at - failed < _RETRY

    def _take(self, record: InstanceRecord, step: KeyStep, at: datetime) -> None:
        with self._explained(record, at):
            self._rotation.take(record, step)
            self._failed.pop(record.name, None)
        # What comes next is read with the change, whoever made it.
        self._revision = -1

    @contextmanager
    def _explained(self, record: InstanceRecord, at: datetime) -> Iterator[None]:
        try:
            yield
        except StoreUnavailableError:
            raise
        except AssayError as error:
            if self._rests(record, at):
                return
            self._failed[record.name] = at
            _LOG.warning(
                "the signing keys of instance %r stay as they are: %s", record.name, error.message
            )


class KeyKeeping:
    """A thread with a keeper."""

    def __init__(self, keeper: KeyKeeper) -> None:
        self._keeper = keeper
        self._stopped = Event()
        self._thread = Thread(target=self._keep, name="assay-keys", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End, when the step under way is made."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _keep(self) -> None:
        while not self._stopped.is_set():
            try:
                self._keeper.look()
            except StoreUnavailableError:
                # The registry of instances says so already, and once.
                _LOG.debug("the database is away; keys are looked at again when it is back")
            self._stopped.wait(_PAUSE_SECONDS)
