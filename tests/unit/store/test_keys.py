from __future__ import annotations

import subprocess
import sys
import textwrap
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from assay.errors import SettingsError
from assay.keys import KeyCustody
from assay.store import KeyState, SigningKeyRecord, Store
from tests.unit.store.records import AT, KEPT, KEY, OTHER


def test_a_signing_key_comes_back_as_it_was_kept(store: Store, upgraded_url: str) -> None:
    """TK-08: a restart finds the same key."""
    store.signing_keys.add(KEY)
    reopened = Store.open(upgraded_url)

    assert store.signing_keys.of("one") == (KEPT,)
    assert reopened.signing_keys.active("one") == KEPT
    reopened.close()


def test_a_record_does_not_show_the_sealed_key() -> None:
    assert "sealed" not in repr(KEY)


def test_the_first_worker_creates_the_key(store: Store) -> None:
    assert store.signing_keys.get_or_create_active("one", lambda: KEY) == KEY
    assert store.signing_keys.active("one") == KEPT


def test_the_next_worker_creates_nothing(store: Store) -> None:
    store.signing_keys.add(KEY)

    found = store.signing_keys.get_or_create_active(
        "one", lambda: pytest.fail("created a second key")
    )

    assert found == KEPT


def test_the_slower_of_two_workers_takes_the_key_of_the_faster(
    store: Store, upgraded_url: str
) -> None:
    faster = Store.open(upgraded_url)

    def create() -> SigningKeyRecord:
        faster.signing_keys.add(KEY)
        return replace(KEY, kid="kid-2")

    assert store.signing_keys.get_or_create_active("one", create) == KEPT
    assert store.signing_keys.of("one") == (KEPT,)
    faster.close()


def test_no_key_is_created_for_an_instance_that_is_not_there(store: Store) -> None:
    with pytest.raises(SettingsError, match="instance 'two' is missing"):
        store.signing_keys.get_or_create_active("two", lambda: replace(KEY, instance="two"))


def test_four_processes_that_start_at_once_sign_with_one_key(
    database_url: str, tmp_path: Path
) -> None:
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
            store.instances.get_or_add(InstanceRecord(
                name="one", issuer="https://one", trust_model=TrustModel.AAD, created_at=at,
            ))
            print(store.signing_keys.get_or_create_active("one", create).kid)
            """
        )
    )
    processes = [
        subprocess.Popen(  # noqa: S603  # our own interpreter and script
            [sys.executable, worker, database_url],
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
    store = Store.open(database_url)
    (kept,) = store.signing_keys.of("one")
    assert {kid for kid, _ in answers} == {f"{kept.kid}\n"}
    store.close()


def test_an_instance_has_one_active_key(store: Store) -> None:
    store.signing_keys.add(KEY)

    with pytest.raises(SettingsError, match="another active key"):
        store.signing_keys.add(replace(KEY, kid="kid-2"))


def test_two_instances_may_sign_with_one_key(store: Store) -> None:
    store.instances.add(OTHER)
    store.signing_keys.add(KEY)
    store.signing_keys.add(replace(KEY, instance="another"))

    assert [key.kid for key in store.signing_keys.of("another")] == ["kid-1"]


def test_keys_are_listed_from_the_oldest(store: Store) -> None:
    newer = replace(KEY, kid="a", state=KeyState.PREPARED, created_at=AT + timedelta(seconds=1))
    store.signing_keys.add(newer)
    store.signing_keys.add(KEY)

    assert store.signing_keys.of("one") == (KEPT, newer)


_NEXT: Final = replace(KEY, kid="kid-2", state=KeyState.PREPARED)
_LATER: Final = AT + timedelta(hours=1)


def test_activating_a_key_retires_the_active_one(store: Store) -> None:
    store.signing_keys.add(KEY)
    store.signing_keys.prepare(_NEXT, after="kid-1")

    assert store.signing_keys.activate("one", "kid-2", at=_LATER)

    assert store.signing_keys.of("one") == (
        replace(KEY, state=KeyState.RETIRED, activated_at=AT, retired_at=_LATER),
        replace(_NEXT, state=KeyState.ACTIVE, activated_at=_LATER),
    )


@pytest.mark.parametrize("kid", ["kid-1", "kid-0", "unknown"])
def test_only_a_prepared_key_is_activated_and_else_nothing_changes(store: Store, kid: str) -> None:
    store.signing_keys.add(KEY)
    store.signing_keys.add(replace(KEY, kid="kid-0", state=KeyState.RETIRED))
    before = store.signing_keys.of("one")

    assert not store.signing_keys.activate("one", kid, at=AT)

    assert store.signing_keys.of("one") == before


def test_a_key_can_take_the_place_of_all_others(store: Store) -> None:
    store.signing_keys.add(KEY)
    store.signing_keys.add(replace(KEY, kid="kid-0", state=KeyState.RETIRED))
    store.signing_keys.prepare(_NEXT, after="kid-1")

    store.signing_keys.activate("one", "kid-2", at=AT, drop_others=True)

    [left] = store.signing_keys.of("one")
    assert (left.kid, left.state) == ("kid-2", KeyState.ACTIVE)


def test_a_key_that_signs_already_can_take_the_place_of_all_others(store: Store) -> None:
    store.signing_keys.add(KEY)
    store.signing_keys.prepare(_NEXT, after="kid-1")
    store.signing_keys.activate("one", "kid-2", at=AT)

    assert store.signing_keys.activate("one", "kid-2", at=_LATER, drop_others=True)

    [left] = store.signing_keys.of("one")
    assert (left.kid, left.activated_at) == ("kid-2", AT)


def test_a_successor_is_prepared_once(store: Store) -> None:
    store.signing_keys.add(KEY)

    assert store.signing_keys.prepare(_NEXT, after="kid-1")
    assert not store.signing_keys.prepare(replace(_NEXT, kid="kid-3"), after="kid-1")

    assert [key.kid for key in store.signing_keys.of("one")] == ["kid-1", "kid-2"]


@pytest.mark.parametrize("after", ["kid-0", "unknown"])
def test_a_successor_of_what_does_not_sign_is_not_wanted(store: Store, after: str) -> None:
    store.signing_keys.add(KEY)
    store.signing_keys.add(replace(KEY, kid="kid-0", state=KeyState.RETIRED))

    assert not store.signing_keys.prepare(_NEXT, after=after)


def test_the_keys_of_all_instances_are_read_at_once(store: Store) -> None:
    store.instances.add(OTHER)
    other = replace(KEY, instance="another", created_at=AT + timedelta(seconds=1))
    for key in (other, KEY):
        store.signing_keys.add(key)

    assert [key.instance for key in store.signing_keys.all()] == ["one", "another"]


def test_a_key_can_be_certified_anew(store: Store) -> None:
    delegated = replace(KEY, custody=KeyCustody.DELEGATED, certificates=(b"leaf", b"root"))
    store.signing_keys.add(delegated)
    renewed = replace(delegated, activated_at=AT, certificates=(b"other", b"root"))

    assert store.signing_keys.certify(renewed, at=AT)
    assert not store.signing_keys.certify(replace(renewed, kid="unknown"), at=AT)

    assert store.signing_keys.of("one") == (renewed,)


def test_a_key_that_does_not_sign_can_be_forgotten(store: Store) -> None:
    store.signing_keys.add(KEY)
    store.signing_keys.add(replace(KEY, kid="kid-2", state=KeyState.RETIRED))

    assert store.signing_keys.remove("one", "kid-2", at=AT)
    assert not store.signing_keys.remove("one", "kid-1", at=AT)

    assert store.signing_keys.of("one") == (KEPT,)
