"""Signing keys in the store. Every method is one transaction."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, final

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from assay.errors import SettingsError, UnknownInstanceError
from assay.keys import KeyCustody, SigningAlgorithm
from assay.store.changes import Change, changing
from assay.store.engine import reading
from assay.store.records import SERVICE, Author, KeyState, SigningKeyRecord
from assay.store.tables import SIGNING_KEYS

_ADD: Final = "key.add"
_ACTIVATE: Final = "key.activate"
_RETIRE: Final = "key.retire"
_REMOVE: Final = "key.remove"


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

    def all(self) -> tuple[SigningKeyRecord, ...]:
        """All keys of all instances, oldest first."""
        with reading(self._engine) as connection:
            rows = connection.execute(SIGNING_KEYS.select().order_by(*_OLDEST_FIRST))
            return tuple(_signing_key(row) for row in rows)

    def add(self, record: SigningKeyRecord, *, by: Author = SERVICE) -> SigningKeyRecord:
        """Keep a new key, and return it.

        Raises:
            SettingsError: The instance is not there, has the key already, or has an active key
                and this one would be another.
        """
        try:
            with changing(self._engine) as change:
                change.touch(record.instance)
                insert_signing_key(change, record, by=by)
        except (IntegrityError, UnknownInstanceError) as error:
            raise SettingsError(
                f"signing key {record.kid}: instance {record.instance!r} is missing, has this key "
                "already, or has another active key; create the instance or add the key as prepared"
            ) from error
        return record

    def prepare(self, record: SigningKeyRecord, *, after: str, by: Author = SERVICE) -> bool:
        """Publish the successor of the key `after`; whether it is the one.

        It is not where another process was faster: the instance has a prepared key already, or
        `after` is no longer what signs. Nothing changes then.
        """
        with changing(self._engine) as change:
            states = _states(change, record.instance)
            if states.get(after) is not KeyState.ACTIVE or KeyState.PREPARED in states.values():
                return False
            change.touch(record.instance)
            insert_signing_key(change, record, by=by)
        return True

    def activate(
        self,
        instance: str,
        kid: str,
        *,
        at: datetime,
        by: Author = SERVICE,
        drop_others: bool = False,
    ) -> bool:
        """Sign with the prepared key from now on; whether it was to be done.

        Args:
            instance: The instance's name.
            kid: The prepared key.
            at: The instant of the change.
            by: Who makes it.
            drop_others: Whether no other key stays, not even as retired: tokens of theirs verify
                no more. That is done where the key signs already, too.
        """
        with changing(self._engine) as change:
            states = _states(change, instance)
            prepared = states.get(kid) is KeyState.PREPARED
            if not prepared and not (drop_others and states.get(kid) is KeyState.ACTIVE):
                return False
            change.touch(instance)
            for other, state in states.items():
                if other == kid:
                    continue
                if drop_others:
                    _remove(change, instance, other, at=at, by=by)
                elif state is KeyState.ACTIVE:
                    _set_state(change, instance, other, KeyState.RETIRED, retired_at=at)
                    change.record(_RETIRE, at=at, by=by, instance=instance, target=other)
            if prepared:
                _set_state(change, instance, kid, KeyState.ACTIVE, activated_at=at)
                change.record(_ACTIVATE, at=at, by=by, instance=instance, target=kid)
        return True

    def remove(self, instance: str, kid: str, *, at: datetime, by: Author = SERVICE) -> bool:
        """Forget a key that does not sign; whether there was one."""
        with changing(self._engine) as change:
            state = _states(change, instance).get(kid)
            if state is None or state is KeyState.ACTIVE:
                return False
            change.touch(instance)
            _remove(change, instance, kid, at=at, by=by)
        return True

    def certify(self, record: SigningKeyRecord, *, at: datetime, by: Author = SERVICE) -> bool:
        """Keep the record's certificates in place of its key's own; whether there is the key."""
        with changing(self._engine) as change:
            if record.kid not in _states(change, record.instance):
                return False
            change.touch(record.instance)
            change.connection.execute(
                SIGNING_KEYS.update()
                .where(*_is(record.instance, record.kid))
                .values(certificates=_written(record.certificates))
            )
            change.record("key.certify", at=at, by=by, instance=record.instance, target=record.kid)
        return True


def read_signing_keys(connection: sa.Connection, instance: str) -> tuple[SigningKeyRecord, ...]:
    """All keys of the instance, oldest first."""
    query = (
        SIGNING_KEYS.select().where(SIGNING_KEYS.c.instance == instance).order_by(*_OLDEST_FIRST)
    )
    return tuple(_signing_key(row) for row in connection.execute(query))


def insert_signing_key(change: Change, record: SigningKeyRecord, *, by: Author) -> None:
    """Keep a new key as part of a change.

    Raises:
        IntegrityError: The instance is not there, or has the key or another active one.
    """
    change.connection.execute(SIGNING_KEYS.insert().values(**_values(record)))
    change.record(
        _ADD,
        at=record.created_at,
        by=by,
        instance=record.instance,
        target=record.kid,
        state=record.state.value,
        custody=record.custody.value,
    )


_OLDEST_FIRST: Final = (SIGNING_KEYS.c.created_at, SIGNING_KEYS.c.kid)


def _is(instance: str, kid: str) -> tuple[sa.ColumnElement[bool], ...]:
    return SIGNING_KEYS.c.instance == instance, SIGNING_KEYS.c.kid == kid


def _states(change: Change, instance: str) -> dict[str, KeyState]:
    """The state of each key of the instance, which nobody else changes meanwhile."""
    query = sa.select(SIGNING_KEYS.c.kid, SIGNING_KEYS.c.state).where(
        SIGNING_KEYS.c.instance == instance
    )
    return {row.kid: KeyState(row.state) for row in change.connection.execute(query)}


def _set_state(
    change: Change, instance: str, kid: str, state: KeyState, **instants: datetime
) -> None:
    change.connection.execute(
        SIGNING_KEYS.update().where(*_is(instance, kid)).values(state=state.value, **instants)
    )


def _remove(change: Change, instance: str, kid: str, *, at: datetime, by: Author) -> None:
    change.connection.execute(SIGNING_KEYS.delete().where(*_is(instance, kid)))
    change.record(_REMOVE, at=at, by=by, instance=instance, target=kid)


def _values(record: SigningKeyRecord) -> dict[str, Any]:
    active = record.state is KeyState.ACTIVE
    return {
        "kid": record.kid,
        "instance": record.instance,
        "algorithm": record.algorithm.value,
        "sealed": record.sealed,
        "state": record.state.value,
        "created_at": record.created_at,
        "activated_at": record.signs_since if active else record.activated_at,
        "retired_at": record.retired_at,
        "custody": record.custody.value,
        "certificates": _written(record.certificates),
    }


def _signing_key(row: sa.Row[Any]) -> SigningKeyRecord:
    return SigningKeyRecord(
        kid=row.kid,
        instance=row.instance,
        algorithm=SigningAlgorithm(row.algorithm),
        sealed=row.sealed,
        state=KeyState(row.state),
        created_at=row.created_at,
        activated_at=row.activated_at,
        retired_at=row.retired_at,
        custody=KeyCustody(row.custody),
        certificates=tuple(base64.b64decode(one) for one in row.certificates or ()),
    )


def _written(certificates: tuple[bytes, ...]) -> list[str] | None:
    return [base64.b64encode(one).decode("ascii") for one in certificates] or None
