"""Tokens and key sets that the original service issued, recorded in 2021."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtensionOID, NameOID

from assay.encoding import decode_base64url, encode_json
from assay.errors import TokenError
from assay.keys import SigningAlgorithm, SigningKey, generate_key, key_id
from assay.relying_party import TokenDemands, TokenVerifier, require
from assay.token import (
    KeySet,
    TokenExpectations,
    attestation_claims,
    jwks,
    openid_configuration,
    parse_key_set,
    sign_token,
    signing_certificate,
    unsecured_token,
    verify_token,
)
from tests.vectors import vector_params

_RECORDINGS: Final = vector_params("maa/python/*.json")
_KEY_SETS: Final = vector_params("maa/jwks/*.json")
_NO_KEYS: Final = KeySet(keys={}, passed_over={})
_RS256: Final = frozenset({SigningAlgorithm.RS256})


@pytest.fixture(scope="module")
def key(at: datetime) -> SigningKey:
    return generate_key(SigningAlgorithm.RS256, created_at=at)


def _tokens(recording: Path) -> Iterator[dict[str, Any]]:
    for interaction in json.loads(recording.read_bytes())["interactions"]:
        token = interaction.get("response_token")
        if token is not None and "raw" in token:
            yield token


def _is_attestation(claims: dict[str, Any]) -> bool:
    return "jti" in claims


def _key_set(vectors: Path, token: dict[str, Any]) -> KeySet:
    recorded = json.loads((vectors / "maa" / token["verify_with"]).read_bytes())
    return parse_key_set(encode_json(recorded["jwks"]))


def _expect(token: dict[str, Any]) -> TokenExpectations:
    return TokenExpectations(
        issuer=token["claims"]["iss"],
        algorithms=_RS256,
        allow_unsecured=token["header"]["alg"] == "none",
    )


@pytest.mark.parametrize("recording", _RECORDINGS)
def test_every_recorded_token_verifies_at_its_time(recording: Path, vectors: Path) -> None:
    for token in _tokens(recording):
        issued_at = datetime.fromtimestamp(token["claims"]["iat"], UTC)
        unsecured = token["header"]["alg"] == "none"
        keys = _NO_KEYS if unsecured else _key_set(vectors, token)

        verified = verify_token(token["raw"], keys, at=issued_at, expect=_expect(token))

        assert verified.header == token["header"]
        assert verified.claims == token["claims"]
        assert verified.signed is not unsecured


@pytest.mark.parametrize("recording", _RECORDINGS)
def test_a_relying_party_takes_every_signed_token_at_its_time_and_no_other(
    recording: Path, vectors: Path
) -> None:
    for token in _tokens(recording):
        claims = token["claims"]
        issued_at = datetime.fromtimestamp(claims["iat"], UTC)
        nonce = claims.get("nonce")
        verifier = TokenVerifier(
            claims["iss"],
            require(debuggable=claims["x-ms-sgx-is-debuggable"], svn__ge=0)
            if "x-ms-sgx-svn" in claims
            else None,
            demands=TokenDemands(algorithms=_RS256),
            keys=_key_set(vectors, token) if token["header"]["alg"] == "RS256" else _NO_KEYS,
            now=lambda at=issued_at: at,  # type: ignore[misc]
        )
        if token["header"]["alg"] == "none":
            with pytest.raises(TokenError) as raised:
                verifier.verify(token["raw"])
            assert [one.check for one in raised.value.findings] == ["token.jws.unsecured"]
        else:
            assert verifier.verify(token["raw"], nonce=nonce).claims == claims


@pytest.mark.parametrize("recording", _RECORDINGS)
def test_no_recorded_token_verifies_today(recording: Path, vectors: Path, at: datetime) -> None:
    for token in _tokens(recording):
        if token["header"]["alg"] == "none":
            continue
        keys = _key_set(vectors, token)

        with pytest.raises(TokenError) as raised:
            verify_token(token["raw"], keys, at=at, expect=_expect(token))

        assert [one.check for one in raised.value.findings] == ["token.claims.token_expired"]


@pytest.mark.parametrize("recording", _RECORDINGS)
def test_we_write_header_and_payload_as_the_service_did(recording: Path, key: SigningKey) -> None:
    for token in _tokens(recording):
        claims = token["claims"]
        if token["header"]["alg"] == "none":
            ours = unsecured_token(claims, kid=token["header"]["kid"], issuer=claims["iss"])
            # The recorded one has a signature no more than ours: the whole text must agree.
            assert ours == token["raw"]
            continue

        ours = sign_token(claims, key, issuer=claims["iss"])

        header, payload, _ = ours.split(".")
        recorded_header, recorded_payload, _ = token["raw"].split(".")
        assert payload == recorded_payload
        recorded_text = decode_base64url(recorded_header, "header").decode()
        assert decode_base64url(header, "header").decode() == recorded_text.replace(
            token["header"]["kid"], key.kid
        )


@pytest.mark.parametrize("recording", _RECORDINGS)
def test_we_add_the_claims_that_the_service_added(recording: Path) -> None:
    for token in _tokens(recording):
        claims = token["claims"]
        if not _is_attestation(claims):
            continue
        found = {
            name: value
            for name, value in claims.items()
            if name not in {"iss", "iat", "nbf", "exp", "jti"}
        }

        ours = attestation_claims(
            found,
            issuer=claims["iss"],
            issued_at=datetime.fromtimestamp(claims["iat"], UTC),
            jti=claims["jti"],
        )

        assert ours == claims


@pytest.mark.parametrize("recorded", _KEY_SETS)
def test_the_identifier_of_a_recorded_key_is_the_formula(recorded: Path) -> None:
    keys = json.loads(recorded.read_bytes())["jwks"]["keys"]

    own = [key for key in keys if len(key["x5c"]) == 1]  # The others have a Microsoft chain.

    assert len(own) == 2
    for key in own:
        certificate = x509.load_der_x509_certificate(base64.b64decode(key["x5c"][0]))
        assert key_id(certificate.public_key()) == key["kid"]  # type: ignore[arg-type]


@pytest.mark.parametrize("recorded", _KEY_SETS)
def test_a_recorded_key_set_is_read_and_its_short_key_passed_over(recorded: Path) -> None:
    document = json.loads(recorded.read_bytes())["jwks"]

    key_set = parse_key_set(encode_json(document))

    assert len(key_set.keys) == 5
    assert ["has 1024 bits" in reason for reason in key_set.passed_over.values()] == [True]


@pytest.mark.parametrize("recorded", _KEY_SETS)
def test_our_key_set_and_certificate_look_like_the_recorded_ones(
    recorded: Path, key: SigningKey
) -> None:
    theirs = json.loads(recorded.read_bytes())["jwks"]["keys"][0]
    certificate = x509.load_der_x509_certificate(base64.b64decode(theirs["x5c"][0]))
    issuer = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    assert isinstance(issuer, str)
    report = next(
        (one.oid.dotted_string, one.value.public_bytes())
        for one in certificate.extensions
        if isinstance(one.value, x509.UnrecognizedExtension)
    )

    own = signing_certificate(key, issuer=issuer, extensions=[report])

    ours = x509.load_der_x509_certificate(own)
    document: Any = jwks([(key, own)])
    assert list(document["keys"][0]) == list(theirs)
    assert (ours.subject, ours.issuer) == (certificate.subject, certificate.issuer)
    assert ours.serial_number == certificate.serial_number
    assert ours.not_valid_before_utc == certificate.not_valid_before_utc
    assert ours.not_valid_after_utc == certificate.not_valid_after_utc
    assert ours.signature_algorithm_oid == certificate.signature_algorithm_oid
    assert [(one.oid, one.critical) for one in ours.extensions] == [
        (one.oid, one.critical) for one in certificate.extensions
    ]
    assert _extension(ours, ExtensionOID.BASIC_CONSTRAINTS) == _extension(
        certificate, ExtensionOID.BASIC_CONSTRAINTS
    )


def test_the_openid_document_is_the_recorded_one(vectors: Path) -> None:
    recorded = json.loads((vectors / "maa/other/openid_configuration_recorded.json").read_bytes())

    ours = openid_configuration(recorded["body"]["issuer"], algorithms=[SigningAlgorithm.RS256])

    assert json.dumps(ours) == json.dumps(recorded["body"])


def _extension(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> x509.ExtensionType:
    return certificate.extensions.get_extension_for_oid(oid).value
