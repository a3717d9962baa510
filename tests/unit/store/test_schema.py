from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from assay import clock
from assay.errors import StoreUnavailableError
from assay.keys import KeyCustody
from assay.store import Author, PolicyAction, SentPolicy, Store, schema
from assay.store.engine import create_engine, reading, writing
from assay.store.migrations.versions import r0001_first
from assay.store.tables import METADATA
from tests.unit.store.records import ALICE, AT

_DAY: Final = timedelta(days=1)
_SEALED: Final = b"\x00\xff"
_MIGRATIONS: Final = Path(schema.__file__).parent / "migrations"


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    engine = create_engine(database_url)
    yield engine
    engine.dispose()


def _differences(connection: sa.Connection) -> object:
    context = MigrationContext.configure(
        connection, opts={"compare_type": True, "compare_server_default": True}
    )
    return compare_metadata(context, METADATA)


def _sql_of_indexes(connection: sa.Connection) -> set[str]:
    query = {
        "sqlite": "SELECT sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL",
        "postgresql": "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'",
    }[connection.dialect.name]
    rows = connection.exec_driver_sql(query)
    return {" ".join(str(row[0]).split()) for row in rows if "alembic" not in row[0]}


def test_the_migrations_make_the_tables_that_the_code_uses(engine: sa.Engine) -> None:
    Store(engine).upgrade()

    with reading(engine) as connection:
        assert _differences(connection) == []


def test_the_migrations_make_the_same_indexes_as_the_tables(
    engine: sa.Engine,
) -> None:
    with writing(engine) as connection:
        METADATA.create_all(connection)
        made = _sql_of_indexes(connection)
        METADATA.drop_all(connection)

    Store(engine).upgrade()

    with reading(engine) as migrated:
        assert _sql_of_indexes(migrated) == made


def test_every_table_is_one_that_the_migrations_make(engine: sa.Engine) -> None:
    Store(engine).upgrade()

    with reading(engine) as connection:
        made = set(sa.inspect(connection).get_table_names())
    assert made == {*METADATA.tables, "alembic_version"}


def _make_first_release(engine: sa.Engine) -> None:
    """A database as the first release left it, with something in every table."""
    with writing(engine) as connection:
        context = MigrationContext.configure(connection)
        with Operations.context(context):
            r0001_first.upgrade()
        context.stamp(ScriptDirectory(str(_MIGRATIONS)), r0001_first.revision)
        for table, values in (
            ("instances", ("one", "https://one.example", "AAD", {}, AT)),
            ("signing_keys", ("one", "kid-1", "RS256", _SEALED, "active", AT)),
            ("signing_keys", ("one", "kid-0", "RS256", _SEALED, "retired", AT - _DAY)),
            ("signing_keys", ("one", "kid-2", "RS256", _SEALED, "prepared", AT + _DAY)),
            ("policies", ("one", "Tpm", _SEALED, "hash", 3, AT)),
            ("policies", ("one", "SgxEnclave", None, None, 2, AT)),
            ("collateral", ("key", _SEALED, AT, AT)),
        ):
            found = sa.Table(table, sa.MetaData(), autoload_with=connection)
            row: dict[str, object] = dict(zip(found.c.keys(), values, strict=True))
            connection.execute(found.insert().values(row))


def test_a_database_of_the_first_release_is_upgraded_with_all_it_holds(engine: sa.Engine) -> None:
    _make_first_release(engine)
    store = Store(engine)

    store.upgrade()

    store.check()
    instance = store.instances.require("one")
    assert (instance.issuer, instance.region, instance.tags) == ("https://one.example", "", {})
    assert instance.updated_at is None
    retired, active, prepared = store.signing_keys.of("one")
    assert {key.sealed for key in (retired, active, prepared)} == {_SEALED}
    assert {key.custody for key in (retired, active, prepared)} == {KeyCustody.SOFTWARE}
    assert (active.activated_at, active.retired_at) == (AT, None)
    assert (prepared.activated_at, prepared.certificates) == (None, ())
    # Nobody wrote down since when: it counts from the upgrade.
    assert retired.activated_at == AT - _DAY
    assert retired.retired_at is not None
    assert abs(retired.retired_at - clock.now()) < _DAY
    assert [(policy.jws, policy.version) for policy in store.policies.of("one")] == [
        (None, 2),
        (_SEALED, 3),
    ]
    assert store.collateral.get("key") is not None
    assert store.revision() == 0


def test_the_history_begins_with_the_policies_of_the_first_release(engine: sa.Engine) -> None:
    _make_first_release(engine)
    store = Store(engine)
    store.upgrade()

    [found] = store.policies.history("one", "Tpm")
    [reset] = store.policies.history("one", "SgxEnclave")

    assert (found.version, found.action, found.jws) == (3, PolicyAction.SET, _SEALED)
    assert found.changed_by == Author(name="")
    assert (reset.version, reset.action) == (2, PolicyAction.RESET)
    sent = SentPolicy(jws=b"new", text_hash="h")
    changed = store.policies.change("one", "Tpm", sent, at=found.changed_at, by=ALICE)
    assert changed.version == 4


def test_the_revision_needed_is_the_newest_one() -> None:
    script = ScriptDirectory(str(_MIGRATIONS))

    assert script.get_current_head() == schema.HEAD


def test_upgrading_twice_changes_nothing(engine: sa.Engine) -> None:
    store = Store(engine)
    store.upgrade()

    store.upgrade()

    store.check()


def test_an_upgrade_that_fails_leaves_nothing_behind(engine: sa.Engine) -> None:
    with writing(engine) as connection:
        connection.exec_driver_sql("CREATE TABLE policies (in_the_way INTEGER)")

    with pytest.raises(StoreUnavailableError, match=r'policies"? already exists'):
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
    for revision in (_MIGRATIONS / "versions").glob("r*.py"):
        assert "assay.store" not in revision.read_text()
