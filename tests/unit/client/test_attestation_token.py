from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from assay.client import (
    AttestationSigner,
    AttestationSigningKey,
    AttestationToken,
    RequestError,
    TokenValidationError,
    TokenValidationOptions,
)
from assay.client.testing import make_attestation_signer, make_attestation_token, make_signing_key
from assay.encoding import encode_base64url
from tests.administration import certify, owner, rsa_key
from tests.certificates import of_another_version
from tests.conftest import AT

_NOW = int(AT.timestamp())
_TIMES: dict[str, Any] = {"nbf": _NOW, "exp": _NOW + 60, "iss": "https://x.test"}


def _checks(caught: pytest.ExceptionInfo[TokenValidationError]) -> list[str]:
    return [one.check for one in caught.value.findings]


def _options(**named: Any) -> TokenValidationOptions:  # noqa: ANN401  fields by name
    return TokenValidationOptions(**{"at": AT, **named})


def _signer(key: AttestationSigningKey, key_id: str | None = None) -> AttestationSigner:
    return AttestationSigner.from_certificates([key.certificate], key_id)


def test_an_unsecured_token_is_what_the_service_takes() -> None:
    token = AttestationToken.create({"a": 1})

    assert token.serialize() == str(token) == "eyJhbGciOiJub25lIn0.eyJhIjoxfQ."
    assert (token.algorithm, token.secured, token.signature) == ("none", False, b"")
    assert token.claims == {"a": 1}


def test_a_token_has_unicode_texts_alone() -> None:
    with pytest.raises(RequestError, match="the body of a token: expected Unicode"):
        AttestationToken.create({"a": "\ud800"})
    with pytest.raises(RequestError, match="policy: expected Unicode"):
        AttestationToken.for_policy("version= 1.0; // \udcff")


def test_an_empty_token_is_the_one_of_resets() -> None:
    token = AttestationToken.create()

    assert token.serialize() == "eyJhbGciOiJub25lIn0.."
    assert (token.payload, token.claims) == (b"", {})


def test_a_text_is_kept_as_it_is() -> None:
    assert AttestationToken.create(b'{"a": 1}').payload == b'{"a": 1}'


@pytest.mark.parametrize("body", [b"[]", b"x", b'{"a":1,"a":2}', {"a": 10**20}])
def test_a_body_is_a_json_object(body: Any) -> None:  # noqa: ANN401  of several types
    with pytest.raises(RequestError):
        AttestationToken.create(body)


@pytest.mark.parametrize("body", [None, _TIMES])
def test_a_secured_token_is_validated_by_its_signer(body: dict[str, Any] | None) -> None:
    key = make_signing_key("one")
    token = AttestationToken.create(body, signing_key=key)
    options = _options(validate_expiration=body is not None, validate_not_before=body is not None)

    signer = token.validate(options, [_signer(make_signing_key("two")), _signer(key)])

    assert signer is not None
    assert signer.certificates == (key.certificate,)
    assert token.algorithm == "ES256"
    assert token.header["x5c"] == signer.jwk["x5c"]


def test_the_tokens_own_key_is_never_used() -> None:
    token = AttestationToken.create(_TIMES, signing_key=make_signing_key("one"))

    with pytest.raises(TokenValidationError) as caught:
        token.validate(_options(), [_signer(make_signing_key("two"))])

    assert _checks(caught) == ["token.jws.key_unknown"]


def test_an_edited_payload_is_refused() -> None:
    key = make_signing_key("one")
    header, _, signature = AttestationToken.create(_TIMES, signing_key=key).serialize().split(".")
    payload = encode_base64url(json.dumps({**_TIMES, "a": 1}).encode())

    with pytest.raises(TokenValidationError) as caught:
        AttestationToken.decode(f"{header}.{payload}.{signature}").validate(
            _options(), [_signer(key)]
        )

    assert _checks(caught) == ["token.jws.key_unknown"]


@pytest.mark.parametrize("algorithm", ["none", "nOnE", "HS256"])
def test_algorithms_that_prove_nothing_are_refused(algorithm: str) -> None:
    header = encode_base64url(json.dumps({"alg": algorithm}).encode())
    payload = encode_base64url(json.dumps(_TIMES).encode())

    with pytest.raises(TokenValidationError) as caught:
        AttestationToken.decode(f"{header}.{payload}.").validate(_options(), [])

    assert _checks(caught)[0] in {"token.jws.unsecured", "token.jws.algorithm"}


def test_an_unsecured_token_passes_where_it_is_allowed_and_has_no_signature() -> None:
    token = AttestationToken.create(_TIMES)

    assert token.validate(_options(allow_unsecured=True)) is None
    with pytest.raises(TokenValidationError) as caught:
        AttestationToken.decode(token.serialize() + "AA").validate(_options(allow_unsecured=True))
    assert _checks(caught) == ["token.jws.unsecured"]


@pytest.mark.parametrize(
    ("claims", "options", "expected"),
    [
        ({"exp": _NOW}, {"slack": timedelta(0)}, ["token.claims.token_expired"]),
        ({"exp": _NOW - 11}, {}, ["token.claims.token_expired"]),
        ({"exp": _NOW - 9}, {}, []),
        ({"exp": _NOW - 99}, {"validate_expiration": False}, []),
        ({"nbf": _NOW + 11}, {}, ["token.claims.token_not_yet_valid"]),
        ({"nbf": _NOW + 9}, {}, []),
        ({"nbf": _NOW + 99}, {"validate_not_before": False}, []),
        ({"exp": None}, {}, ["token.claims.claims_format"]),
        ({"nbf": "soon"}, {}, ["token.claims.claims_format"]),
        ({"nbf": True}, {}, ["token.claims.claims_format"]),
        ({"exp": 1e300}, {}, ["token.claims.claims_format"]),
        ({}, {"issuer": "https://y.test"}, ["token.claims.issuer"]),
        ({}, {"issuer": "https://y.test", "validate_issuer": False}, []),
        ({}, {"issuer": "https://x.test"}, []),
        (
            {"exp": 0, "nbf": 2 * _NOW},
            {"issuer": "y"},
            [
                "token.claims.token_expired",
                "token.claims.token_not_yet_valid",
                "token.claims.issuer",
            ],
        ),
        ({"exp": 0}, {"validate": False}, []),
        ({"exp": "x" * 100}, {}, ["token.claims.claims_format"]),
    ],
)
def test_each_check_can_be_told_apart(
    claims: dict[str, Any], options: dict[str, Any], expected: list[str]
) -> None:
    token = AttestationToken.create({**_TIMES, **claims})
    chosen = _options(validate_signature=False, **options)

    if not expected:
        assert token.validate(chosen) is None
        return
    with pytest.raises(TokenValidationError) as caught:
        token.validate(chosen)

    assert _checks(caught) == expected


def test_signers_of_the_options_outrank_the_others() -> None:
    key = make_signing_key("one")
    token = AttestationToken.create(_TIMES, signing_key=key)
    pinned = _options(signers=(_signer(make_signing_key("two")),))

    with pytest.raises(TokenValidationError):
        token.validate(pinned, [_signer(key)])
    assert token.validate(replace(pinned, signers=(_signer(key),)))


def test_what_a_callback_raises_goes_through() -> None:
    def refuse(_token: AttestationToken, _signer: AttestationSigner | None) -> None:
        raise LookupError("not on my list")

    token = AttestationToken.create(_TIMES)

    with pytest.raises(LookupError):
        token.validate(_options(allow_unsecured=True, callback=refuse))


@pytest.mark.parametrize(
    "options",
    [
        {"algorithms": frozenset()},
        {"algorithms": frozenset({"none"})},
        {"slack": timedelta(seconds=-1)},
        {"at": datetime(2026, 1, 1)},  # noqa: DTZ001  the point
    ],
)
def test_options_that_check_nothing_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(RequestError):
        TokenValidationOptions(**options)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.b",
        "a.b.c.d",
        "ä.b.c",
        "e30.bm8.",
        "W10..",
        "eyJhIjoxfQ.eyJhIjoxLCJhIjoyfQ.",
        "A" * 2**21,
    ],
)
def test_what_is_no_token_is_told(text: str) -> None:
    with pytest.raises(TokenValidationError) as caught:
        AttestationToken.decode(text)

    assert _checks(caught) == ["token.jws.token_format"]


def test_a_token_shows_its_usual_members() -> None:
    token = make_attestation_token(claims={"iat": _NOW, "nbf": _NOW, "exp": _NOW + 1})

    assert token.issued_at == token.not_before == AT
    assert token.expires_at == datetime.fromtimestamp(_NOW + 1, UTC)
    assert (token.type, token.key_id) == (None, None)
    assert token == AttestationToken.decode(token.serialize())


def test_keys_are_read_from_pem() -> None:
    key, certificate = _rsa()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"pw"))
    chain = certificate.public_bytes(Encoding.PEM) * 2

    found = AttestationSigningKey.from_pem(private, chain.decode(), password=b"pw")

    assert found.certificate == certificate
    assert found.chain == (certificate,)
    token = AttestationToken.create(_TIMES, signing_key=found)
    assert (token.algorithm, len(_list(token.header["x5c"]))) == ("RS256", 2)
    assert "PRIVATE" not in repr(found)


@pytest.mark.parametrize(("key", "certificate"), [(b"no key", b"no certificate"), (b"", "ä")])
def test_what_is_no_pem_is_told_without_its_text(key: bytes, certificate: bytes | str) -> None:
    with pytest.raises(RequestError, match="as PEM"):
        AttestationSigningKey.from_pem(key, certificate)


def test_a_key_and_another_keys_certificate_are_refused() -> None:
    with pytest.raises(RequestError, match="another key"):
        AttestationSigningKey(_rsa()[0], make_signing_key("one").certificate)


def test_keys_of_other_kinds_are_refused() -> None:
    private = ed25519.Ed25519PrivateKey.generate()
    text = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    certificate = make_signing_key("one").certificate.public_bytes(Encoding.PEM)

    with pytest.raises(RequestError, match="another kind"):
        AttestationSigningKey.from_pem(text, certificate)


def test_a_curve_that_cannot_sign_policies_is_named() -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    signing_key = AttestationSigningKey(key, certify(key))

    with pytest.raises(RequestError, match="P-256"):
        AttestationToken.create(signing_key=signing_key)


def test_two_signers_of_one_name_are_refused() -> None:
    signer = make_attestation_signer()

    with pytest.raises(TokenValidationError) as caught:
        AttestationToken.create(_TIMES).validate(_options(), [signer, signer])

    assert _checks(caught) == ["token.key_set.key_set_format"]


@pytest.mark.parametrize("x5c", [["?"], ["AAAA"], "AAAA", [1], [of_another_version()]])
def test_certificates_that_do_not_parse_are_told(x5c: Any) -> None:  # noqa: ANN401
    with pytest.raises(TokenValidationError, match="do not parse"):
        _ = AttestationSigner.from_jwk({"kid": "k", "x5c": x5c}).certificates


def test_a_signer_has_a_certificate() -> None:
    with pytest.raises(RequestError, match="got none"):
        AttestationSigner.from_certificates([])


def test_a_bare_key_is_a_signer_without_certificates() -> None:
    assert AttestationSigner.from_jwk({"kty": "RSA", "n": "AQ", "e": "AQAB"}).certificates == ()


def _rsa() -> tuple[rsa.RSAPrivateKey, x509.Certificate]:
    return rsa_key(), owner()


def _list(value: object) -> list[object]:
    assert isinstance(value, list)
    return value
