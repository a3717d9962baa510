from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.encoding import JsonValue, encode_base64url, encode_json
from assay.errors import TokenError
from assay.token import read_unverified, sign_token
from tests.unit.token.issued import (
    EXPECT,
    ISSUER,
    P256_KEY,
    STRANGER,
    issued_claims,
    make_token,
    refusal_of,
)


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "a.b",
        "a.b.c.d",
        "a.b.c.d.e",
        "a.b.c\n",
        " a.b.c",
        "a=.b.c",
        "a+.b.c",
        "ä.b.c",
        "e30..",
        "e30.e30.",
        "e30.W10.AA",
        "W10.e30.AA",
        "A.e30.AA",
    ],
)
def test_what_is_no_token_is_refused(token: str) -> None:
    assert refusal_of(token) in (["token.jws.token_format"], ["token.jws.algorithm"])


@pytest.mark.parametrize("text", ["." * 250_000, "a" * 262_145])
def test_a_flood_of_dots_or_characters_is_refused_unread(text: str) -> None:
    """TK-02: splitting at every dot."""
    assert refusal_of(text) in (["token.jws.token_format"], ["token.jws.size"])


@pytest.mark.parametrize(
    "header",
    [
        b'{"alg":"none","alg":"ES256"}',
        b'{"alg":"ES256"',
        b'["alg"]',
        b'{"alg":NaN}',
        b'\xff{"alg":"ES256"}',
        b'{"alg":"ES256"}x',
    ],
)
def test_a_header_that_is_not_strict_json_is_refused(header: bytes) -> None:
    token = make_token(header, encode_json(issued_claims()), P256_KEY.sign)

    assert refusal_of(token) == ["token.jws.token_format"]


@pytest.mark.parametrize(
    "payload", [b"", b"[]", b'{"iss":"a","iss":"b"}', b"{'a':1}", b'{"exp":1e999}']
)
def test_a_signed_payload_that_is_not_strict_json_is_refused(payload: bytes) -> None:
    header: dict[str, JsonValue] = {"alg": "ES256", "kid": P256_KEY.kid}

    assert refusal_of(make_token(header, payload, P256_KEY.sign)) == ["token.jws.token_format"]


def _spelled_otherwise(part: str) -> str:
    """The same bytes with a spare bit set, which only a part of 2 modulo 4 characters has."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert len(part) % 4 == 2
    return part[:-1] + alphabet[alphabet.index(part[-1]) + 1]


def test_a_second_spelling_of_the_header_is_refused() -> None:
    token = make_token(b'{"alg":"ES256" }', encode_json(issued_claims()), P256_KEY.sign)
    header, payload, signature = token.split(".")

    assert refusal_of(f"{_spelled_otherwise(header)}.{payload}.{signature}") == [
        "token.jws.token_format"
    ]


@pytest.mark.parametrize("name", ["ES256", "none"])
def test_a_second_spelling_of_the_payload_is_refused(name: str) -> None:
    claims = encode_json(issued_claims())
    payload = encode_base64url(claims + b" " * (-len(claims) % 3 + 1))
    header = encode_base64url(encode_json({"alg": name, "kid": P256_KEY.kid}))
    signing_input = f"{header}.{_spelled_otherwise(payload)}"
    signature = "" if name == "none" else encode_base64url(P256_KEY.sign(signing_input.encode()))

    checks = refusal_of(f"{signing_input}.{signature}", replace(EXPECT, allow_unsecured=True))

    assert checks in (["token.jws.token_format"], ["token.jws.token_signature"])


def test_a_second_spelling_of_the_signature_is_refused() -> None:
    head, _, signature = sign_token(issued_claims(), P256_KEY, issuer=ISSUER).rpartition(".")

    assert refusal_of(f"{head}.{_spelled_otherwise(signature)}") == ["token.jws.token_signature"]


# Reading without checks.


def test_read_unverified_shows_a_token_of_anybody() -> None:
    token = read_unverified(sign_token({"b": 1}, STRANGER, issuer=ISSUER))

    assert token.claims == {"b": 1}
    assert token.header["kid"] == STRANGER.kid


@pytest.mark.parametrize("token", ["", "a.b.c", "e30.W10."])
def test_read_unverified_refuses_what_is_no_token(token: str) -> None:
    with pytest.raises(TokenError):
        read_unverified(token)


@pytest.mark.property
@given(token=st.text(alphabet="abAB01-_.=e3W{}", max_size=60) | st.text(max_size=40))
def test_any_text_is_refused_with_a_finding(token: str) -> None:
    refusal_of(token)


@pytest.mark.property
@given(position=st.integers(min_value=0), replacement=st.sampled_from("AZaz09-_."))
def test_a_token_with_one_character_changed_is_refused(position: int, replacement: str) -> None:
    token = sign_token(issued_claims(), P256_KEY, issuer=ISSUER)
    index = position % len(token)
    changed = token[:index] + replacement + token[index + 1 :]

    if changed != token:
        refusal_of(changed)


def test_a_payload_of_other_characters_is_refused_before_it_is_read() -> None:
    header, _, signature = sign_token(issued_claims(), P256_KEY, issuer=ISSUER).split(".")

    assert refusal_of(f"{header}.ä.{signature}") == ["token.jws.token_signature"]
