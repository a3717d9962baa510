from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from assay.errors import StoreUnavailableError
from assay.store import Store, schema
from assay.store.engine import create_engine, reading, writing
from assay.store.migrations.versions import r0001_first
from assay.store.tables import METADATA


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'as%say.db'}"


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    engine = create_engine(url)
    yield engine
    engine.dispose()


def _differences(connection: sa.Connection) -> object:
    context = MigrationContext.configure(
        connection, opts={"compare_type": True, "compare_server_default": True}
    )
    return compare_metadata(context, METADATA)


def _sql_of_indexes(connection: sa.Connection) -> set[str]:
    rows = connection.exec_driver_sql(
        "SELECT sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    )
    return {" ".join(str(row[0]).split()) for row in rows}


def test_the_migrations_make_the_tables_that_the_code_uses(engine: sa.Engine) -> None:
    Store(engine).upgrade()

    with reading(engine) as connection:
        assert _differences(connection) == []


def test_the_migrations_make_the_same_indexes_as_the_tables(
    engine: sa.Engine, tmp_path: Path
) -> None:
    Store(engine).upgrade()
    direct = create_engine(f"sqlite:///{tmp_path / 'direct.db'}")
    with writing(direct) as connection:
        METADATA.create_all(connection)

    with reading(engine) as migrated, reading(direct) as made:
        assert _sql_of_indexes(migrated) == _sql_of_indexes(made)
    direct.dispose()


def test_the_first_revision_alone_makes_every_table(engine: sa.Engine) -> None:
    with writing(engine) as connection:
        context = MigrationContext.configure(connection)
        with Operations.context(context):
            r0001_first.upgrade()

    with reading(engine) as connection:
        assert set(sa.inspect(connection).get_table_names()) == set(METADATA.tables)


def test_the_revision_needed_is_the_newest_one() -> None:
    script = ScriptDirectory(str(Path(schema.__file__).parent / "migrations"))

    assert script.get_current_head() == schema.HEAD


def test_upgrading_twice_changes_nothing(engine: sa.Engine) -> None:
    store = Store(engine)
    store.upgrade()

    store.upgrade()

    store.check()


def test_an_upgrade_that_fails_leaves_nothing_behind(engine: sa.Engine) -> None:
    with writing(engine) as connection:
        connection.exec_driver_sql("CREATE TABLE policies (in_the_way INTEGER)")

    with pytest.raises(StoreUnavailableError, match="policies already exists"):
        Store(engine).upgrade()

    with reading(engine) as connection:
        assert sa.inspect(connection).get_table_names() == ["policies"]


def test_an_empty_database_is_told(engine: sa.Engine) -> None:
    with pytest.raises(StoreUnavailableError, match="schema revision none and this release needs"):
        Store(engine).check()


@pytest.mark.parametrize("method", ["upgrade", "check"])
def test_a_schema_of_a_newer_release_is_told(engine: sa.Engine, method: str) -> None:
    store = Store(engine)
    store.upgrade()
    with writing(engine) as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(StoreUnavailableError, match="revision 9999, which a newer release wrote"):
        getattr(store, method)()


def test_a_revision_does_not_know_the_tables_of_later() -> None:
    assert "assay.store.tables" not in Path(r0001_first.__file__).read_text()
