"""The store: one database, with a table object for each kind of record."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Self, final

import sqlalchemy as sa

from assay.store.aik_authority import AikAuthorityTable
from assay.store.api_tokens import ApiTokenTable
from assay.store.audit import AuditTable
from assay.store.backup import back_up
from assay.store.changes import ChangeWatch, current_revision
from assay.store.collateral import CollateralTable
from assay.store.context_keys import ContextKeyTable
from assay.store.engine import (
    BUSY_TIMEOUT,
    DEFAULT_POOL,
    PoolLimits,
    create_engine,
    reading,
    snapshot,
    writing,
)
from assay.store.instances import InstanceTable
from assay.store.keys import SigningKeyTable
from assay.store.policies import PolicyTable
from assay.store.providers import ProviderTable
from assay.store.schema import check_schema, upgrade_schema
from assay.store.signers import SignerTable
from assay.store.snapshot import StoreSnapshot


@final
class Store:
    """What the service keeps between restarts. Safe to share between threads.

    Every method, and every one of its tables, raises `StoreUnavailableError` when the database is
    away, locked, read-only, full, damaged or of another schema.
    """

    __slots__ = (
        "_engine",
        "aik_authorities",
        "api_tokens",
        "audit",
        "collateral",
        "context_keys",
        "instances",
        "policies",
        "providers",
        "signers",
        "signing_keys",
    )

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self.instances = InstanceTable(engine)
        self.signing_keys = SigningKeyTable(engine)
        self.policies = PolicyTable(engine)
        self.signers = SignerTable(engine)
        self.providers = ProviderTable(engine)
        self.audit = AuditTable(engine)
        self.api_tokens = ApiTokenTable(engine)
        self.collateral = CollateralTable(engine)
        self.context_keys = ContextKeyTable(engine)
        self.aik_authorities = AikAuthorityTable(engine)

    @classmethod
    def open(
        cls, url: str, *, busy_timeout: timedelta = BUSY_TIMEOUT, pool: PoolLimits = DEFAULT_POOL
    ) -> Self:
        """A store on the database at `url`, which may still be empty.

        Args:
            url: SQLAlchemy's form, `sqlite:////path/to/assay.db` or `postgresql://user@host/name`.
            busy_timeout: How long a SQLite write waits for another process's.
            pool: How many connections there may be.

        Raises:
            SettingsError: The URL is of no use.
            StoreUnavailableError: The database's file cannot be created.
        """
        return cls(create_engine(url, busy_timeout=busy_timeout, pool=pool))

    def close(self) -> None:
        """Let go of every connection."""
        self._engine.dispose()

    def upgrade(self) -> str | None:
        """Bring the schema to this release's; several processes may do so at once.

        The revision that it had before; nothing for an empty database.

        Raises:
            StoreUnavailableError: The database fails, or a newer release wrote its schema.
        """
        with writing(self._engine) as connection:
            return upgrade_schema(connection)

    def check(self) -> None:
        """Check that the database answers and has this release's schema.

        Raises:
            StoreUnavailableError: One of them is not so.
        """
        with reading(self._engine) as connection:
            check_schema(connection)

    @contextmanager
    def snapshot(self) -> Iterator[StoreSnapshot]:
        """All that there is, as it is at one moment, to be looked over."""
        with snapshot(self._engine) as connection:
            yield StoreSnapshot(connection)

    def back_up(self, file: Path) -> None:
        """Write the database to a new file, as it is at one moment, while others use it.

        Raises:
            SettingsError: It is not of SQLite, or the file is there already.
        """
        back_up(self._engine, file)

    def revision(self) -> int:
        """The number of the last change of an instance or of what it has."""
        return current_revision(self._engine)

    def watch(self) -> ChangeWatch:
        """Something to wait for changes with; its owner closes it."""
        return ChangeWatch(self._engine)
