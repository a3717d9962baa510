"""Signing keys in the store. Every method is one transaction."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, final

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from assay.errors import SettingsError, UnknownInstanceError
from assay.keys import SigningAlgorithm
from assay.store.changes import changing
from assay.store.engine import reading
from assay.store.records import SERVICE, KeyState, SigningKeyRecord
from assay.store.tables import SIGNING_KEYS


@final
class SigningKeyTable:
    """Signing keys by instance. Methods raise `StoreUnavailableError` when the database fails."""

    __slots__ = ("_engine",)

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def get_or_create_active(
        self, instance: str, create: Callable[[], SigningKeyRecord]
    ) -> SigningKeyRecord:
        """The key that the instance signs with; workers that start at once all get the same.

        Args:
            instance: The instance's name.
            create: Makes a key in state `ACTIVE`. Called outside any transaction, since it takes
                long, and only if there is no active key; its result is dropped if another worker
                was faster.

        Raises:
            SettingsError: There is no such instance.
        """
        found = self.active(instance)
        if found is not None:
            return found
        try:
            return self.add(create())
        except SettingsError:
            found = self.active(instance)
            if found is None:
                raise
            return found

    def active(self, instance: str) -> SigningKeyRecord | None:
        """The key that the instance signs with, or nothing."""
        query = SIGNING_KEYS.select().where(
            SIGNING_KEYS.c.instance == instance, SIGNING_KEYS.c.state == KeyState.ACTIVE.value
        )
        with reading(self._engine) as connection:
            row = connection.execute(query).first()
        return None if row is None else _signing_key(row)

    def of(self, instance: str) -> tuple[SigningKeyRecord, ...]:
        """All keys of the instance, oldest first."""
        with reading(self._engine) as connection:
            return read_signing_keys(connection, instance)

    def add(self, record: SigningKeyRecord) -> SigningKeyRecord:
        """Keep a new key, and return it.

        Raises:
            SettingsError: The instance is not there, has the key already, or has an active key
                and this one would be another.
        """
        try:
            with changing(self._engine) as change:
                change.touch(record.instance)
                change.connection.execute(
                    SIGNING_KEYS.insert().values(**signing_key_values(record))
                )
                change.record(
                    "key.add",
                    at=record.created_at,
                    by=SERVICE,
                    instance=record.instance,
                    target=record.kid,
                    state=record.state.value,
                )
        except (IntegrityError, UnknownInstanceError) as error:
            raise SettingsError(
                f"signing key {record.kid}: instance {record.instance!r} is missing, has this key "
                "already, or has another active key; create the instance or add the key as prepared"
            ) from error
        return record

    def activate(self, instance: str, kid: str, *, at: datetime) -> None:
        """Sign with the prepared key from now on, and retire the active one.

        Raises:
            SettingsError: The instance has no such prepared key; nothing has changed.
        """
        of_instance = SIGNING_KEYS.update().where(SIGNING_KEYS.c.instance == instance)
        with changing(self._engine) as change:
            change.connection.execute(
                of_instance.where(SIGNING_KEYS.c.state == KeyState.ACTIVE.value).values(
                    state=KeyState.RETIRED.value
                )
            )
            activated = change.connection.execute(
                of_instance.where(
                    SIGNING_KEYS.c.kid == kid, SIGNING_KEYS.c.state == KeyState.PREPARED.value
                ).values(state=KeyState.ACTIVE.value)
            )
            if not activated.rowcount:
                raise SettingsError(
                    f"signing key {kid}: instance {instance!r} has no prepared key of this "
                    "identifier; prepare it first"
                )
            change.touch(instance)
            change.record("key.activate", at=at, by=SERVICE, instance=instance, target=kid)

    def remove(self, instance: str, kid: str, *, at: datetime) -> bool:
        """Forget a key that does not sign; whether there was one."""
        with changing(self._engine) as change:
            removed = change.connection.execute(
                SIGNING_KEYS.delete().where(
                    SIGNING_KEYS.c.instance == instance,
                    SIGNING_KEYS.c.kid == kid,
                    SIGNING_KEYS.c.state != KeyState.ACTIVE.value,
                )
            )
            if removed.rowcount:
                change.touch(instance)
                change.record("key.remove", at=at, by=SERVICE, instance=instance, target=kid)
        return removed.rowcount > 0


def read_signing_keys(connection: sa.Connection, instance: str) -> tuple[SigningKeyRecord, ...]:
    """All keys of the instance, oldest first."""
    query = (
        SIGNING_KEYS.select()
        .where(SIGNING_KEYS.c.instance == instance)
        .order_by(SIGNING_KEYS.c.created_at, SIGNING_KEYS.c.kid)
    )
    return tuple(_signing_key(row) for row in connection.execute(query))


def signing_key_values(record: SigningKeyRecord) -> dict[str, Any]:
    """A key's columns."""
    return {
        "kid": record.kid,
        "instance": record.instance,
        "algorithm": record.algorithm.value,
        "sealed": record.sealed,
        "state": record.state.value,
        "created_at": record.created_at,
    }


def _signing_key(row: sa.Row[Any]) -> SigningKeyRecord:
    return SigningKeyRecord(
        kid=row.kid,
        instance=row.instance,
        algorithm=SigningAlgorithm(row.algorithm),
        sealed=row.sealed,
        state=KeyState(row.state),
        created_at=row.created_at,
    )
