from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from assay.encoding import JsonValue, encode_base64url, encode_json
from assay.errors import TokenError
from assay.keys import SigningAlgorithm, SigningKey, generate_key
from assay.token import (
    KeySet,
    TokenExpectations,
    attestation_claims,
    jwks,
    parse_key_set,
    read_unverified,
    sign_token,
    signing_certificate,
    unsecured_token,
    verify_signature,
    verify_token,
)

AT: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)
ISSUER: Final = "https://assay.example"
EXPECT: Final = TokenExpectations(issuer=ISSUER)

RSA_KEY: Final = generate_key(SigningAlgorithm.RS256, created_at=AT)
PSS_KEY: Final = generate_key(SigningAlgorithm.PS256, created_at=AT)
P256_KEY: Final = generate_key(SigningAlgorithm.ES256, created_at=AT)
P384_KEY: Final = generate_key(SigningAlgorithm.ES384, created_at=AT)
ALL_KEYS: Final = (RSA_KEY, PSS_KEY, P256_KEY, P384_KEY)
STRANGER: Final = generate_key(SigningAlgorithm.ES256, created_at=AT)


def _key_set(*keys: SigningKey) -> KeySet:
    document = jwks([(key, signing_certificate(key, issuer=ISSUER)) for key in keys])
    return parse_key_set(json.dumps(document).encode())


KEYS: Final = _key_set(*ALL_KEYS)


def _claims(**changes: JsonValue) -> dict[str, JsonValue]:
    claims = attestation_claims({"tee": "sgx"}, issuer=ISSUER, issued_at=AT, jti="0" * 64)
    return {**claims, **changes}


def _without(name: str) -> dict[str, JsonValue]:
    return {one: value for one, value in _claims().items() if one != name}


def _token(
    header: Mapping[str, JsonValue] | bytes, payload: bytes, sign: Callable[[bytes], bytes]
) -> str:
    raw = header if isinstance(header, bytes) else encode_json(dict(header))
    signing_input = f"{encode_base64url(raw)}.{encode_base64url(payload)}"
    return f"{signing_input}.{encode_base64url(sign(signing_input.encode()))}"


def _with_header(key: SigningKey = P256_KEY, **changes: JsonValue) -> str:
    """A token rightly signed, with a header of our making."""
    header: dict[str, JsonValue] = {"alg": key.algorithm.value, "kid": key.kid, "typ": "JWT"}
    return _token({**header, **changes}, encode_json(_claims()), key.sign)


def _refusal(token: str, expect: TokenExpectations = EXPECT, keys: KeySet = KEYS) -> list[str]:
    with pytest.raises(TokenError) as raised:
        verify_token(token, keys, at=AT, expect=expect)
    assert raised.value.findings
    return [finding.check for finding in raised.value.findings]


# What passes.


@pytest.mark.parametrize("key", ALL_KEYS, ids=[key.algorithm for key in ALL_KEYS])
def test_a_token_of_the_issuer_is_verified(key: SigningKey) -> None:
    token = sign_token(_claims(), key, issuer=ISSUER)

    verified = verify_token(token, KEYS, at=AT, expect=EXPECT)

    assert verified.claims == _claims()
    assert verified.header["jku"] == "https://assay.example/certs"
    assert verified.kid == key.kid
    assert verified.signed


def test_a_token_of_a_long_issuer_is_verified() -> None:
    issuer = "https://assay.example/" + "a" * 2000
    token = sign_token(_claims(iss=issuer), P256_KEY, issuer=issuer)

    verified = verify_token(token, KEYS, at=AT, expect=TokenExpectations(issuer=issuer))

    assert verified.claims["iss"] == issuer


def test_unknown_header_members_are_ignored() -> None:
    verified = verify_token(_with_header(other=[1], zip="DEF"), KEYS, at=AT, expect=EXPECT)

    assert verified.signed


@pytest.mark.parametrize("typ", ["JWT", "jwt"])
def test_the_type_is_compared_without_case(typ: str) -> None:
    assert verify_token(_with_header(typ=typ), KEYS, at=AT, expect=EXPECT).signed


def test_a_token_need_not_name_its_type() -> None:
    token = _token({"alg": "ES256", "kid": P256_KEY.kid}, encode_json(_claims()), P256_KEY.sign)

    assert verify_token(token, KEYS, at=AT, expect=EXPECT).signed


# Form and size.


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
    assert _refusal(token) in (["token.jws.token_format"], ["token.jws.algorithm"])


@pytest.mark.parametrize("text", ["." * 250_000, "a" * 262_145])
def test_a_flood_of_dots_or_characters_is_refused_unread(text: str) -> None:
    """TK-02: splitting at every dot."""
    assert _refusal(text) in (["token.jws.token_format"], ["token.jws.size"])


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
    token = _token(header, encode_json(_claims()), P256_KEY.sign)

    assert _refusal(token) == ["token.jws.token_format"]


@pytest.mark.parametrize(
    "payload", [b"", b"[]", b'{"iss":"a","iss":"b"}', b"{'a':1}", b'{"exp":1e999}']
)
def test_a_signed_payload_that_is_not_strict_json_is_refused(payload: bytes) -> None:
    header: dict[str, JsonValue] = {"alg": "ES256", "kid": P256_KEY.kid}

    assert _refusal(_token(header, payload, P256_KEY.sign)) == ["token.jws.token_format"]


def _spelled_otherwise(part: str) -> str:
    """The same bytes with a spare bit set, which only a part of 2 modulo 4 characters has."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert len(part) % 4 == 2
    return part[:-1] + alphabet[alphabet.index(part[-1]) + 1]


def test_a_second_spelling_of_the_header_is_refused() -> None:
    token = _token(b'{"alg":"ES256" }', encode_json(_claims()), P256_KEY.sign)
    header, payload, signature = token.split(".")

    assert _refusal(f"{_spelled_otherwise(header)}.{payload}.{signature}") == [
        "token.jws.token_format"
    ]


@pytest.mark.parametrize("name", ["ES256", "none"])
def test_a_second_spelling_of_the_payload_is_refused(name: str) -> None:
    claims = encode_json(_claims())
    payload = encode_base64url(claims + b" " * (-len(claims) % 3 + 1))
    header = encode_base64url(encode_json({"alg": name, "kid": P256_KEY.kid}))
    signing_input = f"{header}.{_spelled_otherwise(payload)}"
    signature = "" if name == "none" else encode_base64url(P256_KEY.sign(signing_input.encode()))

    checks = _refusal(f"{signing_input}.{signature}", replace(EXPECT, allow_unsecured=True))

    assert checks in (["token.jws.token_format"], ["token.jws.token_signature"])


def test_a_second_spelling_of_the_signature_is_refused() -> None:
    head, _, signature = sign_token(_claims(), P256_KEY, issuer=ISSUER).rpartition(".")

    assert _refusal(f"{head}.{_spelled_otherwise(signature)}") == ["token.jws.token_signature"]


# Algorithms.


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
        token = _token(
            {"alg": algorithm, "kid": key.kid},
            encode_json(_claims()),
            lambda data, secret=secret: hmac.digest(secret, data, digest),  # type: ignore[misc]
        )

        assert _refusal(token) == ["token.jws.algorithm"]


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
    token = _with_header(alg=name)

    assert _refusal(token, replace(EXPECT, allow_unsecured=True)) == ["token.jws.algorithm"]


@pytest.mark.parametrize("alg", [None, 1, True, ["ES256"], {"ES256": 1}])
def test_an_algorithm_that_is_no_string_is_refused(alg: JsonValue) -> None:
    assert _refusal(_with_header(alg=alg)) == ["token.jws.algorithm"]


def test_a_missing_algorithm_is_refused() -> None:
    token = _token({"kid": P256_KEY.kid}, encode_json(_claims()), P256_KEY.sign)

    assert _refusal(token) == ["token.jws.algorithm"]


def test_only_the_algorithms_asked_for_pass() -> None:
    token = sign_token(_claims(), P256_KEY, issuer=ISSUER)
    expect = replace(EXPECT, algorithms=frozenset({SigningAlgorithm.RS256}))

    assert _refusal(token, expect) == ["token.jws.algorithm"]


def test_no_algorithm_passes_where_none_is_asked_for() -> None:
    token = sign_token(_claims(), P256_KEY, issuer=ISSUER)

    assert _refusal(token, replace(EXPECT, algorithms=frozenset())) == ["token.jws.algorithm"]


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
    assert _refusal(_with_header(key, alg=algorithm)) == ["token.jws.key_mismatch"]


def test_a_key_bound_to_an_algorithm_serves_no_other() -> None:
    kid = RSA_KEY.kid
    bound = replace(KEYS.keys[kid], algorithm="PS256")
    keys = KeySet(keys={kid: bound}, passed_over={})

    assert _refusal(sign_token(_claims(), RSA_KEY, issuer=ISSUER), keys=keys) == [
        "token.jws.key_mismatch"
    ]


def test_the_padding_of_rsa_must_be_the_one_named() -> None:
    assert _refusal(_with_header(RSA_KEY, alg="PS256")) == ["token.jws.token_signature"]


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
            assert _refusal(_with_header(STRANGER, kid=kid, **{name: value})) == [check]


@pytest.mark.parametrize("kid", [None, 1, "", "unknown", "../../etc/passwd", P256_KEY.kid[:-1]])
def test_a_key_outside_the_set_is_refused(kid: JsonValue) -> None:
    assert _refusal(_with_header(kid=kid)) == ["token.jws.key_unknown"]


def test_a_token_without_key_identifier_is_refused() -> None:
    token = _token({"alg": "ES256"}, encode_json(_claims()), P256_KEY.sign)

    assert _refusal(token, keys=_key_set(P256_KEY)) == ["token.jws.key_unknown"]


def test_the_reason_for_passing_a_key_over_is_told() -> None:
    keys = KeySet(keys={}, passed_over={P256_KEY.kid: "its use is not signatures"})

    with pytest.raises(TokenError, match="its use is not signatures"):
        verify_token(sign_token(_claims(), P256_KEY, issuer=ISSUER), keys, at=AT, expect=EXPECT)


def test_an_empty_key_set_verifies_nothing() -> None:
    token = sign_token(_claims(), P256_KEY, issuer=ISSUER)

    assert _refusal(token, keys=_key_set()) == ["token.jws.key_unknown"]


# Signatures.


@pytest.mark.parametrize("key", ALL_KEYS, ids=[key.algorithm for key in ALL_KEYS])
@pytest.mark.parametrize("changed", ["header", "payload", "signature"])
def test_a_change_of_any_part_breaks_the_signature(key: SigningKey, changed: str) -> None:
    other = sign_token(_claims(tee="other"), key, issuer="https://other.example").split(".")
    token = sign_token(_claims(), key, issuer=ISSUER).split(".")
    index = ["header", "payload", "signature"].index(changed)
    token[index] = other[index]

    assert _refusal(".".join(token)) == ["token.jws.token_signature"]


@pytest.mark.parametrize(
    "signature",
    [b"", b"\0" * 64, b"\0" * 63, b"\0" * 65, b"\xff" * 64, b"\x30\x06\x02\x01\x01\x02\x01\x01"],
    ids=["none", "zeros", "short", "long", "ones", "DER"],
)
def test_a_signature_of_another_form_is_refused(signature: bytes) -> None:
    token = _token(
        {"alg": "ES256", "kid": P256_KEY.kid}, encode_json(_claims()), lambda _: signature
    )

    assert _refusal(token) == ["token.jws.token_signature"]


def test_a_signature_of_an_impossible_length_is_refused() -> None:
    token = sign_token(_claims(), P256_KEY, issuer=ISSUER)

    assert _refusal(token.rpartition(".")[0] + ".A") == ["token.jws.token_signature"]


@pytest.mark.parametrize("header", [{"crit": ["exp"]}, {"crit": []}, {"b64": False}, {"b64": True}])
def test_header_extensions_are_refused(header: dict[str, JsonValue]) -> None:
    assert _refusal(_with_header(P256_KEY, **header)) == ["token.jws.critical_header"]


@pytest.mark.parametrize("typ", ["at+jwt", "application/at+jwt", "application/JWT"])
def test_another_type_passes_where_it_is_expected(typ: str) -> None:
    expect = replace(EXPECT, types=frozenset({"JWT", "at+jwt"}))

    assert verify_token(_with_header(typ=typ), KEYS, at=AT, expect=expect).signed


@pytest.mark.parametrize("typ", ["at+jwt", "JOSE", "", None, 1, "attReq"])
def test_a_token_of_another_type_is_refused(typ: JsonValue) -> None:
    assert _refusal(_with_header(typ=typ)) == ["token.jws.token_type"]


# Unsecured tokens.


def test_an_unsecured_token_is_refused() -> None:
    """TK-01."""
    token = unsecured_token(_claims(), kid=P256_KEY.kid, issuer=ISSUER)

    assert _refusal(token) == ["token.jws.unsecured"]


def test_an_unsecured_token_passes_where_it_is_allowed_and_says_so() -> None:
    token = unsecured_token(_claims(), kid="any", issuer=ISSUER)

    verified = verify_token(token, _key_set(), at=AT, expect=replace(EXPECT, allow_unsecured=True))

    assert not verified.signed
    assert verified.kid is None
    assert verified.claims == _claims()


def test_an_unsecured_token_has_no_signature() -> None:
    token = unsecured_token(_claims(), kid="any", issuer=ISSUER) + "AAAA"

    assert _refusal(token, replace(EXPECT, allow_unsecured=True)) == ["token.jws.unsecured"]


def test_allowing_unsecured_tokens_does_not_excuse_a_bad_signature() -> None:
    token = sign_token(_claims(), P256_KEY, issuer=ISSUER).rpartition(".")[0] + "."

    assert _refusal(token, replace(EXPECT, allow_unsecured=True)) == ["token.jws.token_signature"]


def test_an_unsecured_token_has_its_claims_checked() -> None:
    token = unsecured_token(_claims(iss="https://other"), kid="any", issuer=ISSUER)

    assert _refusal(token, replace(EXPECT, allow_unsecured=True)) == ["token.claims.issuer"]


# Claims.


def _signed(claims: dict[str, JsonValue]) -> str:
    return sign_token(claims, P256_KEY, issuer=ISSUER)


@pytest.mark.parametrize("issuer", [ISSUER + "/", "https://ASSAY.example", "", None, [ISSUER], 1])
def test_the_issuer_is_compared_exactly(issuer: JsonValue) -> None:
    assert _refusal(_signed(_claims(iss=issuer))) == ["token.claims.issuer"]


def test_a_token_without_issuer_is_refused() -> None:
    assert _refusal(_signed(_without("iss"))) == ["token.claims.issuer"]


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
def test_a_token_without_one_of_its_times_is_refused(name: str) -> None:
    assert _refusal(_signed(_without(name))) == ["token.claims.claims_format"]


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", ["1", True, None, [1]])
def test_a_time_that_is_no_number_is_refused(name: str, value: JsonValue) -> None:
    assert _refusal(_signed(_claims(**{name: value}))) == ["token.claims.claims_format"]


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
    token = _signed(_claims(**{name: AT.timestamp() + offset}))

    if checks:
        assert _refusal(token) == checks
    else:
        assert verify_token(token, KEYS, at=AT, expect=EXPECT).signed


@pytest.mark.parametrize(("name", "offset"), [("exp", -5), ("nbf", 5), ("iat", 5)])
def test_the_clock_skew_widens_both_ends(name: str, offset: int) -> None:
    token = _signed(_claims(**{name: AT.timestamp() + offset}))

    enough = replace(EXPECT, clock_skew=timedelta(seconds=6))
    assert verify_token(token, KEYS, at=AT, expect=enough).signed
    assert len(_refusal(token, replace(EXPECT, clock_skew=timedelta(seconds=4)))) == 1


def test_a_time_may_be_left_out_where_it_is_not_demanded() -> None:
    expect = replace(EXPECT, times=frozenset({"exp"}))

    assert verify_token(_signed(_without("nbf")), KEYS, at=AT, expect=expect).signed
    assert _refusal(_signed(_without("exp")), expect) == ["token.claims.claims_format"]


@pytest.mark.parametrize("nbf", [AT.timestamp() + 1, "soon", None])
def test_a_time_that_is_not_demanded_is_checked_where_it_is(nbf: JsonValue) -> None:
    expect = replace(EXPECT, times=frozenset({"exp"}))

    assert len(_refusal(_signed(_claims(nbf=nbf)), expect)) == 1


def test_every_failed_claim_is_told() -> None:
    token = _signed(_claims(iss="x", aud="y", exp=1, nbf=2**40, iat="z"))

    assert _refusal(token) == [
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

    assert verify_token(_signed(_claims(aud=audience)), KEYS, at=AT, expect=expect).signed


@pytest.mark.parametrize(
    "audience", ["m", "me2", "ME", "", ["you"], [], ["me2", None], {"me": 1}, None, 1]
)
@pytest.mark.parametrize("readers", [(), ("me",), ("I", "me")])
def test_a_token_for_others_is_refused(audience: JsonValue, readers: tuple[str, ...]) -> None:
    """TK-04: string, list, prefix; and a reader who expects no audience at all."""
    token = _signed(_claims(aud=audience))

    expect = replace(EXPECT, audiences=frozenset(readers))
    assert _refusal(token, expect) == ["token.claims.audience"]


def test_a_token_for_anybody_is_refused_where_an_audience_is_demanded() -> None:
    """TK-04: absent."""
    expect = replace(EXPECT, audiences=frozenset({"me"}))

    assert _refusal(_signed(_claims()), expect) == ["token.claims.audience"]


def test_claims_are_not_looked_at_before_the_signature_holds() -> None:
    token = _token({"alg": "ES256", "kid": P256_KEY.kid}, b"not json", STRANGER.sign)

    assert _refusal(token) == ["token.jws.token_signature"]


def test_an_error_shows_little_of_a_long_value() -> None:
    with pytest.raises(TokenError) as raised:
        verify_token(_with_header(kid="k" * 5000), KEYS, at=AT, expect=EXPECT)

    assert len(str(raised.value)) < 300


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
    _refusal(token)


@pytest.mark.property
@given(position=st.integers(min_value=0), replacement=st.sampled_from("AZaz09-_."))
def test_a_token_with_one_character_changed_is_refused(position: int, replacement: str) -> None:
    token = sign_token(_claims(), P256_KEY, issuer=ISSUER)
    index = position % len(token)
    changed = token[:index] + replacement + token[index + 1 :]

    if changed != token:
        _refusal(changed)


def test_a_payload_of_other_characters_is_refused_before_it_is_read() -> None:
    header, _, signature = sign_token(_claims(), P256_KEY, issuer=ISSUER).split(".")

    assert _refusal(f"{header}.ä.{signature}") == ["token.jws.token_signature"]


# The signature alone


def test_a_signature_alone_names_its_key() -> None:
    token = sign_token({"a": 1}, RSA_KEY, issuer=ISSUER)

    assert verify_signature(token, KEYS).kid == RSA_KEY.kid


def test_a_token_that_names_no_key_is_tried_with_each_that_fits() -> None:
    token = _token({"alg": "ES256"}, b"", P256_KEY.sign)

    assert verify_signature(token, KEYS).kid == P256_KEY.kid


def _refused_signature(token: str) -> list[str]:
    with pytest.raises(TokenError) as raised:
        verify_signature(token, KEYS)
    return [finding.check for finding in raised.value.findings]


def test_a_signature_alone_is_refused_by_name() -> None:
    nameless = _token({"alg": "ES256"}, b"", P256_KEY.sign)
    nothing = _token({"alg": "ES256", "kid": None}, b"", P256_KEY.sign)
    secret = _token({"alg": "HS256"}, b"", P256_KEY.sign)
    named = sign_token({}, RSA_KEY, issuer=ISSUER)
    unsecured = unsecured_token({}, kid="k", issuer=ISSUER)

    assert _refused_signature(nameless[:-4] + "AAAA") == ["token.jws.key_unknown"]
    assert _refused_signature(nothing) == ["token.jws.key_unknown"]
    assert _refused_signature(secret) == ["token.jws.algorithm"]
    assert _refused_signature(named[:-4] + "AAAA") == ["token.jws.token_signature"]
    assert _refused_signature(unsecured) == ["token.jws.unsecured"]
    assert _refused_signature("a.b") == ["token.jws.token_format"]
