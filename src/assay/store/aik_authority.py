"""The authorities for attestation keys, and the endorsement keys that they know."""

from __future__ import annotations

from datetime import datetime
from typing import Any, final

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from assay.store.changes import changing
from assay.store.engine import reading
from assay.store.records import SERVICE, AikAuthorityRecord, Author, EndorsementKeyRecord
from assay.store.tables import AIK_AUTHORITIES, ENDORSEMENT_KEYS


@final
class AikAuthorityTable:
    """Authorities by instance. Methods raise `StoreUnavailableError` when the database fails."""

    __slots__ = ("_engine",)

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def of(self, instance: str) -> AikAuthorityRecord | None:
        """The instance's authority, if it has one."""
        with reading(self._engine) as connection:
            return read_aik_authority(connection, instance)

    def add(self, record: AikAuthorityRecord) -> AikAuthorityRecord:
        """Keep a new authority; the one that is there, where another server was faster.

        Raises:
            UnknownInstanceError: There is no such instance.
        """
        try:
            with changing(self._engine) as change:
                change.touch(record.instance)
                change.connection.execute(
                    AIK_AUTHORITIES.insert().values(
                        instance=record.instance,
                        certificate=record.certificate,
                        sealed=record.sealed,
                        created_at=record.created_at,
                    )
                )
                change.record(
                    "aik_authority.add",
                    at=record.created_at,
                    by=SERVICE,
                    instance=record.instance,
                )
        except IntegrityError:
            found = self.of(record.instance)
            return record if found is None else found
        return record

    def allow(self, record: EndorsementKeyRecord, *, by: Author) -> None:
        """Let the TPM of an endorsement key enrol, whoever made it.

        Raises:
            UnknownInstanceError: There is no such instance.
        """
        with changing(self._engine) as change:
            change.touch(record.instance)
            change.connection.execute(_one(record.instance, record.name))
            change.connection.execute(
                ENDORSEMENT_KEYS.insert().values(
                    instance=record.instance,
                    name=record.name,
                    label=record.label,
                    added_at=record.added_at,
                )
            )
            change.record(
                "endorsement_key.allow",
                at=record.added_at,
                by=by,
                instance=record.instance,
                target=record.name,
            )

    def disallow(self, instance: str, name: str, *, at: datetime, by: Author) -> bool:
        """Let it enrol no more; whether it could.

        Raises:
            UnknownInstanceError: There is no such instance.
        """
        with changing(self._engine) as change:
            change.touch(instance)
            removed = change.connection.execute(_one(instance, name)).rowcount > 0
            if removed:
                change.record(
                    "endorsement_key.disallow", at=at, by=by, instance=instance, target=name
                )
        return removed

    def allowed(self, instance: str) -> tuple[EndorsementKeyRecord, ...]:
        """The endorsement keys that may enrol, by name."""
        query = (
            ENDORSEMENT_KEYS.select()
            .where(ENDORSEMENT_KEYS.c.instance == instance)
            .order_by(ENDORSEMENT_KEYS.c.name)
        )
        with reading(self._engine) as connection:
            return tuple(
                EndorsementKeyRecord(
                    instance=row.instance, name=row.name, label=row.label, added_at=row.added_at
                )
                for row in connection.execute(query)
            )


def read_aik_authority(connection: sa.Connection, instance: str) -> AikAuthorityRecord | None:
    """The instance's authority, if it has one."""
    query = AIK_AUTHORITIES.select().where(AIK_AUTHORITIES.c.instance == instance)
    row = connection.execute(query).first()
    return None if row is None else _authority(row)


def read_aik_authorities(connection: sa.Connection) -> tuple[AikAuthorityRecord, ...]:
    """All of them, by instance."""
    query = AIK_AUTHORITIES.select().order_by(AIK_AUTHORITIES.c.instance)
    return tuple(map(_authority, connection.execute(query)))


def _authority(row: sa.Row[Any]) -> AikAuthorityRecord:
    return AikAuthorityRecord(
        instance=row.instance,
        certificate=row.certificate,
        sealed=row.sealed,
        created_at=row.created_at,
    )


def _one(instance: str, name: str) -> sa.Delete:
    return ENDORSEMENT_KEYS.delete().where(
        ENDORSEMENT_KEYS.c.instance == instance, ENDORSEMENT_KEYS.c.name == name
    )
