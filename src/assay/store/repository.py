"""The store: every method is one transaction."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Self, final

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from assay.errors import RequestError, SettingsError
from assay.keys import SigningAlgorithm
from assay.store.engine import BUSY_TIMEOUT, create_engine, reading, writing
from assay.store.records import (
    CollateralRecord,
    InstanceRecord,
    KeyState,
    PolicyRecord,
    SigningKeyRecord,
    TrustModel,
)
from assay.store.schema import check_schema, upgrade_schema
from assay.store.tables import COLLATERAL, INSTANCES, POLICIES, SIGNING_KEYS


@final
class Store:
    """What the service keeps between restarts. Safe to share between threads.

    Every method raises `StoreUnavailableError` when the database is locked, read-only, full,
    damaged or of another schema.
    """

    __slots__ = ("_engine",)

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, url: str, *, busy_timeout: timedelta = BUSY_TIMEOUT) -> Self:
        """A store on the database at `url`, which may still be empty.

        Args:
            url: SQLAlchemy's form, `sqlite:////path/to/assay.db`.
            busy_timeout: How long a SQLite write waits for another process's.

        Raises:
            SettingsError: The URL is of no use.
            StoreUnavailableError: The database's file cannot be created.
        """
        return cls(create_engine(url, busy_timeout=busy_timeout))

    def close(self) -> None:
        """Let go of every connection."""
        self._engine.dispose()

    def upgrade(self) -> None:
        """Bring the schema to this release's; several processes may do so at once.

        Raises:
            StoreUnavailableError: The database fails, or a newer release wrote its schema.
        """
        with writing(self._engine) as connection:
            upgrade_schema(connection)

    def check(self) -> None:
        """Check that the database answers and has this release's schema.

        Raises:
            StoreUnavailableError: One of them is not so.
        """
        with reading(self._engine) as connection:
            check_schema(connection)

    # Instances.

    def add_instance(self, record: InstanceRecord) -> None:
        """Keep a new instance.

        Raises:
            SettingsError: Its name or its issuer is taken.
        """
        try:
            with writing(self._engine) as connection:
                connection.execute(INSTANCES.insert().values(**_instance_values(record)))
        except IntegrityError as error:
            raise SettingsError(
                f"instance {record.name!r}: its name or its URL {record.issuer} is taken by "
                "another instance; choose another one or remove that one"
            ) from error

    def get_or_add_instance(self, record: InstanceRecord) -> InstanceRecord:
        """The instance of the record's name, made of it if there is none.

        Raises:
            SettingsError: There is none and its issuer is another instance's.
        """
        found = self.instance(record.name)
        if found is not None:
            return found
        try:
            self.add_instance(record)
        except SettingsError:
            found = self.instance(record.name)
            if found is None:
                raise
            return found
        return record

    def instance(self, name: str) -> InstanceRecord | None:
        """The instance of that name, or nothing."""
        with reading(self._engine) as connection:
            row = connection.execute(INSTANCES.select().where(INSTANCES.c.name == name)).first()
        return None if row is None else _instance(row)

    def instances(self) -> tuple[InstanceRecord, ...]:
        """All instances by name."""
        with reading(self._engine) as connection:
            rows = connection.execute(INSTANCES.select().order_by(INSTANCES.c.name)).all()
        return tuple(_instance(row) for row in rows)

    def remove_instance(self, name: str) -> bool:
        """Remove an instance with its keys and policies; whether there was one."""
        with writing(self._engine) as connection:
            removed = connection.execute(INSTANCES.delete().where(INSTANCES.c.name == name))
        return removed.rowcount > 0

    # Signing keys.

    def get_or_create_active_key(
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
        found = self.active_key(instance)
        if found is not None:
            return found
        try:
            return self.add_signing_key(create())
        except SettingsError:
            found = self.active_key(instance)
            if found is None:
                raise
            return found

    def active_key(self, instance: str) -> SigningKeyRecord | None:
        """The key that the instance signs with, or nothing."""
        query = SIGNING_KEYS.select().where(
            SIGNING_KEYS.c.instance == instance, SIGNING_KEYS.c.state == KeyState.ACTIVE.value
        )
        with reading(self._engine) as connection:
            row = connection.execute(query).first()
        return None if row is None else _signing_key(row)

    def signing_keys(self, instance: str) -> tuple[SigningKeyRecord, ...]:
        """All keys of the instance, oldest first."""
        query = (
            SIGNING_KEYS.select()
            .where(SIGNING_KEYS.c.instance == instance)
            .order_by(SIGNING_KEYS.c.created_at, SIGNING_KEYS.c.kid)
        )
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
        return tuple(_signing_key(row) for row in rows)

    def add_signing_key(self, record: SigningKeyRecord) -> SigningKeyRecord:
        """Keep a new key, and return it.

        Raises:
            SettingsError: The instance is not there, has the key already, or has an active key
                and this one would be another.
        """
        try:
            with writing(self._engine) as connection:
                connection.execute(SIGNING_KEYS.insert().values(**_signing_key_values(record)))
        except IntegrityError as error:
            raise SettingsError(
                f"signing key {record.kid}: instance {record.instance!r} is missing, has this key "
                "already, or has another active key; create the instance or add the key as prepared"
            ) from error
        return record

    def activate_signing_key(self, instance: str, kid: str) -> None:
        """Sign with the prepared key from now on, and retire the active one.

        Raises:
            SettingsError: The instance has no such prepared key; nothing has changed.
        """
        of_instance = SIGNING_KEYS.update().where(SIGNING_KEYS.c.instance == instance)
        with writing(self._engine) as connection:
            connection.execute(
                of_instance.where(SIGNING_KEYS.c.state == KeyState.ACTIVE.value).values(
                    state=KeyState.RETIRED.value
                )
            )
            activated = connection.execute(
                of_instance.where(
                    SIGNING_KEYS.c.kid == kid, SIGNING_KEYS.c.state == KeyState.PREPARED.value
                ).values(state=KeyState.ACTIVE.value)
            )
            if not activated.rowcount:
                raise SettingsError(
                    f"signing key {kid}: instance {instance!r} has no prepared key of this "
                    "identifier; prepare it first"
                )

    def remove_signing_key(self, instance: str, kid: str) -> bool:
        """Forget a key that does not sign; whether there was one."""
        with writing(self._engine) as connection:
            removed = connection.execute(
                SIGNING_KEYS.delete().where(
                    SIGNING_KEYS.c.instance == instance,
                    SIGNING_KEYS.c.kid == kid,
                    SIGNING_KEYS.c.state != KeyState.ACTIVE.value,
                )
            )
        return removed.rowcount > 0

    # Policies.

    def policy(self, instance: str, attestation_type: str) -> PolicyRecord | None:
        """What was last set or reset, or nothing if there never was a change."""
        with reading(self._engine) as connection:
            row = connection.execute(_policy_query(instance, attestation_type)).first()
        return None if row is None else _policy(row)

    def policies(self, instance: str) -> tuple[PolicyRecord, ...]:
        """Every policy of the instance that was ever changed, by attestation type."""
        query = (
            POLICIES.select()
            .where(POLICIES.c.instance == instance)
            .order_by(POLICIES.c.attestation_type)
        )
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
        return tuple(_policy(row) for row in rows)

    def set_policy(
        self, instance: str, attestation_type: str, *, jws: bytes, text_hash: str, at: datetime
    ) -> PolicyRecord:
        """Keep a policy in place of the present one, under the next version.

        Raises:
            RequestError: There is no such instance, or another process changed the policy at the
                same moment.
        """
        return self._change_policy(
            instance, attestation_type, {"jws": jws, "text_hash": text_hash, "changed_at": at}
        )

    def reset_policy(self, instance: str, attestation_type: str, *, at: datetime) -> PolicyRecord:
        """Go back to the default policy, under the next version.

        Raises:
            RequestError: As `set_policy`.
        """
        return self._change_policy(
            instance, attestation_type, {"jws": None, "text_hash": None, "changed_at": at}
        )

    def _change_policy(
        self, instance: str, attestation_type: str, values: dict[str, Any]
    ) -> PolicyRecord:
        query = _policy_query(instance, attestation_type)
        try:
            with writing(self._engine) as connection:
                # SQLite has the write lock by now; other databases lock the row.
                row = connection.execute(query.with_for_update()).first()
                version = 1 if row is None else row.version + 1
                connection.execute(
                    POLICIES.delete().where(
                        POLICIES.c.instance == instance,
                        POLICIES.c.attestation_type == attestation_type,
                    )
                )
                connection.execute(
                    POLICIES.insert().values(
                        instance=instance,
                        attestation_type=attestation_type,
                        version=version,
                        **values,
                    )
                )
                return _policy(connection.execute(query).one())
        except IntegrityError as error:
            raise RequestError(
                f"policy {attestation_type}: instance {instance!r} is missing, or another change "
                "came at the same moment; create the instance or try again"
            ) from error

    # Collateral.

    def collateral(self, key: str) -> CollateralRecord | None:
        """The document kept under the key, expired or not, or nothing."""
        with reading(self._engine) as connection:
            row = connection.execute(COLLATERAL.select().where(COLLATERAL.c.key == key)).first()
        return None if row is None else _collateral(row)

    def put_collateral(self, record: CollateralRecord) -> None:
        """Keep a document in place of what its key had."""
        with writing(self._engine) as connection:
            connection.execute(COLLATERAL.delete().where(COLLATERAL.c.key == record.key))
            connection.execute(
                COLLATERAL.insert().values(
                    key=record.key,
                    document=record.document,
                    fetched_at=record.fetched_at,
                    expires_at=record.expires_at,
                )
            )

    def remove_expired_collateral(self, *, before: datetime) -> int:
        """Forget the documents that expired before the instant; how many they were."""
        with writing(self._engine) as connection:
            removed = connection.execute(
                COLLATERAL.delete().where(COLLATERAL.c.expires_at < before)
            )
        return removed.rowcount


def _policy_query(instance: str, attestation_type: str) -> sa.Select[Any]:
    return POLICIES.select().where(
        POLICIES.c.instance == instance, POLICIES.c.attestation_type == attestation_type
    )


def _instance_values(record: InstanceRecord) -> dict[str, Any]:
    return {
        "name": record.name,
        "issuer": record.issuer,
        "trust_model": record.trust_model.value,
        "settings": dict(record.settings),
        "created_at": record.created_at,
    }


def _instance(row: sa.Row[Any]) -> InstanceRecord:
    return InstanceRecord(
        name=row.name,
        issuer=row.issuer,
        trust_model=TrustModel(row.trust_model),
        settings=row.settings,
        created_at=row.created_at,
    )


def _signing_key_values(record: SigningKeyRecord) -> dict[str, Any]:
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


def _policy(row: sa.Row[Any]) -> PolicyRecord:
    return PolicyRecord(
        instance=row.instance,
        attestation_type=row.attestation_type,
        jws=row.jws,
        text_hash=row.text_hash,
        version=row.version,
        changed_at=row.changed_at,
    )


def _collateral(row: sa.Row[Any]) -> CollateralRecord:
    return CollateralRecord(
        key=row.key,
        document=row.document,
        fetched_at=row.fetched_at,
        expires_at=row.expires_at,
    )
