from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import event

from assay.errors import SettingsError, UnknownInstanceError
from assay.store import (
    InstanceRecord,
    InstanceState,
    KeyState,
    SentPolicy,
    Store,
    TrustModel,
)
from assay.store.engine import create_engine
from tests.unit.store.records import ALICE, AT, DOCUMENT, INSTANCE, KEPT, KEY, OTHER, SIGNER


def test_an_instance_comes_back_as_it_was_kept(store: Store, upgraded_url: str) -> None:
    reopened = Store.open(upgraded_url)

    assert store.instances.get("one") == INSTANCE
    assert reopened.instances.get("one") == INSTANCE
    reopened.close()


def test_a_missing_instance_is_nothing(store: Store) -> None:
    assert store.instances.get("two") is None


def test_instances_are_listed_by_name(store: Store) -> None:
    store.instances.add(OTHER)

    assert store.instances.all() == (OTHER, INSTANCE)


@pytest.mark.parametrize(
    "record", [replace(OTHER, name="one"), replace(OTHER, issuer=INSTANCE.issuer)]
)
def test_name_and_url_of_an_instance_are_its_own(store: Store, record: InstanceRecord) -> None:
    with pytest.raises(SettingsError, match="taken by another instance"):
        store.instances.add(record)

    assert store.instances.all() == (INSTANCE,)


def test_an_instance_that_is_there_is_not_made_again(store: Store) -> None:
    found = store.instances.get_or_add(replace(INSTANCE, trust_model=TrustModel.SHARED))

    assert found == INSTANCE


def test_an_instance_that_is_not_there_is_made(store: Store) -> None:
    assert store.instances.get_or_add(OTHER) == OTHER
    assert store.instances.get("another") == OTHER


def test_an_instance_is_not_made_at_the_url_of_another(store: Store) -> None:
    with pytest.raises(SettingsError, match=r"https://one\.example is taken"):
        store.instances.get_or_add(replace(OTHER, issuer=INSTANCE.issuer))


def test_the_slower_of_two_workers_takes_the_instance_of_the_faster(database_url: str) -> None:
    engine, faster = create_engine(database_url), Store.open(database_url)
    store = Store(engine)
    store.upgrade()
    checkouts = 0

    def on_checkout(*_: object) -> None:
        # The first look finds nothing; before the second one, which adds, another worker does.
        nonlocal checkouts
        checkouts += 1
        if checkouts == 2:
            faster.instances.add(INSTANCE)

    event.listen(engine, "checkout", on_checkout)

    assert store.instances.get_or_add(replace(INSTANCE, issuer="https://two.example")) == INSTANCE
    store.close()
    faster.close()


def test_removing_an_instance_takes_everything_along(store: Store) -> None:
    store.signing_keys.add(KEY)
    store.policies.change("one", "Tpm", SentPolicy(jws=b"a.b.c", text_hash="h"), at=AT, by=ALICE)

    assert store.instances.remove("one", at=AT, by=ALICE)

    assert store.signing_keys.of("one") == ()
    assert store.policies.of("one") == ()
    assert store.policies.history("one", "Tpm") == ()
    assert store.signers.of("one") == ()
    assert not store.instances.remove("one", at=AT, by=ALICE)


def test_a_missing_instance_can_be_required(store: Store) -> None:
    assert store.instances.require("one") == INSTANCE
    with pytest.raises(UnknownInstanceError, match="no instance 'two'"):
        store.instances.require("two")


def test_names_are_taken_in_any_case(store: Store) -> None:
    with pytest.raises(SettingsError, match="'ONE': its name"):
        store.instances.add(replace(OTHER, name="ONE"))


def test_an_instance_changes_but_for_its_trust_model_and_birth(store: Store) -> None:
    later = AT + timedelta(days=1)
    wanted = replace(
        INSTANCE,
        issuer="https://new.example",
        trust_model=TrustModel.SHARED,
        region="there",
        settings={"compatibility": "2021"},
        tags={},
        created_at=later,
    )

    store.instances.update(wanted, at=later)

    assert store.instances.get("one") == replace(
        wanted, trust_model=INSTANCE.trust_model, created_at=AT, updated_at=later
    )


def test_an_instance_that_is_not_there_does_not_change(store: Store) -> None:
    with pytest.raises(UnknownInstanceError):
        store.instances.update(OTHER, at=AT)


def test_an_instance_does_not_take_the_url_of_another(store: Store) -> None:
    store.instances.add(OTHER)

    with pytest.raises(SettingsError, match=r"https://one\.example is taken"):
        store.instances.update(replace(OTHER, issuer=INSTANCE.issuer), at=AT)


# Revisions.


def _revision(store: Store, name: str) -> int:
    return {entry.name: entry.revision for entry in store.instances.entries()}[name]


def _changes() -> dict[str, Callable[[Store], object]]:
    sent = SentPolicy(jws=b"a.b.c", text_hash="h")
    second = replace(SIGNER, fingerprint="bb")
    prepared = replace(KEY, kid="kid-2", state=KeyState.PREPARED)
    return {
        "update": lambda store: store.instances.update(INSTANCE, at=AT),
        "policy": lambda store: store.policies.change("one", "Tpm", sent, at=AT, by=ALICE),
        "add a signer": lambda store: store.signers.add(second, under="aa"),
        "remove a signer": lambda store: store.signers.remove(
            "one", "bb", under="aa", at=AT, by=ALICE
        ),
        "add a key": lambda store: store.signing_keys.add(prepared),
        "certify a key": lambda store: store.signing_keys.certify(prepared, at=AT),
        "activate a key": lambda store: store.signing_keys.activate("one", "kid-2", at=AT),
        "remove a key": lambda store: store.signing_keys.remove("one", "kid-1", at=AT),
    }


def test_every_change_of_an_instance_has_a_revision_of_its_own(store: Store) -> None:
    store.instances.add(OTHER)
    store.signing_keys.add(KEY)
    before, untouched = store.revision(), _revision(store, "another")

    for name, change in _changes().items():
        change(store)

        assert _revision(store, "one") == store.revision() == before + 1, name
        assert _revision(store, "another") == untouched
        before += 1


def test_a_new_instance_of_an_old_name_has_another_revision(store: Store) -> None:
    before = _revision(store, "one")
    store.instances.remove("one", at=AT, by=ALICE)

    store.instances.add(INSTANCE)

    assert _revision(store, "one") > before


def test_collateral_changes_no_revision(store: Store) -> None:
    before = store.revision()

    store.collateral.put(DOCUMENT)

    assert store.revision() == before


def test_a_change_that_fails_takes_no_revision(store: Store) -> None:
    before = store.revision()

    with pytest.raises(SettingsError):
        store.instances.add(INSTANCE)

    assert store.revision() == before


def test_the_state_of_an_instance_is_read_as_a_whole(store: Store) -> None:
    store.signing_keys.add(KEY)
    policy = store.policies.change(
        "one", "Tpm", SentPolicy(jws=b"a.b.c", text_hash="h"), at=AT, by=ALICE
    )

    assert store.instances.state("one") == InstanceState(
        record=INSTANCE, revision=store.revision(), policies=(policy,), signing_keys=(KEPT,)
    )
    with pytest.raises(UnknownInstanceError):
        store.instances.state("two")
