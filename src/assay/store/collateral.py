"""The collateral cache in the store. Every method is one transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from assay.store.engine import is_postgresql, reading, writing
from assay.store.records import CollateralRecord
from assay.store.tables import COLLATERAL

_REPLACED: Final = ("document", "fetched_at", "expires_at")


@final
class CollateralTable:
    """Documents by key. Methods raise `StoreUnavailableError` when the database fails."""

    __slots__ = ("_engine",)

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def get(self, key: str) -> CollateralRecord | None:
        """The document kept under the key, expired or not, or nothing."""
        with reading(self._engine) as connection:
            row = connection.execute(COLLATERAL.select().where(COLLATERAL.c.key == key)).first()
        return None if row is None else _collateral(row)

    def put(self, record: CollateralRecord) -> None:
        """Keep a document in place of what its key had."""
        dialect = postgresql if is_postgresql(self._engine) else sqlite
        statement = dialect.insert(COLLATERAL).values(
            key=record.key,
            document=record.document,
            fetched_at=record.fetched_at,
            expires_at=record.expires_at,
        )
        # Replicas fetch the same document at the same moment; the later one stays.
        replaced = statement.on_conflict_do_update(
            index_elements=[COLLATERAL.c.key],
            set_={name: statement.excluded[name] for name in _REPLACED},
        )
        with writing(self._engine) as connection:
            connection.execute(replaced)

    def count(self, *, at: datetime) -> tuple[int, int]:
        """How many documents there are, and how many of them have expired at an instant."""
        number = sa.func.count()
        expired = number.filter(COLLATERAL.c.expires_at < at)
        with reading(self._engine) as connection:
            row = connection.execute(sa.select(number, expired).select_from(COLLATERAL)).one()
        return row[0], row[1]

    def remove_expired(self, *, before: datetime) -> int:
        """Forget the documents that expired before the instant; how many they were."""
        with writing(self._engine) as connection:
            removed = connection.execute(
                COLLATERAL.delete().where(COLLATERAL.c.expires_at < before)
            )
        return removed.rowcount


def _collateral(row: sa.Row[Any]) -> CollateralRecord:
    return CollateralRecord(
        key=row.key,
        document=row.document,
        fetched_at=row.fetched_at,
        expires_at=row.expires_at,
    )
