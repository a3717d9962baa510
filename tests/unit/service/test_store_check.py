from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from typing import Any, Final

import pytest
import sqlalchemy as sa

from assay.errors import SettingsError
from assay.keys import KeyEncryptionKey
from assay.policy import policy_hash
from assay.service.checkup import CheckOutcome
from assay.service.keys import KeyChest
from assay.service.store_check import check_store
from assay.store import (
    AikAuthorityRecord,
    ContextKeyRecord,
    SealedSecret,
    SentPolicy,
    SigningKeyRecord,
    Store,
)
from assay.store.engine import create_engine
from assay.store.tables import AUDIT, POLICY_CHANGES, REVISION
from tests.administration import (
    ALICE,
    PERMIT,
    add_instance,
    make_record,
    stored_policy,
    unsecured,
)
from tests.conftest import AT

_ALL: Final = ("schema", "integrity", "tables", "policies", "audit", "keys")


@pytest.fixture
def store(upgraded_sqlite: str) -> Iterator[Store]:
    with closing(Store.open(upgraded_sqlite)) as found:
        add_instance(found, make_record("one"))
        add_instance(found, make_record("two"))
        jws = unsecured(stored_policy(PERMIT)).encode()
        sent = SentPolicy(jws=jws, text_hash=policy_hash(PERMIT))
        found.policies.change("one", "Tpm", sent, at=AT, by=ALICE)
        yield found


def _failures(store: Store, key: bytes = bytes(32)) -> dict[str, str]:
    chest = KeyChest(store=store, key_encryption_key=KeyEncryptionKey(key))
    with store.snapshot() as snapshot:
        results = check_store(snapshot, chest)
    assert [result.name for result in results] == list(_ALL[: len(results)])
    failed = [result for result in results if result.outcome is CheckOutcome.FAILED]
    assert all(result.remedy for result in failed)
    return {result.name: result.says for result in failed}


def _write(url: str, statement: Any) -> None:  # noqa: ANN401  a statement of any kind
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(statement)
    engine.dispose()


def test_a_store_that_was_only_used_passes(store: Store) -> None:
    assert _failures(store) == {}


@pytest.mark.parametrize(
    "values",
    [
        {"text_hash": "other"},
        {"jws": unsecured(stored_policy(PERMIT + " ")).encode()},
        {"jws": unsecured(b"").encode()},
        {"jws": b"not a JWS"},
        {"jws": b"\xff"},
        {"jws": None},
    ],
)
def test_a_policy_that_is_not_of_its_hash_is_found(
    values: dict[str, Any], store: Store, upgraded_sqlite: str
) -> None:
    _write(upgraded_sqlite, POLICY_CHANGES.update().values(**values))

    found = _failures(store)

    assert "version 1 of policy Tpm of instance 'one'" in found["policies"]


def test_an_audit_record_that_was_changed_is_found(store: Store, upgraded_sqlite: str) -> None:
    _write(upgraded_sqlite, AUDIT.delete().where(AUDIT.c.sequence == 2))

    assert set(_failures(store)) == {"audit"}


def test_an_audit_record_that_could_not_go_on_is_found(store: Store, upgraded_sqlite: str) -> None:
    with store.snapshot() as snapshot:
        last = snapshot.audit_head().sequence
    changed = AUDIT.update().where(AUDIT.c.sequence == last).values(digest="0" * 64)
    _write(upgraded_sqlite, changed)

    assert f"record {last} of another digest" in _failures(store)["audit"]


def test_tables_that_disagree_are_found(store: Store, upgraded_sqlite: str) -> None:
    _write(upgraded_sqlite, REVISION.update().values(value=0))

    assert set(_failures(store)) == {"tables"}


def test_keys_that_another_key_sealed_are_found_and_told_once(store: Store) -> None:
    found = _failures(store, bytes([1] * 32))

    assert set(found) == {"keys"}
    assert "did not seal it" in found["keys"]
    assert found["keys"].endswith("(and 1 more)")


class _NoKeyOfOne:
    def open(self, instance: str, _records: Sequence[SigningKeyRecord]) -> None:
        if instance == "one":
            raise SettingsError("no key")

    def open_secret(self, _secret: SealedSecret) -> None:
        """Open it."""


def test_a_key_that_nothing_can_open_is_told(store: Store) -> None:
    with store.snapshot() as snapshot:
        result = check_store(snapshot, _NoKeyOfOne())[-1]

    assert (result.outcome, result.says) == (CheckOutcome.FAILED, "no key")
    assert "restore" in result.remedy


def test_other_secrets_are_opened_too(store: Store) -> None:
    def kept(name: str, key: bytes) -> None:
        context = ContextKeyRecord.seal_context(name)
        sealed = KeyEncryptionKey(key).seal(bytes(32), context=context)
        record = ContextKeyRecord(name=name, sealed=sealed, created_at=AT)
        store.context_keys.add(record, outdated=AT - timedelta(days=1))

    kept("good", bytes(32))
    context = AikAuthorityRecord.seal_context("one")
    authority = AikAuthorityRecord(
        instance="one",
        certificate=b"",
        sealed=KeyEncryptionKey(bytes(32)).seal(b"key", context=context),
        created_at=AT,
    )
    store.aik_authorities.add(authority)
    assert _failures(store) == {}

    kept("foreign", bytes([1] * 32))
    assert "context key foreign" in _failures(store)["keys"]


def test_of_another_schema_nothing_else_is_asked(store: Store, upgraded_sqlite: str) -> None:
    _write(upgraded_sqlite, sa.text("UPDATE alembic_version SET version_num = '0001'"))

    found = _failures(store)

    assert set(found) == {"schema"}


def test_a_table_that_is_not_as_it_should_be_is_found(store: Store, upgraded_sqlite: str) -> None:
    _write(upgraded_sqlite, sa.text("ALTER TABLE collateral DROP COLUMN fetched_at"))

    assert set(_failures(store)) == {"schema"}


def test_rows_that_belong_to_nothing_are_found(store: Store, upgraded_sqlite: str) -> None:
    with closing(sqlite3.connect(upgraded_sqlite.removeprefix("sqlite:///"))) as connection:
        connection.execute("UPDATE policy_changes SET instance = 'none'")
        connection.commit()

    assert {"integrity", "tables"} <= set(_failures(store))
