from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from assay.encoding import JsonValue
from assay.errors import TokenError
from assay.token import sign_token, verify_token
from tests.unit.token.issued import (
    AT,
    EXPECT,
    ISSUER,
    KEYS,
    P256_KEY,
    STRANGER,
    claims_without,
    issued_claims,
    make_token,
    refusal_of,
    token_with_header,
)


def _signed(claims: dict[str, JsonValue]) -> str:
    return sign_token(claims, P256_KEY, issuer=ISSUER)


@pytest.mark.parametrize("issuer", [ISSUER + "/", "https://ASSAY.example", "", None, [ISSUER], 1])
def test_the_issuer_is_compared_exactly(issuer: JsonValue) -> None:
    assert refusal_of(_signed(issued_claims(iss=issuer))) == ["token.claims.issuer"]


def test_a_token_without_issuer_is_refused() -> None:
    assert refusal_of(_signed(claims_without("iss"))) == ["token.claims.issuer"]


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
def test_a_token_without_one_of_its_times_is_refused(name: str) -> None:
    assert refusal_of(_signed(claims_without(name))) == ["token.claims.claims_format"]


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", ["1", True, None, [1]])
def test_a_time_that_is_no_number_is_refused(name: str, value: JsonValue) -> None:
    assert refusal_of(_signed(issued_claims(**{name: value}))) == ["token.claims.claims_format"]


@pytest.mark.parametrize(
    ("name", "offset", "checks"),
    [
        ("exp", 1, []),
        ("exp", 0.5, []),
        ("exp", 0, ["token.claims.token_expired"]),
        ("exp", -1, ["token.claims.token_expired"]),
        ("nbf", 0, []),
        ("nbf", 1, ["token.claims.token_not_yet_valid"]),
        ("iat", 0, []),
        ("iat", 1, ["token.claims.token_not_yet_valid"]),
    ],
)
def test_a_token_is_valid_from_nbf_until_just_before_exp(
    name: str, offset: float, checks: list[str]
) -> None:
    token = _signed(issued_claims(**{name: AT.timestamp() + offset}))

    if checks:
        assert refusal_of(token) == checks
    else:
        assert verify_token(token, KEYS, at=AT, expect=EXPECT).signed


@pytest.mark.parametrize(("name", "offset"), [("exp", -5), ("nbf", 5), ("iat", 5)])
def test_the_clock_skew_widens_both_ends(name: str, offset: int) -> None:
    token = _signed(issued_claims(**{name: AT.timestamp() + offset}))

    enough = replace(EXPECT, clock_skew=timedelta(seconds=6))
    assert verify_token(token, KEYS, at=AT, expect=enough).signed
    assert len(refusal_of(token, replace(EXPECT, clock_skew=timedelta(seconds=4)))) == 1


def test_a_time_may_be_left_out_where_it_is_not_demanded() -> None:
    expect = replace(EXPECT, times=frozenset({"exp"}))

    assert verify_token(_signed(claims_without("nbf")), KEYS, at=AT, expect=expect).signed
    assert refusal_of(_signed(claims_without("exp")), expect) == ["token.claims.claims_format"]


@pytest.mark.parametrize("nbf", [AT.timestamp() + 1, "soon", None])
def test_a_time_that_is_not_demanded_is_checked_where_it_is(nbf: JsonValue) -> None:
    expect = replace(EXPECT, times=frozenset({"exp"}))

    assert len(refusal_of(_signed(issued_claims(nbf=nbf)), expect)) == 1


def test_every_failed_claim_is_told() -> None:
    token = _signed(issued_claims(iss="x", aud="y", exp=1, nbf=2**40, iat="z"))

    assert refusal_of(token) == [
        "token.claims.token_expired",
        "token.claims.token_not_yet_valid",
        "token.claims.claims_format",
        "token.claims.issuer",
        "token.claims.audience",
    ]


@pytest.mark.parametrize("audience", ["me", ["me"], ["you", "me"]])
def test_a_token_for_the_reader_passes(audience: JsonValue) -> None:
    """TK-04."""
    expect = replace(EXPECT, audiences=frozenset({"I", "me"}))

    assert verify_token(_signed(issued_claims(aud=audience)), KEYS, at=AT, expect=expect).signed


@pytest.mark.parametrize(
    "audience", ["m", "me2", "ME", "", ["you"], [], ["me2", None], {"me": 1}, None, 1]
)
@pytest.mark.parametrize("readers", [(), ("me",), ("I", "me")])
def test_a_token_for_others_is_refused(audience: JsonValue, readers: tuple[str, ...]) -> None:
    """TK-04: string, list, prefix; and a reader who expects no audience at all."""
    token = _signed(issued_claims(aud=audience))

    expect = replace(EXPECT, audiences=frozenset(readers))
    assert refusal_of(token, expect) == ["token.claims.audience"]


def test_a_token_for_anybody_is_refused_where_an_audience_is_demanded() -> None:
    """TK-04: absent."""
    expect = replace(EXPECT, audiences=frozenset({"me"}))

    assert refusal_of(_signed(issued_claims()), expect) == ["token.claims.audience"]


def test_claims_are_not_looked_at_before_the_signature_holds() -> None:
    token = make_token({"alg": "ES256", "kid": P256_KEY.kid}, b"not json", STRANGER.sign)

    assert refusal_of(token) == ["token.jws.token_signature"]


def test_an_error_shows_little_of_a_long_value() -> None:
    with pytest.raises(TokenError) as raised:
        verify_token(token_with_header(kid="k" * 5000), KEYS, at=AT, expect=EXPECT)

    assert len(str(raised.value)) < 300
