from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from assay.encoding import JsonValue, encode_base64url, encode_json
from assay.errors import TokenError
from assay.keys import SigningKey
from assay.token import (
    KeySet,
    TokenExpectations,
    sign_token,
    signing_certificate,
    unsecured_token,
    verify_signature,
    verify_token,
)
from tests.unit.token.issued import (
    ALL_KEYS,
    AT,
    EXPECT,
    ISSUER,
    KEYS,
    P256_KEY,
    RSA_KEY,
    STRANGER,
    issued_claims,
    make_key_set,
    make_token,
    refusal_of,
    token_with_header,
)

# What passes.


@pytest.mark.parametrize("key", ALL_KEYS, ids=[key.algorithm for key in ALL_KEYS])
def test_a_token_of_the_issuer_is_verified(key: SigningKey) -> None:
    token = sign_token(issued_claims(), key, issuer=ISSUER)

    verified = verify_token(token, KEYS, at=AT, expect=EXPECT)

    assert verified.claims == issued_claims()
    assert verified.header["jku"] == "https://assay.example/certs"
    assert verified.kid == key.kid
    assert verified.signed


def test_a_token_of_a_long_issuer_is_verified() -> None:
    issuer = "https://assay.example/" + "a" * 2000
    token = sign_token(issued_claims(iss=issuer), P256_KEY, issuer=issuer)

    verified = verify_token(token, KEYS, at=AT, expect=TokenExpectations(issuer=issuer))

    assert verified.claims["iss"] == issuer


def test_unknown_header_members_are_ignored() -> None:
    verified = verify_token(token_with_header(other=[1], zip="DEF"), KEYS, at=AT, expect=EXPECT)

    assert verified.signed


@pytest.mark.parametrize("typ", ["JWT", "jwt"])
def test_the_type_is_compared_without_case(typ: str) -> None:
    assert verify_token(token_with_header(typ=typ), KEYS, at=AT, expect=EXPECT).signed


def test_a_token_need_not_name_its_type() -> None:
    token = make_token(
        {"alg": "ES256", "kid": P256_KEY.kid}, encode_json(issued_claims()), P256_KEY.sign
    )

    assert verify_token(token, KEYS, at=AT, expect=EXPECT).signed


# Keys: only the caller's.


def test_a_key_that_the_token_brings_is_not_used() -> None:
    """TK-01, TK-06: none of these is followed, and the stranger's signature stays a stranger's."""
    assert isinstance(STRANGER.public_key, ec.EllipticCurvePublicKey)
    numbers = STRANGER.public_key.public_numbers()
    certificate = signing_certificate(STRANGER, issuer=ISSUER)
    brought: dict[str, JsonValue] = {
        "jku": "http://127.0.0.1:9/certs",
        "x5u": "http://169.254.169.254/latest/meta-data",
        "jwk": {
            "kty": "EC",
            "crv": "P-256",
            "x": encode_base64url(numbers.x.to_bytes(32, "big")),
            "y": encode_base64url(numbers.y.to_bytes(32, "big")),
        },
        "x5c": [encode_base64url(certificate)],
    }
    for name, value in brought.items():
        for kid, check in (
            (P256_KEY.kid, "token.jws.token_signature"),
            (STRANGER.kid, "token.jws.key_unknown"),
        ):
            assert refusal_of(token_with_header(STRANGER, kid=kid, **{name: value})) == [check]


@pytest.mark.parametrize(
    "kid",
    [
        None,
        1,
        "",
        "unknown",
        "../../etc/passwd",
        pytest.param(P256_KEY.kid[:-1], id="cut short"),
    ],
)
def test_a_key_outside_the_set_is_refused(kid: JsonValue) -> None:
    assert refusal_of(token_with_header(kid=kid)) == ["token.jws.key_unknown"]


def test_a_token_without_key_identifier_is_refused() -> None:
    token = make_token({"alg": "ES256"}, encode_json(issued_claims()), P256_KEY.sign)

    assert refusal_of(token, keys=make_key_set(P256_KEY)) == ["token.jws.key_unknown"]


def test_the_reason_for_passing_a_key_over_is_told() -> None:
    keys = KeySet(keys={}, passed_over={P256_KEY.kid: "its use is not signatures"})

    with pytest.raises(TokenError, match="its use is not signatures"):
        verify_token(
            sign_token(issued_claims(), P256_KEY, issuer=ISSUER), keys, at=AT, expect=EXPECT
        )


def test_an_empty_key_set_verifies_nothing() -> None:
    token = sign_token(issued_claims(), P256_KEY, issuer=ISSUER)

    assert refusal_of(token, keys=make_key_set()) == ["token.jws.key_unknown"]


# Signatures.


@pytest.mark.parametrize("key", ALL_KEYS, ids=[key.algorithm for key in ALL_KEYS])
@pytest.mark.parametrize("changed", ["header", "payload", "signature"])
def test_a_change_of_any_part_breaks_the_signature(key: SigningKey, changed: str) -> None:
    other = sign_token(issued_claims(tee="other"), key, issuer="https://other.example").split(".")
    token = sign_token(issued_claims(), key, issuer=ISSUER).split(".")
    index = ["header", "payload", "signature"].index(changed)
    token[index] = other[index]

    assert refusal_of(".".join(token)) == ["token.jws.token_signature"]


@pytest.mark.parametrize(
    "signature",
    [b"", b"\0" * 64, b"\0" * 63, b"\0" * 65, b"\xff" * 64, b"\x30\x06\x02\x01\x01\x02\x01\x01"],
    ids=["none", "zeros", "short", "long", "ones", "DER"],
)
def test_a_signature_of_another_form_is_refused(signature: bytes) -> None:
    token = make_token(
        {"alg": "ES256", "kid": P256_KEY.kid}, encode_json(issued_claims()), lambda _: signature
    )

    assert refusal_of(token) == ["token.jws.token_signature"]


def test_a_signature_of_an_impossible_length_is_refused() -> None:
    token = sign_token(issued_claims(), P256_KEY, issuer=ISSUER)

    assert refusal_of(token.rpartition(".")[0] + ".A") == ["token.jws.token_signature"]


@pytest.mark.parametrize("header", [{"crit": ["exp"]}, {"crit": []}, {"b64": False}, {"b64": True}])
def test_header_extensions_are_refused(header: dict[str, JsonValue]) -> None:
    assert refusal_of(token_with_header(P256_KEY, **header)) == ["token.jws.critical_header"]


@pytest.mark.parametrize("typ", ["at+jwt", "application/at+jwt", "application/JWT"])
def test_another_type_passes_where_it_is_expected(typ: str) -> None:
    expect = replace(EXPECT, types=frozenset({"JWT", "at+jwt"}))

    assert verify_token(token_with_header(typ=typ), KEYS, at=AT, expect=expect).signed


@pytest.mark.parametrize("typ", ["at+jwt", "JOSE", "", None, 1, "attReq"])
def test_a_token_of_another_type_is_refused(typ: JsonValue) -> None:
    assert refusal_of(token_with_header(typ=typ)) == ["token.jws.token_type"]


# The signature alone


def test_a_signature_alone_names_its_key() -> None:
    token = sign_token({"a": 1}, RSA_KEY, issuer=ISSUER)

    assert verify_signature(token, KEYS).kid == RSA_KEY.kid


def test_a_token_that_names_no_key_is_tried_with_each_that_fits() -> None:
    token = make_token({"alg": "ES256"}, b"", P256_KEY.sign)

    assert verify_signature(token, KEYS).kid == P256_KEY.kid


def _refused_signature(token: str) -> list[str]:
    with pytest.raises(TokenError) as raised:
        verify_signature(token, KEYS)
    return [finding.check for finding in raised.value.findings]


def test_a_signature_alone_is_refused_by_name() -> None:
    nameless = make_token({"alg": "ES256"}, b"", P256_KEY.sign)
    nothing = make_token({"alg": "ES256", "kid": None}, b"", P256_KEY.sign)
    secret = make_token({"alg": "HS256"}, b"", P256_KEY.sign)
    named = sign_token({}, RSA_KEY, issuer=ISSUER)
    unsecured = unsecured_token({}, kid="k", issuer=ISSUER)

    assert _refused_signature(nameless[:-4] + "AAAA") == ["token.jws.key_unknown"]
    assert _refused_signature(nothing) == ["token.jws.key_unknown"]
    assert _refused_signature(secret) == ["token.jws.algorithm"]
    assert _refused_signature(named[:-4] + "AAAA") == ["token.jws.token_signature"]
    assert _refused_signature(unsecured) == ["token.jws.unsecured"]
    assert _refused_signature("a.b") == ["token.jws.token_format"]
