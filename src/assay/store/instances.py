"""Instances in the store. Every method is one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, final

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from assay.errors import SettingsError, UnknownInstanceError
from assay.store.aik_authority import read_aik_authority
from assay.store.changes import Change, changing
from assay.store.engine import reading
from assay.store.keys import insert_signing_key, read_signing_keys
from assay.store.policies import read_policies
from assay.store.providers import provider_values
from assay.store.records import (
    SERVICE,
    Author,
    InstanceEntry,
    InstanceRecord,
    InstanceState,
    ProviderRecord,
    SignerRecord,
    SigningKeyRecord,
    TrustModel,
)
from assay.store.signers import signer_values
from assay.store.tables import INSTANCES, POLICY_SIGNERS, PROVIDERS


@final
class InstanceTable:
    """Instances by name. Methods raise `StoreUnavailableError` when the database fails."""

    __slots__ = ("_engine",)

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def add(
        self,
        record: InstanceRecord,
        *,
        signers: Sequence[SignerRecord] = (),
        signing_key: SigningKeyRecord | None = None,
        provider: ProviderRecord | None = None,
        by: Author = SERVICE,
    ) -> None:
        """Keep a new instance, with what may sign its changes and what signs its tokens.

        Args:
            record: The instance.
            signers: What may sign its changes.
            signing_key: What signs its tokens.
            provider: Where the management plane has it, if it is made there.
            by: Who makes it.

        Raises:
            SettingsError: Its name, in whatever case, or its issuer is taken.
        """
        try:
            with changing(self._engine) as change:
                _check_name(change, record)
                change.connection.execute(
                    INSTANCES.insert().values(revision=change.revision, **_values(record))
                )
                for position, signer in enumerate(signers):
                    change.connection.execute(
                        POLICY_SIGNERS.insert().values(position=position, **signer_values(signer))
                    )
                if provider is not None:
                    change.connection.execute(
                        PROVIDERS.insert().values(**provider_values(provider))
                    )
                change.record(
                    "instance.create",
                    at=record.created_at,
                    by=by,
                    instance=record.name,
                    issuer=record.issuer,
                    trust_model=record.trust_model.value,
                    **_place(provider),
                )
                if signing_key is not None:
                    insert_signing_key(change, signing_key, by=by)
        except IntegrityError as error:
            raise _taken(record) from error

    def get_or_add(self, record: InstanceRecord) -> InstanceRecord:
        """The instance of the record's name, made of it if there is none.

        Raises:
            SettingsError: There is none and its issuer is another instance's.
        """
        found = self.get(record.name)
        if found is not None:
            return found
        try:
            self.add(record)
        except SettingsError:
            found = self.get(record.name)
            if found is None:
                raise
            return found
        return record

    def update(self, record: InstanceRecord, *, at: datetime) -> InstanceRecord:
        """Keep the record in place of what its name has, but for its trust model and its birth.

        Raises:
            UnknownInstanceError: There is no such instance.
            SettingsError: Its issuer is another instance's.
        """
        changed = replace(record, updated_at=at)
        values = _values(changed)
        for fixed in ("name", "trust_model", "created_at"):
            del values[fixed]
        try:
            with changing(self._engine) as change:
                change.touch(record.name)
                change.connection.execute(
                    INSTANCES.update().where(INSTANCES.c.name == record.name).values(**values)
                )
                # Whoever changed it last on the management plane did not make this change.
                change.connection.execute(
                    PROVIDERS.update()
                    .where(PROVIDERS.c.instance == record.name)
                    .values(updated_by=SERVICE.name, updated_by_kind=SERVICE.kind)
                )
                change.record(
                    "instance.update",
                    at=at,
                    by=SERVICE,
                    instance=record.name,
                    issuer=record.issuer,
                )
        except IntegrityError as error:
            raise _taken(record) from error
        return changed

    def get(self, name: str) -> InstanceRecord | None:
        """The instance of that name, or nothing."""
        with reading(self._engine) as connection:
            row = connection.execute(INSTANCES.select().where(INSTANCES.c.name == name)).first()
        return None if row is None else _record(row)

    def find(self, name: str) -> InstanceRecord | None:
        """The instance of that name in any case, or nothing."""
        query = INSTANCES.select().where(sa.func.lower(INSTANCES.c.name) == name.lower())
        with reading(self._engine) as connection:
            row = connection.execute(query).first()
        return None if row is None else _record(row)

    def require(self, name: str) -> InstanceRecord:
        """The instance of that name.

        Raises:
            UnknownInstanceError: There is none.
        """
        found = self.get(name)
        if found is None:
            raise _unknown(name)
        return found

    def all(self) -> tuple[InstanceRecord, ...]:
        """All instances by name."""
        with reading(self._engine) as connection:
            rows = connection.execute(INSTANCES.select().order_by(INSTANCES.c.name)).all()
        return tuple(_record(row) for row in rows)

    def entries(self) -> tuple[InstanceEntry, ...]:
        """What finding an instance takes, of all instances."""
        columns = INSTANCES.c.name, INSTANCES.c.issuer, INSTANCES.c.revision
        with reading(self._engine) as connection:
            rows = connection.execute(sa.select(*columns)).all()
        return tuple(
            InstanceEntry(name=row.name, issuer=row.issuer, revision=row.revision) for row in rows
        )

    def state(self, name: str) -> InstanceState:
        """Everything that serving the instance takes.

        Raises:
            UnknownInstanceError: There is no such instance.
        """
        with reading(self._engine) as connection:
            # The revision first: what is read after it may be newer, and never older.
            row = connection.execute(INSTANCES.select().where(INSTANCES.c.name == name)).first()
            if row is None:
                raise _unknown(name)
            return InstanceState(
                record=_record(row),
                revision=row.revision,
                policies=read_policies(connection, name),
                signing_keys=read_signing_keys(connection, name),
                aik_authority=read_aik_authority(connection, name),
            )

    def remove(self, name: str, *, at: datetime, by: Author) -> bool:
        """Remove an instance with its keys, policies and signers; whether there was one."""
        with changing(self._engine) as change:
            removed = change.connection.execute(INSTANCES.delete().where(INSTANCES.c.name == name))
            if removed.rowcount:
                change.record("instance.delete", at=at, by=by, instance=name)
        return removed.rowcount > 0


def _place(provider: ProviderRecord | None) -> dict[str, str]:
    if provider is None or provider.subscription is None or provider.resource_group is None:
        return {}
    return {"subscription": provider.subscription, "resource_group": provider.resource_group}


def _check_name(change: Change, record: InstanceRecord) -> None:
    # Addresses match in any case, and so do the names in them.
    same = sa.select(INSTANCES.c.name).where(sa.func.lower(INSTANCES.c.name) == record.name.lower())
    if change.connection.execute(same).first() is not None:
        raise _taken(record)


def _unknown(name: str) -> UnknownInstanceError:
    return UnknownInstanceError(
        f"there is no instance {name!r}; `assay instance list` shows those that are"
    )


def _taken(record: InstanceRecord) -> SettingsError:
    return SettingsError(
        f"instance {record.name!r}: its name or its URL {record.issuer} is taken by another "
        "instance; choose another one or remove that one"
    )


def _values(record: InstanceRecord) -> dict[str, Any]:
    return {
        "name": record.name,
        "issuer": record.issuer,
        "trust_model": record.trust_model.value,
        "region": record.region,
        "settings": dict(record.settings),
        "tags": dict(record.tags),
        "created_at": record.created_at,
        "updated_at": record.updated_at,
    }


def _record(row: sa.Row[Any]) -> InstanceRecord:
    return InstanceRecord(
        name=row.name,
        issuer=row.issuer,
        trust_model=TrustModel(row.trust_model),
        region=row.region,
        settings=row.settings,
        tags=row.tags,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
