from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from assay.encoding import JsonValue, encode_json
from assay.keys import SigningAlgorithm, SigningKey
from assay.token import KeySet, sign_token, signing_certificate, unsecured_token, verify_token
from tests.unit.token.issued import (
    ALL_KEYS,
    AT,
    EXPECT,
    ISSUER,
    KEYS,
    P256_KEY,
    P384_KEY,
    RSA_KEY,
    issued_claims,
    make_key_set,
    make_token,
    refusal_of,
    token_with_header,
)


@pytest.mark.parametrize("key", ALL_KEYS, ids=[key.algorithm for key in ALL_KEYS])
@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_a_public_key_is_never_an_hmac_secret(key: SigningKey, algorithm: str) -> None:
    """TK-01: each form that the public key is known in."""
    digest = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}[algorithm]
    secrets = [
        key.spki_pem,
        key.spki_pem.rstrip(),
        key.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        signing_certificate(key, issuer=ISSUER),
    ]
    for secret in secrets:
        token = make_token(
            {"alg": algorithm, "kid": key.kid},
            encode_json(issued_claims()),
            lambda data, secret=secret: hmac.digest(secret, data, digest),  # type: ignore[misc]
        )

        assert refusal_of(token) == ["token.jws.algorithm"]


@pytest.mark.parametrize(
    "name",
    [
        "None",
        "NONE",
        "nOnE",
        "none ",
        " none",
        "",
        "rs256",
        "es256",
        "ES256\x00",
        "RS384",
        "EdDSA",
        "ES256K",
        "dir",
        "RSA-OAEP",
        "PBES2-HS256+A128KW",
    ],
)
def test_no_other_spelling_or_algorithm_passes(name: str) -> None:
    """TK-01, TK-02."""
    token = token_with_header(alg=name)

    assert refusal_of(token, replace(EXPECT, allow_unsecured=True)) == ["token.jws.algorithm"]


@pytest.mark.parametrize("alg", [None, 1, True, ["ES256"], {"ES256": 1}])
def test_an_algorithm_that_is_no_string_is_refused(alg: JsonValue) -> None:
    assert refusal_of(token_with_header(alg=alg)) == ["token.jws.algorithm"]


def test_a_missing_algorithm_is_refused() -> None:
    token = make_token({"kid": P256_KEY.kid}, encode_json(issued_claims()), P256_KEY.sign)

    assert refusal_of(token) == ["token.jws.algorithm"]


def test_only_the_algorithms_asked_for_pass() -> None:
    token = sign_token(issued_claims(), P256_KEY, issuer=ISSUER)
    expect = replace(EXPECT, algorithms=frozenset({SigningAlgorithm.RS256}))

    assert refusal_of(token, expect) == ["token.jws.algorithm"]


def test_no_algorithm_passes_where_none_is_asked_for() -> None:
    token = sign_token(issued_claims(), P256_KEY, issuer=ISSUER)

    assert refusal_of(token, replace(EXPECT, algorithms=frozenset())) == ["token.jws.algorithm"]


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (RSA_KEY, "ES256"),
        (P256_KEY, "RS256"),
        (P256_KEY, "ES384"),
        (P384_KEY, "ES256"),
        (P384_KEY, "PS256"),
    ],
)
def test_the_algorithm_must_be_one_of_the_key(key: SigningKey, algorithm: str) -> None:
    assert refusal_of(token_with_header(key, alg=algorithm)) == ["token.jws.key_mismatch"]


def test_a_key_bound_to_an_algorithm_serves_no_other() -> None:
    kid = RSA_KEY.kid
    bound = replace(KEYS.keys[kid], algorithm="PS256")
    keys = KeySet(keys={kid: bound}, passed_over={})

    assert refusal_of(sign_token(issued_claims(), RSA_KEY, issuer=ISSUER), keys=keys) == [
        "token.jws.key_mismatch"
    ]


def test_the_padding_of_rsa_must_be_the_one_named() -> None:
    assert refusal_of(token_with_header(RSA_KEY, alg="PS256")) == ["token.jws.token_signature"]


# Unsecured tokens.


def test_an_unsecured_token_is_refused() -> None:
    """TK-01."""
    token = unsecured_token(issued_claims(), kid=P256_KEY.kid, issuer=ISSUER)

    assert refusal_of(token) == ["token.jws.unsecured"]


def test_an_unsecured_token_passes_where_it_is_allowed_and_says_so() -> None:
    token = unsecured_token(issued_claims(), kid="any", issuer=ISSUER)

    verified = verify_token(
        token, make_key_set(), at=AT, expect=replace(EXPECT, allow_unsecured=True)
    )

    assert not verified.signed
    assert verified.kid is None
    assert verified.claims == issued_claims()


def test_an_unsecured_token_has_no_signature() -> None:
    token = unsecured_token(issued_claims(), kid="any", issuer=ISSUER) + "AAAA"

    assert refusal_of(token, replace(EXPECT, allow_unsecured=True)) == ["token.jws.unsecured"]


def test_allowing_unsecured_tokens_does_not_excuse_a_bad_signature() -> None:
    token = sign_token(issued_claims(), P256_KEY, issuer=ISSUER).rpartition(".")[0] + "."

    assert refusal_of(token, replace(EXPECT, allow_unsecured=True)) == ["token.jws.token_signature"]


def test_an_unsecured_token_has_its_claims_checked() -> None:
    token = unsecured_token(issued_claims(iss="https://other"), kid="any", issuer=ISSUER)

    assert refusal_of(token, replace(EXPECT, allow_unsecured=True)) == ["token.claims.issuer"]
