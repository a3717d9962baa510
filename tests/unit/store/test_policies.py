from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from assay.errors import UnknownInstanceError, UntrustedSignerError
from assay.store import (
    Author,
    PolicyAction,
    PolicyChange,
    PolicyRecord,
    SentPolicy,
    Store,
)
from tests.unit.store.records import ALICE, AT, OTHER

_BOB = Author(name="bob")
_RESET = SentPolicy(jws=b"eyJhbGciOiJub25lIn0..", text_hash=None)


def _sent(text: str) -> SentPolicy:
    return SentPolicy(jws=text.encode(), text_hash=f"hash of {text}")


def test_a_policy_comes_back_byte_for_byte(store: Store) -> None:
    jws = b'eyJhbGciOiJub25lIn0 .\r\n"x"\x00'

    kept = store.policies.change(
        "one", "SgxEnclave", SentPolicy(jws=jws, text_hash="hash"), at=AT, by=ALICE
    )

    assert kept == PolicyRecord(
        instance="one",
        attestation_type="SgxEnclave",
        jws=jws,
        text_hash="hash",
        version=1,
        changed_at=AT,
    )
    assert store.policies.get("one", "SgxEnclave") == kept


def test_a_policy_never_set_is_nothing(store: Store) -> None:
    assert store.policies.get("one", "SgxEnclave") is None
    assert store.policies.history("one", "SgxEnclave") == ()


def test_every_change_of_a_policy_has_a_version_of_its_own(store: Store) -> None:
    first = store.policies.change("one", "Tpm", _sent("a"), at=AT, by=ALICE)
    reset = store.policies.change("one", "Tpm", _RESET, at=AT + timedelta(hours=1), by=ALICE)
    again = store.policies.change("one", "Tpm", _sent("a"), at=AT, by=ALICE)

    assert [first.version, reset.version, again.version] == [1, 2, 3]
    assert (reset.jws, reset.text_hash) == (None, None)
    assert reset.changed_at == AT + timedelta(hours=1)
    assert store.policies.get("one", "Tpm") == again


def test_the_history_tells_who_changed_what_and_when(store: Store) -> None:
    later = AT + timedelta(hours=1)
    store.policies.change("one", "Tpm", _sent("a"), at=AT, by=ALICE)
    store.policies.change("one", "Tpm", _RESET, at=later, by=_BOB)

    assert store.policies.history("one", "Tpm") == (
        PolicyChange(
            instance="one",
            attestation_type="Tpm",
            version=1,
            action=PolicyAction.SET,
            jws=b"a",
            text_hash="hash of a",
            previous_hash=None,
            changed_at=AT,
            changed_by=ALICE,
        ),
        PolicyChange(
            instance="one",
            attestation_type="Tpm",
            version=2,
            action=PolicyAction.RESET,
            jws=_RESET.jws,
            text_hash=None,
            previous_hash="hash of a",
            changed_at=later,
            changed_by=_BOB,
        ),
    )


def test_policies_of_other_types_and_instances_stay(store: Store) -> None:
    store.instances.add(OTHER)
    kept = store.policies.change("one", "SgxEnclave", _sent("1"), at=AT, by=ALICE)
    store.policies.change("another", "SgxEnclave", _sent("2"), at=AT, by=ALICE)

    second = store.policies.change("one", "OpenEnclave", _sent("3"), at=AT, by=ALICE)
    store.policies.change("another", "SgxEnclave", _RESET, at=AT, by=ALICE)

    assert store.policies.of("one") == (second, kept)
    assert len(store.policies.history("one", "SgxEnclave")) == 1


def test_a_policy_needs_its_instance(store: Store) -> None:
    with pytest.raises(UnknownInstanceError, match="no instance 'two'"):
        store.policies.change("two", "SgxEnclave", _sent("1"), at=AT, by=ALICE)


def test_a_change_needs_its_signer_at_the_moment_it_is_made(store: Store) -> None:
    with pytest.raises(UntrustedSignerError, match="bb of instance 'one' was removed"):
        store.policies.change("one", "Tpm", _sent("1"), at=AT, by=ALICE, under="bb")

    assert store.policies.get("one", "Tpm") is None
    kept = store.policies.change("one", "Tpm", _sent("1"), at=AT, by=ALICE, under="aa")

    assert kept.version == 1


def test_of_changes_at_the_same_moment_the_last_holds_and_none_is_lost(store: Store) -> None:
    texts = [f"policy {number}" for number in range(24)]

    with ThreadPoolExecutor(4) as workers:
        kept = list(
            workers.map(
                lambda text: store.policies.change("one", "Tpm", _sent(text), at=AT, by=ALICE),
                texts,
            )
        )

    history = store.policies.history("one", "Tpm")
    assert [change.version for change in history] == list(range(1, 25))
    assert {change.text_hash for change in history} == {f"hash of {text}" for text in texts}
    assert [change.previous_hash for change in history[1:]] == [
        change.text_hash for change in history[:-1]
    ]
    assert store.policies.get("one", "Tpm") == max(kept, key=lambda policy: policy.version)
