from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from assay.encoding import JsonValue, encode_base64url
from assay.errors import TokenError
from assay.keys import PrivateKey, SigningAlgorithm, SigningKey, generate_key
from assay.token import jwks, parse_key_set, signing_certificate
from tests.certificates import of_another_version

AT: Final = datetime(2026, 1, 1, tzinfo=UTC)
RSA_KEY: Final = generate_key(SigningAlgorithm.RS256, created_at=AT)
P256_KEY: Final = generate_key(SigningAlgorithm.ES256, created_at=AT)
P384_KEY: Final = generate_key(SigningAlgorithm.ES384, created_at=AT)


def _bytes(number: int, size: int) -> str:
    return encode_base64url(number.to_bytes(size, "big"))


def _bare(key: SigningKey, **changes: JsonValue) -> dict[str, JsonValue]:
    if isinstance(key.public_key, rsa.RSAPublicKey):
        modulus = _bytes(key.public_key.public_numbers().n, 256)
        members: dict[str, JsonValue] = {"kty": "RSA", "n": modulus, "e": "AQAB"}
    else:
        point = key.public_key.public_numbers()
        size = key.public_key.key_size // 8
        members = {
            "kty": "EC",
            "crv": f"P-{key.public_key.key_size}",
            "x": _bytes(point.x, size),
            "y": _bytes(point.y, size),
        }
    return {"kid": "k", **members, **changes}


def _certified(key: SigningKey, **changes: JsonValue) -> dict[str, JsonValue]:
    certificate = signing_certificate(key, issuer="https://assay.example")
    kty = "RSA" if isinstance(key.public_key, rsa.RSAPublicKey) else "EC"
    return {
        "x5c": [base64.b64encode(certificate).decode()],
        "kid": "k",
        "kty": kty,
        **changes,
    }


def _certificate_of(private_key: PrivateKey | ed25519.Ed25519PrivateKey) -> JsonValue:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private_key.public_key())
        .serial_number(1)
        .not_valid_before(AT)
        .not_valid_after(AT.replace(year=2027))
        .sign(P256_KEY.private_key, hashes.SHA256())
    )
    return [base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()]


def _document(*keys: JsonValue) -> bytes:
    return json.dumps({"keys": list(keys)}).encode()


@pytest.mark.parametrize(
    ("key", "kind"), [(RSA_KEY, "RSA"), (P256_KEY, "P-256"), (P384_KEY, "P-384")]
)
def test_a_key_set_of_ours_gives_its_keys(key: SigningKey, kind: str) -> None:
    certificate = signing_certificate(key, issuer="https://assay.example")

    key_set = parse_key_set(json.dumps(jwks([(key, certificate)])).encode())

    assert key_set.passed_over == {}
    found = key_set.keys[key.kid]
    assert (found.kid, found.kind, found.algorithm) == (key.kid, kind, None)
    assert found.key.public_key == key.public_key


@pytest.mark.parametrize("key", [RSA_KEY, P256_KEY, P384_KEY], ids=["RSA", "P-256", "P-384"])
def test_a_bare_key_is_understood(key: SigningKey) -> None:
    key_set = parse_key_set(_document(_bare(key, use="sig", key_ops=["verify"], alg="X")))

    assert key_set.keys["k"].key.public_key == key.public_key
    assert key_set.keys["k"].algorithm == "X"


def test_a_key_may_come_both_ways_if_they_agree() -> None:
    key_set = parse_key_set(_document({**_certified(RSA_KEY), **_bare(RSA_KEY)}))

    assert key_set.keys["k"].key.public_key == RSA_KEY.public_key


def test_a_private_member_does_not_make_the_key_private() -> None:
    key_set = parse_key_set(_document(_bare(P256_KEY, d="AQ")))

    assert not key_set.keys["k"].key.is_private


_BAD: Final[Mapping[str, tuple[JsonValue, str]]] = {
    "for encryption": (_bare(RSA_KEY, use="enc"), "its use is not signatures"),
    "not for verification": (_bare(RSA_KEY, key_ops=["encrypt"]), "do not have `verify`"),
    "operations not a list": (_bare(RSA_KEY, key_ops="verify"), "do not have `verify`"),
    "algorithm not a string": (_bare(RSA_KEY, alg=1), "algorithm is not a string"),
    "symmetric": ({"kid": "k", "kty": "oct", "k": "AAAA"}, "neither x5c nor a bare key"),
    "no kty": ({"kid": "k"}, "neither x5c nor a bare key"),
    "RSA named EC": (_certified(RSA_KEY, kty="EC"), "its kty is 'EC' and its key is RSA"),
    "EC named RSA": (_certified(P256_KEY, kty="RSA"), "its kty is 'RSA' and its key is EC"),
    "other curve by name": (_bare(P256_KEY, crv="secp256k1"), "kind or curve"),
    "OKP with x": ({"kid": "k", "kty": "OKP", "crv": "Ed25519", "x": "AA"}, "kind or curve"),
    "keys differ": ({**_certified(RSA_KEY), **_bare(P256_KEY)}, "x5c and its bare key differ"),
    "x5c empty": (_certified(RSA_KEY, x5c=[]), "not an array of certificates"),
    "x5c a string": (_certified(RSA_KEY, x5c="AAAA"), "not an array of certificates"),
    "x5c of numbers": (_certified(RSA_KEY, x5c=[1]), "not an array of certificates"),
    "x5c not base64": (_certified(RSA_KEY, x5c=["!"]), "certificate does not parse"),
    "x5c not DER": (_certified(RSA_KEY, x5c=["AAAA"]), "certificate does not parse"),
    "x5c of X.509 v4": (_certified(RSA_KEY, x5c=[of_another_version()]), "does not parse"),
    "x missing": ({"kid": "k", "kty": "EC", "crv": "P-256", "y": "AA"}, "its x is missing"),
    "n not a string": (_bare(RSA_KEY, n=5), "its n is missing or not a string"),
    "n not base64url": (_bare(RSA_KEY, n="+/"), "its n is not base64url"),
    "x too short": (_bare(P256_KEY, x="AA"), "its x has 1 bytes and its curve 32"),
    "x with a leading zero": (
        _bare(P256_KEY, x=_bytes(1, 33)),
        "its x has 33 bytes and its curve 32",
    ),
    "even exponent": (_bare(RSA_KEY, e="Ag"), "not a key"),
    "point off the curve": (_bare(P256_KEY, y=_bytes(1, 32)), "not a key"),
    "point at zero": (_bare(P256_KEY, x=_bytes(0, 32), y=_bytes(0, 32)), "not a key"),
    "Ed25519 certificate": (
        _certified(P256_KEY, x5c=_certificate_of(ed25519.Ed25519PrivateKey.generate())),
        "another kind than RSA or EC",
    ),
    "P-521 certificate": (
        _certified(P256_KEY, x5c=_certificate_of(ec.generate_private_key(ec.SECP521R1()))),
        "its curve is secp521r1",
    ),
    "RSA of 1024 bits": (
        _certified(RSA_KEY, x5c=_certificate_of(rsa.generate_private_key(65537, 1024))),  # noqa: S505
        "has 1024 bits",
    ),
    "RSA of 16384 bits": (_bare(RSA_KEY, n=encode_base64url(b"\xff" * 2048)), "has 16384 bits"),
}


@pytest.mark.parametrize(("jwk", "reason"), _BAD.values(), ids=_BAD.keys())
def test_an_unusable_key_is_passed_over_with_its_reason(jwk: JsonValue, reason: str) -> None:
    """TK-03 for the points; RFC 7517 section 5 for passing over."""
    key_set = parse_key_set(_document(jwk, _bare(P384_KEY, kid="good")))

    assert reason in key_set.passed_over["k"]
    assert list(key_set.keys) == ["good"]


@pytest.mark.parametrize("jwk", [{"kty": "RSA"}, {"kid": 1, "kty": "RSA"}, "text", None, []])
def test_a_member_without_identifier_is_passed_over(jwk: JsonValue) -> None:
    key_set = parse_key_set(_document(jwk))

    assert key_set.keys == {}
    assert key_set.passed_over == {}


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys":{}}',
        b'{"keys":[],"keys":[]}',
        b'{"keys":[' + b",".join([b"{}"] * 65) + b"]}",
        b" " * (1 << 20) + b'{"keys":[]}',
        _document(_bare(RSA_KEY), _bare(P256_KEY)),
        _document(_bare(RSA_KEY, use="enc"), _bare(P256_KEY)),
    ],
    ids=[
        "empty",
        "array",
        "no keys",
        "keys not an array",
        "member twice",
        "too many",
        "too large",
        "two keys of one kid",
        "two keys of one kid, one unusable",
    ],
)
def test_what_is_no_key_set_is_refused(document: bytes) -> None:
    with pytest.raises(TokenError) as raised:
        parse_key_set(document)

    assert [one.check for one in raised.value.findings] == ["token.key_set.key_set_format"]


def test_an_empty_key_set_has_no_keys() -> None:
    assert parse_key_set(b'{"keys":[]}').keys == {}


@pytest.mark.property
@given(document=st.binary(max_size=200))
def test_any_bytes_without_keys_are_refused(document: bytes) -> None:
    with pytest.raises(TokenError):
        parse_key_set(document)
