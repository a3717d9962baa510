"""What the management plane keeps of instances. Every method is one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, final

import sqlalchemy as sa

from assay.store.changes import Change, changing
from assay.store.engine import reading
from assay.store.records import Author, PrivateEndpointRecord, ProviderRecord
from assay.store.tables import INSTANCES, PRIVATE_ENDPOINTS, PROVIDERS


@final
class ProviderTable:
    """Attestation providers, as the management plane calls instances.

    Methods raise `StoreUnavailableError` when the database fails.
    """

    __slots__ = ("_engine",)

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def get(self, instance: str) -> ProviderRecord | None:
        """What is kept of one instance, or nothing."""
        query = PROVIDERS.select().where(PROVIDERS.c.instance == instance)
        with reading(self._engine) as connection:
            row = connection.execute(query).first()
        return None if row is None else _provider(row)

    def all(self) -> Mapping[str, ProviderRecord]:
        """What is kept, by instance."""
        with reading(self._engine) as connection:
            rows = connection.execute(PROVIDERS.select()).all()
        return {row.instance: _provider(row) for row in rows}

    def update(
        self,
        instance: str,
        *,
        tags: Mapping[str, str] | None,
        properties: Mapping[str, str],
        at: datetime,
        by: Author,
    ) -> None:
        """Give an instance other tags and properties.

        Args:
            instance: The instance's name.
            tags: All of them; nothing keeps those that there are.
            properties: Those that change; the others stay.
            at: The instant of the change.
            by: Who makes it.

        Raises:
            UnknownInstanceError: There is no such instance.
        """
        same = PROVIDERS.c.instance == instance
        with changing(self._engine) as change:
            change.touch(instance)
            values: dict[str, Any] = {"updated_at": at}
            if tags is not None:
                values["tags"] = dict(tags)
            change.connection.execute(
                INSTANCES.update().where(INSTANCES.c.name == instance).values(**values)
            )
            row = change.connection.execute(PROVIDERS.select().where(same)).first()
            kept = ProviderRecord(instance=instance) if row is None else _provider(row)
            change.connection.execute(PROVIDERS.delete().where(same))
            changed = replace(kept, properties={**kept.properties, **properties}, updated_by=by)
            change.connection.execute(PROVIDERS.insert().values(**provider_values(changed)))
            members = ["tags"] * (tags is not None) + sorted(properties)
            change.record(
                "instance.update", at=at, by=by, instance=instance, changed=", ".join(members)
            )

    def private_endpoint(self, instance: str, name: str) -> PrivateEndpointRecord | None:
        """One connection, its name in any case, or nothing."""
        query = PRIVATE_ENDPOINTS.select().where(_is_connection(instance, name))
        with reading(self._engine) as connection:
            row = connection.execute(query).first()
        return None if row is None else _private_endpoint(row)

    def private_endpoints(self, instance: str | None = None) -> tuple[PrivateEndpointRecord, ...]:
        """The connections of an instance, or of all, by name."""
        query = PRIVATE_ENDPOINTS.select().order_by(PRIVATE_ENDPOINTS.c.name)
        if instance is not None:
            query = query.where(PRIVATE_ENDPOINTS.c.instance == instance)
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
        return tuple(_private_endpoint(row) for row in rows)

    def set_private_endpoint(
        self, record: PrivateEndpointRecord, *, at: datetime, by: Author
    ) -> None:
        """Keep a connection in place of that of its name, if there is one.

        Raises:
            UnknownInstanceError: There is no such instance.
        """
        with changing(self._engine) as change:
            change.touch(record.instance)
            _remove(change, record.instance, record.name)
            change.connection.execute(
                PRIVATE_ENDPOINTS.insert().values(
                    instance=record.instance,
                    name=record.name,
                    status=record.status,
                    endpoint=record.endpoint,
                    description=record.description,
                    actions_required=record.actions_required,
                )
            )
            change.record(
                "private-endpoint.set",
                at=at,
                by=by,
                instance=record.instance,
                target=record.name,
                status=record.status,
            )

    def remove_private_endpoint(
        self, instance: str, name: str, *, at: datetime, by: Author
    ) -> bool:
        """Remove a connection; whether there was one."""
        with changing(self._engine) as change:
            removed = _remove(change, instance, name)
            if removed:
                change.record(
                    "private-endpoint.remove", at=at, by=by, instance=instance, target=name
                )
        return removed


def provider_values(record: ProviderRecord) -> dict[str, Any]:
    """A row's columns."""
    created, updated = record.created_by, record.updated_by
    return {
        "instance": record.instance,
        "subscription": record.subscription,
        "resource_group": record.resource_group,
        "properties": dict(record.properties),
        "created_by": None if created is None else created.name,
        "created_by_kind": None if created is None else created.kind,
        "updated_by": None if updated is None else updated.name,
        "updated_by_kind": None if updated is None else updated.kind,
    }


def _remove(change: Change, instance: str, name: str) -> bool:
    removed = change.connection.execute(
        PRIVATE_ENDPOINTS.delete().where(_is_connection(instance, name))
    )
    return removed.rowcount > 0


def _is_connection(instance: str, name: str) -> sa.ColumnElement[bool]:
    return sa.and_(
        PRIVATE_ENDPOINTS.c.instance == instance,
        sa.func.lower(PRIVATE_ENDPOINTS.c.name) == name.lower(),
    )


def _provider(row: sa.Row[Any]) -> ProviderRecord:
    return ProviderRecord(
        instance=row.instance,
        subscription=row.subscription,
        resource_group=row.resource_group,
        properties=row.properties,
        created_by=_author(row.created_by, row.created_by_kind),
        updated_by=_author(row.updated_by, row.updated_by_kind),
    )


def _author(name: str | None, kind: str | None) -> Author | None:
    return None if name is None or kind is None else Author(name=name, kind=kind)


def _private_endpoint(row: sa.Row[Any]) -> PrivateEndpointRecord:
    return PrivateEndpointRecord(
        instance=row.instance,
        name=row.name,
        status=row.status,
        endpoint=row.endpoint,
        description=row.description,
        actions_required=row.actions_required,
    )
