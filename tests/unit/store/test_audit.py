from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from assay.access import Grants, Right, issue_api_token
from assay.audit import AuditRecord, parse_line, verify_export
from assay.errors import OperationRefusedError, UnknownInstanceError
from assay.keys import SigningAlgorithm
from assay.store import Author, KeyState, SentPolicy, Store
from tests.unit.store.records import ALICE, AT, KEY, OTHER, SIGNER

_SECOND = replace(SIGNER, fingerprint="bb", certificate=b"\x30second")
_TOKEN = issue_api_token(
    "ci", Grants.of([Right.READ], ["one"]), created_at=AT, lifetime=timedelta(days=1)
).token
_SET = SentPolicy(jws=b"a", text_hash="hash")
_RESET = SentPolicy(jws=b"a", text_hash=None)


def _records(store: Store) -> list[AuditRecord]:
    lines = list(store.audit.lines())
    assert verify_export(lines).sequence == len(lines)
    return [parse_line(line)[0] for line in lines]


_CHANGES: dict[str, tuple[Callable[[Store], object], str, dict[str, str]]] = {
    "instance.create": (
        lambda store: store.instances.add(OTHER, by=ALICE),
        "",
        {"issuer": OTHER.issuer, "trust_model": "AAD"},
    ),
    "policy.set": (
        lambda store: store.policies.change("one", "Tpm", _SET, at=AT, by=ALICE),
        "Tpm",
        {"old": "default", "new": "hash"},
    ),
    "policy.reset": (
        lambda store: store.policies.change("one", "Tpm", _RESET, at=AT, by=ALICE),
        "Tpm",
        {"old": "default", "new": "default"},
    ),
    "signer.add": (
        lambda store: store.signers.add(_SECOND, under="aa"),
        "bb",
        {"signer": "aa"},
    ),
    "token.create": (
        lambda store: store.api_tokens.add(_TOKEN, by=ALICE),
        _TOKEN.token_id,
        {"name": "ci", "grants": "read@one"},
    ),
    "instance.delete": (lambda store: store.instances.remove("one", at=AT, by=ALICE), "", {}),
}


@pytest.mark.parametrize("action", _CHANGES)
def test_a_change_is_in_the_record(action: str, store: Store) -> None:
    change, target, details = _CHANGES[action]
    change(store)

    created, record = _records(store)
    assert created.event.action == "instance.create"
    event = record.event
    assert (event.action, event.outcome, event.target) == (action, "done", target)
    assert event.details == details
    assert (event.actor_name, event.address, event.at) == ("alice", "192.0.2.1", AT)


def test_keys_and_settings_are_changed_by_the_service(store: Store) -> None:
    prepared = replace(KEY, kid="kid-2", state=KeyState.PREPARED, algorithm=SigningAlgorithm.ES256)
    store.instances.update(replace(OTHER, name="one"), at=AT)
    store.signing_keys.add(KEY)
    store.signing_keys.add(prepared)
    store.signing_keys.activate("one", "kid-2", at=AT)
    store.signing_keys.remove("one", "kid-1", at=AT)

    _, *records = _records(store)
    assert [(one.event.action, one.event.target) for one in records] == [
        ("instance.update", ""),
        ("key.add", "kid-1"),
        ("key.add", "kid-2"),
        ("key.retire", "kid-1"),
        ("key.activate", "kid-2"),
        ("key.remove", "kid-1"),
    ]
    assert {one.event.actor_kind for one in records} == {"service"}


def test_what_is_taken_away_is_in_the_record(store: Store) -> None:
    store.signers.add(_SECOND, under="aa")
    store.signers.remove("one", "bb", under="aa", at=AT, by=ALICE)
    store.api_tokens.add(_TOKEN, by=ALICE)
    store.api_tokens.remove(_TOKEN.token_id, at=AT, by=ALICE)

    actions = [one.event.action for one in _records(store)]
    assert actions[1:] == ["signer.add", "signer.remove", "token.create", "token.revoke"]


def test_what_changes_nothing_is_not_in_the_record(store: Store) -> None:
    store.signers.add(SIGNER, under="aa")
    store.signers.remove("one", "bb", under="aa", at=AT, by=ALICE)
    store.instances.remove("none", at=AT, by=ALICE)
    store.api_tokens.remove("none", at=AT, by=ALICE)
    store.signing_keys.remove("one", "none", at=AT)
    with pytest.raises(OperationRefusedError):
        store.signers.remove("one", "aa", under="aa", at=AT, by=ALICE)
    with pytest.raises(UnknownInstanceError):
        store.policies.change("none", "Tpm", _SET, at=AT, by=ALICE)

    assert len(_records(store)) == 1


def test_the_record_has_who_vouches_for_whom_and_the_history_has_it_in_words(store: Store) -> None:
    author = Author(
        kind="bearer", name="bob", authority="https://issuer.example", request="00-1", address="::1"
    )
    store.policies.change("one", "Tpm", _SET, at=AT, by=author)

    event = _records(store)[-1].event
    assert (event.actor_kind, event.actor_name) == ("bearer", "bob")
    assert (event.actor_authority, event.request) == ("https://issuer.example", "00-1")
    [change] = store.policies.history("one", "Tpm")
    assert change.changed_by == Author(name="bearer: bob (https://issuer.example)", address="::1")


def test_changes_at_the_same_moment_are_one_chain(store: Store) -> None:
    def change(number: int) -> None:
        sent = SentPolicy(jws=b"a", text_hash=str(number))
        store.policies.change("one", "Tpm", sent, at=AT, by=ALICE)

    with ThreadPoolExecutor(4) as workers:
        list(workers.map(change, range(12)))

    hashes = [one.event.details["new"] for one in _records(store)[1:]]
    assert hashes == [one.text_hash for one in store.policies.history("one", "Tpm")]
    assert len(hashes) == 12


def test_a_long_record_is_read_to_its_end(store: Store) -> None:
    for number in range(4):
        sent = SentPolicy(jws=b"a", text_hash=str(number))
        store.policies.change("one", "Tpm", sent, at=AT, by=ALICE)

    assert list(store.audit.lines(batch=2)) == list(store.audit.lines())
    assert len(_records(store)) == 5
