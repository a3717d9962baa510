"""Changes of what is administered: in one order, numbered, and told to every process.

Each change takes the next number of the store under a lock that it holds to its end. Changes so
have the order of their numbers, none overwrites another unseen, and who knows the number of what
it has can ask whether that is current.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from assay.audit import AuditEvent, AuditOutcome
from assay.errors import UnknownInstanceError
from assay.store.audit import write_audit
from assay.store.engine import is_postgresql, reading, writing
from assay.store.records import Author
from assay.store.tables import INSTANCES, REVISION

_CHANNEL: Final = "assay_changes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change under way."""

    connection: sa.Connection
    revision: int
    """Its number."""

    def touch(self, instance: str) -> None:
        """Mark the instance as changed.

        Raises:
            UnknownInstanceError: There is no such instance.
        """
        touched = self.connection.execute(
            INSTANCES.update().where(INSTANCES.c.name == instance).values(revision=self.revision)
        )
        if not touched.rowcount:
            raise UnknownInstanceError(
                f"there is no instance {instance!r}; `assay instance list` shows those that are"
            )

    def record(
        self,
        action: str,
        *,
        at: datetime,
        by: Author,
        instance: str = "",
        target: str = "",
        **details: str,
    ) -> None:
        """Write the change into the audit record, which has it if and only if it is committed."""
        event = AuditEvent(
            at=at,
            action=action,
            outcome=AuditOutcome.DONE,
            actor_kind=by.kind,
            actor_name=by.name,
            actor_authority=by.authority,
            address=by.address,
            instance=instance,
            target=target,
            request=by.request,
            details=details,
        )
        write_audit(self.connection, event)


@contextlib.contextmanager
def changing(engine: sa.Engine) -> Iterator[Change]:
    """A transaction that makes one change; an exception undoes it.

    Raises:
        StoreUnavailableError: The database fails.
        IntegrityError: A row breaks a constraint; the caller knows what that means.
    """
    with writing(engine) as connection:
        revision: int = connection.execute(
            REVISION.update().values(value=REVISION.c.value + 1).returning(REVISION.c.value)
        ).scalar_one()
        yield Change(connection=connection, revision=revision)
        if is_postgresql(engine):
            # Told when the transaction is committed, and never if it is not.
            connection.execute(sa.select(sa.func.pg_notify(_CHANNEL, str(revision))))


def current_revision(engine: sa.Engine) -> int:
    """The number of the last change.

    Raises:
        StoreUnavailableError: The database fails.
    """
    with reading(engine) as connection:
        revision: int = connection.execute(sa.select(REVISION.c.value)).scalar_one()
    return revision


class ChangeWatch:
    """Waits for changes, whoever makes them. For one thread, with another to stop it.

    PostgreSQL tells of each change. On SQLite, and while that connection is lost, waiting is all
    there is, and whoever waits looks at the revision afterwards.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._stopped = threading.Event()
        self._listening: Any = None
        self._wakes, self._waker = socket.socketpair()

    @property
    def stopped(self) -> bool:
        """Whether `stop` has been called."""
        return self._stopped.is_set()

    def wait(self, seconds: float) -> None:
        """Return after a change, after `seconds`, or when stopped."""
        if is_postgresql(self._engine):
            driver = self._engine.dialect.loaded_dbapi
            try:
                self._wait_for_notice(seconds)
            except (driver.Error, SQLAlchemyError):
                # The database is away. Whoever asks for the revision learns the reason.
                self._close_connection()
            else:
                return
        self._stopped.wait(seconds)

    def stop(self) -> None:
        """End the present wait and every later one."""
        self._stopped.set()
        self._waker.send(b"\0")

    def close(self) -> None:
        """Let go of the connection; nobody may be waiting."""
        self._close_connection()
        self._wakes.close()
        self._waker.close()

    def _wait_for_notice(self, seconds: float) -> None:
        if self._listening is None:
            self._listening = _listen(self._engine)
        select.select([self._listening.fileno(), self._wakes], [], [], seconds)
        for _notice in self._listening.notifies(timeout=0):
            pass

    def _close_connection(self) -> None:
        if self._listening is not None:
            self._listening.close()
            self._listening = None


def _listen(engine: sa.Engine) -> Any:  # noqa: ANN401  a connection of psycopg
    pooled = engine.raw_connection()
    connection: Any = pooled.driver_connection
    # Kept for long: not one of those that requests share.
    pooled.detach()
    connection.autocommit = True
    connection.execute(f"LISTEN {_CHANNEL}")
    return connection
