from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import event
from sqlalchemy.exc import StatementError

from assay.errors import RequestError, SettingsError
from assay.keys import SigningAlgorithm
from assay.store import (
    CollateralRecord,
    InstanceRecord,
    KeyState,
    PolicyRecord,
    SigningKeyRecord,
    Store,
    TrustModel,
)
from assay.store.engine import create_engine

AT: Final = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)

INSTANCE: Final = InstanceRecord(
    name="one",
    issuer="https://one.example",
    trust_model=TrustModel.ISOLATED,
    settings={"tcb_baseline": "azuredefault", "accepted_tcb": ["UpToDate"]},
    created_at=AT,
)
OTHER: Final = InstanceRecord(
    name="another", issuer="https://another.example", trust_model=TrustModel.AAD, created_at=AT
)

KEY: Final = SigningKeyRecord(
    kid="kid-1",
    instance="one",
    algorithm=SigningAlgorithm.RS256,
    sealed=b"\x01sealed\x00\xff",
    state=KeyState.ACTIVE,
    created_at=AT,
)

DOCUMENT: Final = CollateralRecord(
    key="tcb_info/00906ed50000",
    document=b"{}\x00",
    fetched_at=AT,
    expires_at=AT + timedelta(days=30),
)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'assay.db'}"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    store = Store.open(url)
    store.upgrade()
    store.add_instance(INSTANCE)
    yield store
    store.close()


def _reopened(url: str) -> Store:
    return Store.open(url)


# Instances.


def test_an_instance_comes_back_as_it_was_kept(store: Store, url: str) -> None:
    reopened = _reopened(url)

    assert store.instance("one") == INSTANCE
    assert reopened.instance("one") == INSTANCE
    reopened.close()


def test_a_missing_instance_is_nothing(store: Store) -> None:
    assert store.instance("two") is None


def test_instances_are_listed_by_name(store: Store) -> None:
    store.add_instance(OTHER)

    assert store.instances() == (OTHER, INSTANCE)


@pytest.mark.parametrize(
    "record", [replace(OTHER, name="one"), replace(OTHER, issuer=INSTANCE.issuer)]
)
def test_name_and_url_of_an_instance_are_its_own(store: Store, record: InstanceRecord) -> None:
    with pytest.raises(SettingsError, match="taken by another instance"):
        store.add_instance(record)

    assert store.instances() == (INSTANCE,)


def test_an_instance_that_is_there_is_not_made_again(store: Store) -> None:
    found = store.get_or_add_instance(replace(INSTANCE, trust_model=TrustModel.SHARED))

    assert found == INSTANCE


def test_an_instance_that_is_not_there_is_made(store: Store) -> None:
    assert store.get_or_add_instance(OTHER) == OTHER
    assert store.instance("another") == OTHER


def test_an_instance_is_not_made_at_the_url_of_another(store: Store) -> None:
    with pytest.raises(SettingsError, match=r"https://one\.example is taken"):
        store.get_or_add_instance(replace(OTHER, issuer=INSTANCE.issuer))


def test_the_slower_of_two_workers_takes_the_instance_of_the_faster(url: str) -> None:
    engine, faster = create_engine(url), Store.open(url)
    store = Store(engine)
    store.upgrade()
    checkouts = 0

    def on_checkout(*_: object) -> None:
        # The first look finds nothing; before the second one, which adds, another worker does.
        nonlocal checkouts
        checkouts += 1
        if checkouts == 2:
            faster.add_instance(INSTANCE)

    event.listen(engine, "checkout", on_checkout)

    assert store.get_or_add_instance(replace(INSTANCE, issuer="https://two.example")) == INSTANCE
    store.close()
    faster.close()


def test_removing_an_instance_takes_its_keys_and_policies_along(store: Store) -> None:
    store.add_signing_key(KEY)
    store.set_policy("one", "SgxEnclave", jws=b"a.b.c", text_hash="h", at=AT)

    assert store.remove_instance("one")

    assert store.signing_keys("one") == ()
    assert store.policies("one") == ()
    assert not store.remove_instance("one")


# Signing keys.


def test_a_signing_key_comes_back_as_it_was_kept(store: Store, url: str) -> None:
    """TK-08: a restart finds the same key."""
    store.add_signing_key(KEY)
    reopened = _reopened(url)

    assert store.signing_keys("one") == (KEY,)
    assert reopened.active_key("one") == KEY
    reopened.close()


def test_a_record_does_not_show_the_sealed_key() -> None:
    assert "sealed" not in repr(KEY)


def test_the_first_worker_creates_the_key(store: Store) -> None:
    assert store.get_or_create_active_key("one", lambda: KEY) == KEY
    assert store.active_key("one") == KEY


def test_the_next_worker_creates_nothing(store: Store) -> None:
    store.add_signing_key(KEY)

    found = store.get_or_create_active_key("one", lambda: pytest.fail("created a second key"))

    assert found == KEY


def test_the_slower_of_two_workers_takes_the_key_of_the_faster(store: Store, url: str) -> None:
    faster = _reopened(url)

    def create() -> SigningKeyRecord:
        faster.add_signing_key(KEY)
        return replace(KEY, kid="kid-2")

    assert store.get_or_create_active_key("one", create) == KEY
    assert store.signing_keys("one") == (KEY,)
    faster.close()


def test_no_key_is_created_for_an_instance_that_is_not_there(store: Store) -> None:
    with pytest.raises(SettingsError, match="instance 'two' is missing"):
        store.get_or_create_active_key("two", lambda: replace(KEY, instance="two"))


def test_four_processes_that_start_at_once_sign_with_one_key(url: str, tmp_path: Path) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text(
        textwrap.dedent(
            """
            import sys
            from datetime import UTC, datetime

            from assay.keys import KeyEncryptionKey, SigningAlgorithm, generate_key, seal_key
            from assay.store import InstanceRecord, KeyState, SigningKeyRecord, Store, TrustModel

            at = datetime(2026, 11, 23, tzinfo=UTC)

            def create():
                key = generate_key(SigningAlgorithm.ES256, created_at=at)
                return SigningKeyRecord(
                    kid=key.kid, instance="one", algorithm=key.algorithm,
                    sealed=seal_key(key, KeyEncryptionKey(bytes(32))),
                    state=KeyState.ACTIVE, created_at=at,
                )

            print("ready", flush=True)
            sys.stdin.readline()
            store = Store.open(sys.argv[1])
            store.upgrade()
            store.get_or_add_instance(InstanceRecord(
                name="one", issuer="https://one", trust_model=TrustModel.AAD, created_at=at,
            ))
            print(store.get_or_create_active_key("one", create).kid)
            """
        )
    )
    processes = [
        subprocess.Popen(  # noqa: S603  # our own interpreter and script
            [sys.executable, worker, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"

    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=60) for process in processes]

    assert [errors for _, errors in answers] == [""] * 4
    store = _reopened(url)
    (kept,) = store.signing_keys("one")
    assert {kid for kid, _ in answers} == {f"{kept.kid}\n"}
    store.close()


def test_an_instance_has_one_active_key(store: Store) -> None:
    store.add_signing_key(KEY)

    with pytest.raises(SettingsError, match="another active key"):
        store.add_signing_key(replace(KEY, kid="kid-2"))


def test_two_instances_may_sign_with_one_key(store: Store) -> None:
    store.add_instance(OTHER)
    store.add_signing_key(KEY)
    store.add_signing_key(replace(KEY, instance="another"))

    assert [key.kid for key in store.signing_keys("another")] == ["kid-1"]


def test_keys_are_listed_from_the_oldest(store: Store) -> None:
    newer = replace(KEY, kid="a", state=KeyState.PREPARED, created_at=AT + timedelta(seconds=1))
    store.add_signing_key(newer)
    store.add_signing_key(KEY)

    assert store.signing_keys("one") == (KEY, newer)


def test_activating_a_key_retires_the_active_one(store: Store) -> None:
    store.add_signing_key(KEY)
    store.add_signing_key(replace(KEY, kid="kid-2", state=KeyState.PREPARED))

    store.activate_signing_key("one", "kid-2")

    states = {key.kid: key.state for key in store.signing_keys("one")}
    assert states == {"kid-1": KeyState.RETIRED, "kid-2": KeyState.ACTIVE}


@pytest.mark.parametrize("kid", ["kid-1", "kid-0", "unknown"])
def test_only_a_prepared_key_is_activated_and_else_nothing_changes(store: Store, kid: str) -> None:
    store.add_signing_key(KEY)
    store.add_signing_key(replace(KEY, kid="kid-0", state=KeyState.RETIRED))

    with pytest.raises(SettingsError, match="no prepared key"):
        store.activate_signing_key("one", kid)

    assert store.active_key("one") == KEY


def test_a_key_that_does_not_sign_can_be_forgotten(store: Store) -> None:
    store.add_signing_key(KEY)
    store.add_signing_key(replace(KEY, kid="kid-2", state=KeyState.RETIRED))

    assert store.remove_signing_key("one", "kid-2")
    assert not store.remove_signing_key("one", "kid-1")

    assert store.signing_keys("one") == (KEY,)


# Policies.


def test_a_policy_comes_back_byte_for_byte(store: Store) -> None:
    jws = b'eyJhbGciOiJub25lIn0 .\r\n"x"\x00'

    kept = store.set_policy("one", "SgxEnclave", jws=jws, text_hash="hash", at=AT)

    assert kept == PolicyRecord(
        instance="one",
        attestation_type="SgxEnclave",
        jws=jws,
        text_hash="hash",
        version=1,
        changed_at=AT,
    )
    assert store.policy("one", "SgxEnclave") == kept


def test_a_policy_never_set_is_nothing(store: Store) -> None:
    assert store.policy("one", "SgxEnclave") is None


def test_every_change_of_a_policy_has_a_version_of_its_own(store: Store) -> None:
    first = store.set_policy("one", "Tpm", jws=b"1", text_hash="a", at=AT)
    reset = store.reset_policy("one", "Tpm", at=AT + timedelta(hours=1))
    again = store.set_policy("one", "Tpm", jws=b"1", text_hash="a", at=AT)

    assert [first.version, reset.version, again.version] == [1, 2, 3]
    assert (reset.jws, reset.text_hash) == (None, None)
    assert reset.changed_at == AT + timedelta(hours=1)
    assert store.policy("one", "Tpm") == again


def test_policies_of_other_types_and_instances_stay(store: Store) -> None:
    store.add_instance(OTHER)
    kept = store.set_policy("one", "SgxEnclave", jws=b"1", text_hash="a", at=AT)
    store.set_policy("another", "SgxEnclave", jws=b"2", text_hash="b", at=AT)

    second = store.set_policy("one", "OpenEnclave", jws=b"3", text_hash="c", at=AT)
    store.reset_policy("another", "SgxEnclave", at=AT)

    assert store.policies("one") == (second, kept)


def test_a_policy_needs_its_instance(store: Store) -> None:
    with pytest.raises(RequestError, match="instance 'two' is missing"):
        store.set_policy("two", "SgxEnclave", jws=b"1", text_hash="a", at=AT)


# Collateral.


def test_a_document_comes_back_as_it_was_kept(store: Store) -> None:
    store.put_collateral(DOCUMENT)

    assert store.collateral(DOCUMENT.key) == DOCUMENT
    assert store.collateral("other") is None


def test_a_newer_document_takes_the_place_of_the_older(store: Store) -> None:
    newer = replace(DOCUMENT, document=b"new", fetched_at=AT + timedelta(days=1))
    store.put_collateral(DOCUMENT)
    store.put_collateral(newer)

    assert store.collateral(DOCUMENT.key) == newer


def test_documents_that_expired_are_forgotten(store: Store) -> None:
    lasting = replace(DOCUMENT, key="other", expires_at=AT + timedelta(days=60))
    store.put_collateral(DOCUMENT)
    store.put_collateral(lasting)

    assert store.remove_expired_collateral(before=DOCUMENT.expires_at) == 0
    assert store.remove_expired_collateral(before=AT + timedelta(days=31)) == 1

    assert store.collateral(DOCUMENT.key) is None
    assert store.collateral("other") == lasting


# Instants.


def test_instants_are_kept_in_utc(store: Store) -> None:
    elsewhere = AT.astimezone(timezone(timedelta(hours=5, minutes=30)))

    store.put_collateral(replace(DOCUMENT, fetched_at=elsewhere))

    found = store.collateral(DOCUMENT.key)
    assert found is not None
    assert found.fetched_at == AT
    assert found.fetched_at.tzinfo is UTC


def test_an_instant_without_time_zone_is_a_mistake(store: Store) -> None:
    with pytest.raises(StatementError, match="with a time zone only"):
        store.put_collateral(replace(DOCUMENT, fetched_at=AT.replace(tzinfo=None)))
