"""Bringing a database to this release's schema, and telling when it is of another one."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any, Final

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, func, select

from assay.errors import StoreUnavailableError
from assay.store.migrations.versions import r0005_tpm
from assay.store.tables import METADATA

HEAD: Final = r0005_tpm.revision
"""The revision that this release needs; the newest module of `migrations/versions`."""

_UPGRADE_LOCK: Final = 0x4153_5341_59
"""The key of PostgreSQL's advisory lock: any number that nobody else uses."""

_MIGRATIONS: Final = Path(__file__).parent / "migrations"


def upgrade_schema(connection: Connection) -> str | None:
    """Apply the revisions that the database lacks, inside the connection's open transaction.

    The revision that it had before; nothing for one that was empty.

    Raises:
        StoreUnavailableError: A newer release wrote the schema.
    """
    config = _config()
    if connection.dialect.name == "postgresql":
        # SQLite has locked its file by now. Replicas that start together wait for the first.
        connection.execute(select(func.pg_advisory_xact_lock(_UPGRADE_LOCK)))
    before = _current(connection, ScriptDirectory.from_config(config))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    return before


def check_schema(connection: Connection) -> None:
    """Check that the database has exactly this release's schema.

    Raises:
        StoreUnavailableError: It is older, newer, or empty.
    """
    current = _current(connection, ScriptDirectory.from_config(_config()))
    if current != HEAD:
        raise StoreUnavailableError(
            f"the database has schema revision {current or 'none'} and this release needs {HEAD}; "
            "upgrade it first: `assay db upgrade`"
        )


def schema_differences(connection: Connection) -> tuple[str, ...]:
    """What tables, columns and indexes are not as this release's code uses them."""
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return tuple(_difference(found) for found in compare_metadata(context, METADATA))


def run_migrations(context: ModuleType) -> None:
    """Run what Alembic has planned, on the connection that `upgrade_schema` gave it."""
    connection = context.config.attributes["connection"]
    context.configure(connection=connection, target_metadata=METADATA)
    context.run_migrations()


def _difference(found: Any) -> str:  # noqa: ANN401  Alembic's tuples, nested where a column changed
    action, *subject = found[0] if isinstance(found, list) else found
    names = [getattr(one, "name", one) for one in subject]
    return " ".join((action, *(str(name) for name in names if isinstance(name, str))))


def _config() -> Config:
    config = Config()
    # Alembic reads the value as a template.
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config


def _current(connection: Connection, script: ScriptDirectory) -> str | None:
    current = MigrationContext.configure(connection).get_current_revision()
    known = {revision.revision for revision in script.walk_revisions()}
    if current is not None and current not in known:
        raise StoreUnavailableError(
            f"the database has schema revision {current}, which a newer release wrote; "
            "run that release, or restore the backup from before its upgrade"
        )
    return current
