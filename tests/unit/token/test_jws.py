from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from assay.encoding import JsonValue, decode_base64url, encode_base64url
from assay.keys import SigningAlgorithm, SigningKey, generate_key
from assay.token import sign_token, unsecured_token

ISSUER: Final = "https://assay.example"

_values: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def key(at: datetime) -> SigningKey:
    return generate_key(SigningAlgorithm.ES256, created_at=at)


def _payload(token: str) -> bytes:
    return decode_base64url(token.split(".")[1], "payload")


def test_the_header_has_four_members_in_their_order(key: SigningKey) -> None:
    token = sign_token({}, key, issuer=ISSUER)

    header = decode_base64url(token.split(".")[0], "header")
    assert header.decode() == (
        f'{{"alg":"ES256","jku":"https://assay.example/certs","kid":"{key.kid}","typ":"JWT"}}'
    )


def test_the_header_follows_key_and_issuer(key: SigningKey, at: datetime) -> None:
    other = generate_key(SigningAlgorithm.ES384, created_at=at)

    tokens = [
        sign_token({}, one, issuer=issuer)
        for one in (key, other)
        for issuer in (ISSUER, "https://b")
    ]

    headers = [json.loads(decode_base64url(token.split(".")[0], "header")) for token in tokens]
    assert [(header["alg"], header["kid"], header["jku"]) for header in headers] == [
        ("ES256", key.kid, "https://assay.example/certs"),
        ("ES256", key.kid, "https://b/certs"),
        ("ES384", other.kid, "https://assay.example/certs"),
        ("ES384", other.kid, "https://b/certs"),
    ]


def test_claims_are_compact_and_sorted_by_code_point_at_every_level(key: SigningKey) -> None:
    claims: Mapping[str, JsonValue] = {
        "b": 1,
        "Z": {"y": [{"b": True, "a": None}], "x": "ü"},
        "\U00010000": 2,
        "\uffee": 3,
        "a-b": 4,
        "a": "<+&>/",
    }

    token = sign_token(claims, key, issuer=ISSUER)

    assert _payload(token).decode() == (
        '{"Z":{"x":"ü","y":[{"a":null,"b":true}]},"a":"<+&>/","a-b":4,"b":1,'
        '"\uffee":3,"\U00010000":2}'
    )


@pytest.mark.property
@given(claims=st.dictionaries(st.text(), _values, max_size=5))
def test_the_payload_is_what_a_plain_encoder_writes(
    claims: dict[str, JsonValue], key: SigningKey
) -> None:
    token = sign_token(claims, key, issuer=ISSUER)

    assert json.loads(_payload(token)) == claims
    assert encode_base64url(_payload(token)) == token.split(".")[1]


@pytest.mark.parametrize("algorithm", SigningAlgorithm)
def test_another_library_verifies_the_token(algorithm: SigningAlgorithm, at: datetime) -> None:
    key = generate_key(algorithm, created_at=at)
    family = RSAKey if algorithm.value.startswith(("RS", "PS")) else ECKey
    public_key = family.import_key(key.spki_pem.decode())

    token = sign_token({"claim": "value"}, key, issuer=ISSUER)

    read = jws.deserialize_compact(token, public_key, algorithms=[algorithm.value])
    assert read.payload == b'{"claim":"value"}'


def test_an_unsecured_token_has_the_header_and_no_signature() -> None:
    token = unsecured_token({"b": 1, "a": 2}, kid="the-kid", issuer=ISSUER)

    header, payload, signature = token.split(".")
    assert decode_base64url(header, "header") == (
        b'{"alg":"none","jku":"https://assay.example/certs","kid":"the-kid","typ":"JWT"}'
    )
    assert decode_base64url(payload, "payload") == b'{"a":2,"b":1}'
    assert signature == ""
