from __future__ import annotations

from datetime import timedelta

from assay.access import ApiToken, Grants, Right, issue_api_token
from assay.store import Store
from tests.unit.store.records import ALICE, AT

_DAY = timedelta(days=1)


def _token(name: str = "ci", age: timedelta = timedelta(0)) -> ApiToken:
    grants = Grants.of(Right, ["one", "*"])
    return issue_api_token(name, grants, created_at=AT - age, lifetime=_DAY).token


def test_a_token_comes_back_as_it_was_kept(store: Store) -> None:
    token = _token()
    store.api_tokens.add(token, by=ALICE)

    assert store.api_tokens.get(token.token_id) == token
    assert store.api_tokens.get("a" * 16) is None


def test_tokens_are_listed_from_the_oldest(store: Store) -> None:
    newer, older = _token("newer"), _token("older", age=2 * _DAY)
    store.api_tokens.add(newer, by=ALICE)
    store.api_tokens.add(older, by=ALICE)

    assert store.api_tokens.all() == (older, newer)


def test_a_token_that_was_taken_away_is_gone(store: Store) -> None:
    token = _token()
    store.api_tokens.add(token, by=ALICE)

    assert store.api_tokens.remove(token.token_id, at=AT, by=ALICE)
    assert not store.api_tokens.remove(token.token_id, at=AT, by=ALICE)
    assert store.api_tokens.get(token.token_id) is None


def test_a_token_that_has_ended_lets_nobody_in(store: Store) -> None:
    assert not store.api_tokens.any_valid(at=AT)

    store.api_tokens.add(_token(age=_DAY), by=ALICE)
    assert not store.api_tokens.any_valid(at=AT)

    store.api_tokens.add(_token(), by=ALICE)
    assert store.api_tokens.any_valid(at=AT)
