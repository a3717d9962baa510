"""The audit record in the store: each change writes its part of it, in its own transaction."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, final

import sqlalchemy as sa

from assay.audit import GENESIS, AuditEvent, AuditHead, append
from assay.store.engine import reading, writing
from assay.store.tables import AUDIT, REVISION

_BATCH: Final = 1000


@final
class AuditTable:
    """The chain of records. Methods raise `StoreUnavailableError` when the database fails."""

    __slots__ = ("_engine",)

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def add(self, event: AuditEvent) -> None:
        """Put what changed nothing at the end of the chain.

        Raises:
            AuditError: The event does not fit a record.
        """
        with writing(self._engine) as connection:
            # The lock of changes, under the number that they have.
            connection.execute(REVISION.update().values(value=REVISION.c.value))
            write_audit(connection, event)

    def lines(self, *, batch: int = _BATCH) -> Iterator[bytes]:
        """Every record as a line of an export, the first one first; so many are read at once."""
        last = 0
        while True:
            query = (
                sa.select(AUDIT.c.sequence, AUDIT.c.line)
                .where(AUDIT.c.sequence > last)
                .order_by(AUDIT.c.sequence)
                .limit(batch)
            )
            with reading(self._engine) as connection:
                rows = connection.execute(query).all()
            if not rows:
                return
            for row in rows:
                yield row.line
            last = rows[-1].sequence


def write_audit(connection: sa.Connection, event: AuditEvent) -> None:
    """Put an event at the end of the chain. The caller holds the lock of changes.

    Raises:
        AuditError: The event does not fit a record.
    """
    query = sa.select(AUDIT.c.sequence, AUDIT.c.digest).order_by(AUDIT.c.sequence.desc()).limit(1)
    last = connection.execute(query).first()
    head = GENESIS if last is None else AuditHead(sequence=last.sequence, digest=last.digest)
    record, new = append(head, event)
    connection.execute(
        AUDIT.insert().values(sequence=new.sequence, digest=new.digest, line=record.line())
    )
