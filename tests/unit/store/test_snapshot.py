from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest
import sqlalchemy as sa

from assay.audit import GENESIS, AuditHead, verify_export
from assay.errors import StoreUnavailableError
from assay.store import SentPolicy, Store, TrustModel
from assay.store.engine import create_engine
from assay.store.tables import INSTANCES, POLICIES, POLICY_CHANGES, POLICY_SIGNERS, REVISION
from tests.unit.store.records import ALICE, AT, DOCUMENT, KEY, OTHER

_SET: Final = SentPolicy(jws=b"jws", text_hash="hash")
_RESET: Final = SentPolicy(jws=b"empty", text_hash=None)


@pytest.fixture
def changed(store: Store) -> Store:
    """A store with policies that were set, set anew and reset."""
    store.signing_keys.add(KEY)
    for sent in (_SET, _RESET, _SET):
        store.policies.change("one", "Tpm", sent, at=AT, by=ALICE)
    store.policies.change("one", "SgxEnclave", _SET, at=AT, by=ALICE)
    store.policies.change("one", "SgxEnclave", _RESET, at=AT, by=ALICE)
    return store


@pytest.fixture
def connection(upgraded_url: str, changed: Store) -> Iterator[sa.Connection]:
    """Somebody else, who writes to the same database."""
    assert changed.revision()
    engine = create_engine(upgraded_url)
    with engine.connect() as found:
        yield found
    engine.dispose()


def test_a_store_that_was_only_used_is_whole(changed: Store) -> None:
    with changed.snapshot() as snapshot:
        assert snapshot.check_schema() == ()
        assert snapshot.damage() == ()
        assert snapshot.disagreements() == ()


def test_a_snapshot_has_what_is_kept(changed: Store) -> None:
    with changed.snapshot() as snapshot:
        assert [(one.attestation_type, one.version) for one in snapshot.policies()] == [
            ("SgxEnclave", 1),
            ("Tpm", 1),
            ("Tpm", 3),
        ]
        assert {(one.jws, one.text_hash) for one in snapshot.policies()} == {(b"jws", "hash")}
        assert list(snapshot.signing_keys()) == [("one", changed.signing_keys.of("one"))]
        assert verify_export(snapshot.audit_lines()) == snapshot.audit_head()


def test_a_snapshot_does_not_see_what_happens_meanwhile(changed: Store) -> None:
    with changed.snapshot() as snapshot:
        before = snapshot.audit_head()
        changed.instances.add(OTHER)

        assert snapshot.audit_head() == before
        assert [name for name, _ in snapshot.signing_keys()] == ["one"]


def test_an_audit_record_with_nothing_in_it_begins_at_the_beginning(upgraded_url: str) -> None:
    with closing(Store.open(upgraded_url)) as store, store.snapshot() as snapshot:
        assert snapshot.audit_head() == GENESIS == AuditHead(sequence=0, digest="0" * 64)


_TPM: Final = POLICIES.c.attestation_type == "Tpm"
_SECOND: Final = sa.and_(POLICY_CHANGES.c.attestation_type == "Tpm", POLICY_CHANGES.c.version == 2)


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        (POLICIES.update().where(_TPM).values(text_hash="other"), "not what its history has"),
        (POLICIES.update().where(_TPM).values(jws=b"other"), "not what its history has"),
        (POLICIES.update().where(_TPM).values(jws=None), "not what its history has"),
        (POLICIES.delete().where(_TPM), "does not lead without a gap"),
        (POLICY_CHANGES.delete().where(_SECOND), "does not lead without a gap"),
        (REVISION.update().values(value=0), "under a number that is still to come"),
        (REVISION.delete(), "there are 0 numbers"),
        (POLICY_SIGNERS.delete(), "of trust model Isolated has no policy signers"),
        (
            INSTANCES.update().values(trust_model=TrustModel.AAD.value),
            "of trust model AAD has policy signers",
        ),
    ],
)
def test_tables_that_disagree_are_found(
    statement: Any,  # noqa: ANN401  a statement of any kind
    problem: str,
    connection: sa.Connection,
    changed: Store,
) -> None:
    connection.execute(statement)
    connection.commit()

    with changed.snapshot() as snapshot:
        [found] = snapshot.disagreements()

    assert problem in found


def test_what_is_not_in_the_schema_is_found(connection: sa.Connection, changed: Store) -> None:
    connection.exec_driver_sql("ALTER TABLE policies DROP COLUMN text_hash")
    connection.commit()

    with changed.snapshot() as snapshot:
        assert snapshot.check_schema() == ("add_column policies text_hash",)


def test_another_schema_is_told(connection: sa.Connection, changed: Store) -> None:
    connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    connection.commit()

    with changed.snapshot() as snapshot, pytest.raises(StoreUnavailableError, match="db upgrade"):
        snapshot.check_schema()


def test_rows_that_belong_to_nothing_are_found(upgraded_sqlite: str) -> None:
    with closing(sqlite3.connect(upgraded_sqlite.removeprefix("sqlite:///"))) as connection:
        connection.execute(
            "INSERT INTO policies (instance, attestation_type, version, changed_at) "
            "VALUES ('none', 'Tpm', 1, '2026-11-23 12:00:00')"
        )
        connection.commit()

    with closing(Store.open(upgraded_sqlite)) as store, store.snapshot() as snapshot:
        assert snapshot.damage() == ("row 1 of policies belongs to no row of instances",)


def test_a_damaged_file_is_told(upgraded_sqlite: str) -> None:
    file = Path(upgraded_sqlite.removeprefix("sqlite:///"))
    with closing(Store.open(upgraded_sqlite)) as store:
        store.collateral.put(DOCUMENT)
    with closing(sqlite3.connect(file)) as connection:
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'ix_collateral_expires_at'"
        [page] = connection.execute(query).fetchone()
        [size] = connection.execute("PRAGMA page_size").fetchone()
    content = bytearray(file.read_bytes())
    # An index without its entries: whoever does not look for it does not notice.
    content[(page - 1) * size + 3 : (page - 1) * size + 5] = bytes(2)
    file.write_bytes(content)

    with closing(Store.open(upgraded_sqlite)) as store, store.snapshot() as snapshot:
        found = snapshot.damage()

    assert any("ix_collateral_expires_at" in problem for problem in found)
