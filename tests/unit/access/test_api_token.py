from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.access import (
    MAX_LIFETIME,
    Grants,
    IssuedApiToken,
    Right,
    issue_api_token,
    token_digest,
    token_id,
)

AT: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)
GRANTS: Final = Grants.of([Right.READ], ["a"])

_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz234567_A"


def _issue(
    name: str = "ci", grants: Grants = GRANTS, lifetime: timedelta = timedelta(days=90)
) -> IssuedApiToken:
    return issue_api_token(name, grants, created_at=AT, lifetime=lifetime)


def test_a_token_has_a_prefix_an_identifier_a_secret_and_a_checksum() -> None:
    issued = _issue()

    prefix, identifier, rest = issued.text.split("_")
    assert (prefix, identifier, len(rest)) == ("assay", issued.token.token_id, 59)


def test_a_token_ends_and_says_what_it_is_for() -> None:
    token = _issue().token

    assert (token.name, token.grants) == ("ci", GRANTS)
    assert token.expires_at - token.created_at == timedelta(days=90)


def test_only_a_digest_is_kept_of_a_token() -> None:
    issued = _issue()

    assert issued.token.digest == hashlib.sha256(issued.text.encode()).digest()
    assert token_digest(issued.text) == issued.token.digest


def test_no_two_tokens_are_the_same() -> None:
    issued = [_issue() for _ in range(20)]

    assert len({one.text for one in issued} | {one.token.token_id for one in issued}) == 40


def test_a_token_shows_in_no_repr() -> None:
    """KR-09: never logged."""
    issued = _issue()

    for shown in (repr(issued), repr(issued.token), str(issued)):
        assert issued.text[-59:] not in shown
        assert repr(issued.token.digest) not in shown


@pytest.mark.parametrize(
    "lifetime", [timedelta(0), timedelta(seconds=-1), MAX_LIFETIME + timedelta(seconds=1)]
)
def test_no_token_lives_for_ever(lifetime: timedelta) -> None:
    """KR-09: a maximum lifetime."""
    with pytest.raises(ValueError, match="lifetime"):
        _issue(lifetime=lifetime)


def test_a_token_may_live_for_a_year() -> None:
    assert _issue(lifetime=MAX_LIFETIME).token.expires_at == AT + MAX_LIFETIME


def test_a_token_without_rights_is_not_made() -> None:
    with pytest.raises(ValueError, match="right"):
        _issue(grants=Grants())


@pytest.mark.parametrize("name", ["", "a\nb"])
def test_a_token_whose_name_cannot_be_recorded_is_not_made(name: str) -> None:
    with pytest.raises(ValueError, match="printable"):
        _issue(name=name)


def test_the_identifier_is_read_from_the_text() -> None:
    issued = _issue()

    assert token_id(issued.text) == issued.token.token_id


@given(fraction=st.floats(0, 1, exclude_max=True), shift=st.integers(1, len(_LETTERS) - 1))
def test_a_typing_error_is_seen(fraction: float, shift: int) -> None:
    text = _issue().text
    place = int(fraction * len(text))
    other = _LETTERS[(_LETTERS.index(text[place]) + shift) % len(_LETTERS)]

    assert token_id(text[:place] + other + text[place + 1 :]) is None


def test_another_spelling_is_no_token() -> None:
    text = _issue().text

    assert [token_id(one) for one in (text.upper(), text + "a", text[:-1], f" {text}")] == [
        None
    ] * 4


@given(st.text(max_size=100))
def test_no_text_upsets_the_reader(text: str) -> None:
    assert token_id(text) is None
