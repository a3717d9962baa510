from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from assay.encoding import encode_base64url
from assay.errors import TokenError
from assay.token.owner import (
    MAX_OWNER_TOKEN_CHARACTERS,
    read_certificate,
    read_owner_token,
    read_policy_text,
    signer_jwk,
)
from tests.administration import (
    PERMIT,
    PrivateKey,
    certificate_payload,
    certify,
    compact,
    ec_key,
    owner,
    rsa_key,
    sign,
    signed,
    signing_input,
    stored_policy,
    unsecured,
    x5c,
)
from tests.certificates import Recipe, name
from tests.conftest import AT
from tests.refusals import owner_refusal_of

_PAYLOAD = stored_policy(PERMIT)


def _signed(
    header: dict[str, Any], key: PrivateKey, *, der: bool = False, payload: bytes = _PAYLOAD
) -> str:
    return compact(header, payload, sign(key, signing_input(header, payload), der=der))


def _check(text: str) -> str:
    with pytest.raises(TokenError) as caught:
        read_owner_token(text)
    [finding] = caught.value.findings
    return finding.check


def test_an_unsecured_token_is_read_as_it_is() -> None:
    text = unsecured(_PAYLOAD)

    token = read_owner_token(text)

    assert (token.text, token.payload, token.certificates) == (text, _PAYLOAD, ())
    assert not token.signed


def test_the_empty_token_of_every_client_is_read() -> None:
    assert read_owner_token("eyJhbGciOiJub25lIn0..").payload == b""


def test_the_command_line_s_unsecured_header_is_read() -> None:
    assert read_owner_token(compact({"typ": "JWT", "alg": "none"}, b"", b"")).payload == b""


@pytest.mark.parametrize("alg", ["RS256", "RSA256"])
@pytest.mark.parametrize("in_jwk", [False, True])
def test_rsa_signatures_of_every_client_hold(alg: str, in_jwk: bool) -> None:  # noqa: FBT001
    chain = {"x5c": x5c(owner())}
    header = {"alg": alg, **({"jwk": chain} if in_jwk else chain)}

    token = read_owner_token(_signed(header, rsa_key()))

    assert token.certificates == (owner(),)
    assert token.signed


@pytest.mark.parametrize("alg", ["ES256", "ECDH256"])
@pytest.mark.parametrize("der", [False, True])
def test_ecdsa_signatures_hold_in_either_form(alg: str, der: bool) -> None:  # noqa: FBT001
    certificate = certify(ec_key())
    header = {"alg": alg, "jwk": {"x5c": x5c(certificate)}}

    token = read_owner_token(_signed(header, ec_key(), der=der))

    assert token.certificates == (certificate,)


def test_the_header_is_verified_as_it_was_written() -> None:
    # Other spacing and order than any serialiser of ours.
    raw = f'{{ "x5c" : {json.dumps(x5c(owner()))} , "alg":"RS256" }}'.encode()
    first = f"{encode_base64url(raw)}.{encode_base64url(_PAYLOAD)}"
    text = f"{first}.{encode_base64url(sign(rsa_key(), first.encode()))}"

    assert read_owner_token(text).text == text


def test_the_whole_chain_that_came_is_kept_in_its_order() -> None:
    leaf = certify(ec_key(1), "leaf", issuer=("owner", rsa_key()), ca=False)

    token = read_owner_token(signed(_PAYLOAD, ec_key(1), leaf, owner()))

    assert token.certificates == (leaf, owner())


def test_a_weak_key_is_read_since_its_signature_may_mean_nothing() -> None:
    key = rsa_key(9, 1024)

    assert read_owner_token(signed(_PAYLOAD, key, certify(key))).signed


@pytest.mark.parametrize(
    ("text", "check"),
    [
        ("a" * (MAX_OWNER_TOKEN_CHARACTERS + 1), "owner.jws.size"),
        ("version= 1.0;authorizationrules{};", "owner.jws.jws_format"),
        ("", "owner.jws.jws_format"),
        ("a.b", "owner.jws.jws_format"),
        ("a.b.c.d", "owner.jws.jws_format"),
        (".e30.", "owner.jws.jws_format"),
        ("eyJhbGciOiJub25lIn0=..", "owner.jws.jws_format"),
        ("eyJhbGciOiJub25lIn1..", "owner.jws.jws_format"),
        ("eyJhbGciOiJub25lIn0.a.", "owner.jws.jws_format"),
        ("W10..", "owner.jws.jws_format"),
        (compact({"alg": "none"}, b"", b"x"), "owner.jws.unsecured"),
        (compact({"alg": "none", "crit": ["b64"]}, b"", b""), "owner.jws.critical_header"),
        (compact({"alg": "none", "b64": False}, b"", b""), "owner.jws.critical_header"),
        (compact({"alg": "None"}, b"", b""), "owner.jws.certificate"),
        (compact({}, b"", b""), "owner.jws.certificate"),
    ],
)
def test_what_is_not_of_the_form_is_refused(text: str, check: str) -> None:
    assert _check(text) == check


@pytest.mark.parametrize(
    ("field", "broken"),
    [(b"\x0c\x05owner", b"\x0c\x05\xff\xff\xff\xff\xff"), (b"\x0c\x05owner", b"\x03\x05owner")],
    ids=["a name not in UTF-8", "a bit string for a name"],
)
def test_a_certificate_of_which_a_field_does_not_parse_is_refused(
    field: bytes, broken: bytes
) -> None:
    der = owner().public_bytes(Encoding.DER)
    header = {"alg": "RS256", "x5c": [base64.b64encode(der.replace(field, broken)).decode()]}

    assert field in der
    assert _check(compact(header, b"", b"x")) == "owner.jws.certificate"


@pytest.mark.parametrize(
    "changes",
    [
        {"x5c": []},
        {"x5c": "text"},
        {"x5c": [1]},
        {"x5c": ["%%"]},
        {"x5c": ["AAAA"]},
        {"x5c": ["AAAA"] * 9},
        {"jwk": "text"},
        {"jwk": {"kty": "RSA", "n": "AQAB", "e": "AQAB"}, "x5c": None},
    ],
)
def test_a_signature_without_a_certificate_is_refused(changes: dict[str, Any]) -> None:
    header = {"alg": "RS256", **changes}
    if header.get("x5c", 1) is None:
        del header["x5c"]

    assert _check(compact(header, b"", b"x")) == "owner.jws.certificate"


def test_two_places_for_certificates_are_refused() -> None:
    header = {"alg": "RS256", "x5c": x5c(owner()), "jwk": {"x5c": x5c(owner())}}

    assert _check(_signed(header, rsa_key())) == "owner.jws.certificate"


@pytest.mark.parametrize("alg", ["HS256", "PS256", "ES384", "RS512", "EdDSA", "none ", "", 1, None])
def test_other_algorithms_are_refused(alg: object) -> None:
    header = {"alg": alg, "x5c": x5c(owner())}

    assert _check(_signed(header, rsa_key())) == "owner.jws.algorithm"


def test_a_key_of_another_kind_than_the_algorithm_is_refused() -> None:
    assert _check(_signed({"alg": "ES256", "x5c": x5c(owner())}, ec_key())) == "owner.jws.key"
    elliptic = {"alg": "RS256", "x5c": x5c(certify(ec_key()))}
    assert _check(_signed(elliptic, rsa_key())) == "owner.jws.key"


def test_keys_that_are_too_weak_or_of_another_curve_are_refused() -> None:
    p384 = ec.generate_private_key(ec.SECP384R1())
    header = {"alg": "ES256", "x5c": x5c(certify(p384))}
    assert _check(compact(header, b"", bytes(96))) == "owner.jws.key"

    numbers = rsa.RSAPublicNumbers(e=65537, n=(1 << 9000) + 1)
    large = Recipe(subject=name(), issuer=name(), key=numbers.public_key()).sign(rsa_key())
    assert _check(compact({"alg": "RS256", "x5c": x5c(large)}, b"", b"")) == "owner.jws.key"

    edwards = ed25519.Ed25519PrivateKey.generate()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name())
        .issuer_name(name())
        .public_key(edwards.public_key())
        .serial_number(1)
        .not_valid_before(AT)
        .not_valid_after(AT)
        .sign(rsa_key(), hashes.SHA256())
    )
    assert _check(compact({"alg": "ES256", "x5c": x5c(certificate)}, b"", b"")) == "owner.jws.key"


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_changed_character_breaks_the_signature(part: int) -> None:
    parts = signed(_PAYLOAD).split(".")
    text = parts[part]
    middle = len(text) // 2
    other = "B" if text[middle] == "A" else "A"
    parts[part] = f"{text[:middle]}{other}{text[middle + 1 :]}"

    assert _check(".".join(parts)).startswith("owner.jws.")


def test_the_signature_of_another_key_is_refused() -> None:
    header = {"alg": "RS256", "x5c": x5c(owner())}

    assert _check(_signed(header, rsa_key(1))) == "owner.jws.signature"


def test_a_signature_that_is_missing_is_refused() -> None:
    assert _check(compact({"alg": "RS256", "x5c": x5c(owner())}, b"", b"")) == "owner.jws.signature"


@pytest.mark.parametrize("signature", [b"", b"x" * 63, b"x" * 65, b"\x30\x00", bytes(64)])
def test_ecdsa_signatures_of_other_bytes_are_refused(signature: bytes) -> None:
    header = {"alg": "ES256", "x5c": x5c(certify(ec_key()))}

    assert _check(compact(header, _PAYLOAD, signature)) == "owner.jws.signature"


def test_a_number_too_long_for_its_curve_is_refused() -> None:
    header = {"alg": "ES256", "x5c": x5c(certify(ec_key()))}
    signature = encode_dss_signature(1 << 300, 1)

    assert _check(compact(header, _PAYLOAD, signature)) == "owner.jws.signature"


def test_key_and_certificate_of_the_header_s_other_members_are_not_looked_at() -> None:
    header = {
        "alg": "RS256",
        "x5c": x5c(owner()),
        "jku": "https://elsewhere.example/keys",
        "x5u": "https://elsewhere.example/certificate",
        "kid": "other",
        "jwk": {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
    }

    assert read_owner_token(_signed(header, rsa_key())).certificates == (owner(),)


# Policies.


def test_a_policy_comes_out_as_it_went_in() -> None:
    text = "version= 1.0; // ümlaut\r\n"

    assert read_policy_text(read_owner_token(unsecured(stored_policy(text)))) == text


def test_an_empty_payload_holds_no_policy() -> None:
    assert read_policy_text(read_owner_token(unsecured(b""))) is None


@pytest.mark.parametrize(
    "payload",
    [
        b"text",
        b"[]",
        b"{}",
        b'{"AttestationPolicy":1}',
        b'{"AttestationPolicy":"%"}',
        b'{"AttestationPolicy":"_w"}',
        b'{"AttestationPolicy":"","iat":1}',
        b'{"attestationpolicy":""}',
        b'{"AttestationPolicy":"","AttestationPolicy":""}',
    ],
)
def test_a_payload_that_is_no_stored_policy_is_refused(payload: bytes) -> None:
    token = read_owner_token(unsecured(payload))

    assert owner_refusal_of(lambda: read_policy_text(token)) == ("owner.jws.payload",)


# Certificates.


@pytest.mark.parametrize(
    "claim", ["policyCertificate", "maa-policyCertificate", "x-ms-policyCertificate"]
)
def test_a_certificate_has_any_of_its_names(claim: str) -> None:
    token = read_owner_token(signed(certificate_payload(owner(), claim)))

    assert read_certificate(token) == owner()


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{}",
        b"[]",
        b'{"policyCertificate":"text"}',
        json.dumps({"policyCertificate": {"x5c": ["AAAA"]}, "more": 1}).encode(),
        json.dumps(
            {"policyCertificate": {"x5c": ["AAAA"]}, "maa-policyCertificate": {"x5c": ["AAAA"]}}
        ).encode(),
    ],
)
def test_a_payload_that_names_no_certificate_is_refused(payload: bytes) -> None:
    token = read_owner_token(unsecured(payload))

    assert owner_refusal_of(lambda: read_certificate(token)) == ("owner.jws.payload",)


def test_a_payload_with_several_certificates_is_refused() -> None:
    payload = json.dumps({"policyCertificate": {"x5c": x5c(owner(), owner())}}).encode()
    token = read_owner_token(unsecured(payload))

    assert owner_refusal_of(lambda: read_certificate(token)) == ("owner.jws.payload",)


def test_a_payload_with_a_broken_certificate_is_refused() -> None:
    token = read_owner_token(unsecured(b'{"policyCertificate":{"x5c":["AAAA"]}}'))

    assert owner_refusal_of(lambda: read_certificate(token)) == ("owner.jws.certificate",)


def test_a_signer_is_shown_as_the_service_does() -> None:
    assert signer_jwk((owner(),)) == {
        "alg": "RS256",
        "kty": "RSA",
        "use": "sig",
        "x5c": x5c(owner()),
    }
    certificate = certify(ec_key())
    assert signer_jwk((certificate,)) == {
        "alg": "ES256",
        "kty": "EC",
        "use": "sig",
        "x5c": x5c(certificate),
    }


@pytest.mark.property
@given(st.text(max_size=200) | st.from_regex(r"[\w-]{0,40}\.[\w-]{0,40}\.[\w-]{0,20}"))
def test_any_text_is_a_token_or_refused(text: str) -> None:
    try:
        token = read_owner_token(text)
    except TokenError:
        return
    assert token.text == text
