"""The keys that seal what callers bring back. All servers on the database share them."""

from __future__ import annotations

from datetime import datetime
from typing import final

import sqlalchemy as sa

from assay.store.engine import reading, writing
from assay.store.records import ContextKeyRecord
from assay.store.tables import CONTEXT_KEYS


@final
class ContextKeyTable:
    """Context keys. Methods raise `StoreUnavailableError` when the database fails."""

    __slots__ = ("_engine",)

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def all(self) -> tuple[ContextKeyRecord, ...]:
        """Every key, oldest first."""
        with reading(self._engine) as connection:
            return read_context_keys(connection)

    def add(self, record: ContextKeyRecord, *, outdated: datetime) -> None:
        """Keep a new key, and forget those that were made before `outdated`.

        Servers that start at once may each add one; all of them are good.
        """
        with writing(self._engine) as connection:
            connection.execute(CONTEXT_KEYS.delete().where(CONTEXT_KEYS.c.created_at < outdated))
            connection.execute(
                CONTEXT_KEYS.insert().values(
                    name=record.name, sealed=record.sealed, created_at=record.created_at
                )
            )


def read_context_keys(connection: sa.Connection) -> tuple[ContextKeyRecord, ...]:
    """Every key, oldest first."""
    query = CONTEXT_KEYS.select().order_by(CONTEXT_KEYS.c.created_at, CONTEXT_KEYS.c.name)
    return tuple(
        ContextKeyRecord(name=row.name, sealed=row.sealed, created_at=row.created_at)
        for row in connection.execute(query)
    )
