from __future__ import annotations

import base64
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from assay.errors import SettingsError, TokenError
from assay.relying_party import TokenDemands, TokenVerifier
from assay.relying_party.pins import keep_pinned, read_pins
from assay.token import signing_certificate
from tests.attestation_tokens import ISSUER, key_set, service_key, token
from tests.certificates import of_another_version
from tests.conftest import AT


def _pem(number: int = 0) -> bytes:
    der = signing_certificate(service_key(number), issuer=ISSUER)
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)


def _pins() -> dict[str, str | bytes]:
    key = key_set(service_key(0)).keys[service_key(0).kid].key
    return {
        "thumbprint": key.thumbprint(),
        "key identifier": service_key(0).kid,
        "certificate in DER": signing_certificate(service_key(0), issuer="https://other.example"),
        "certificate in PEM": _pem(),
        "certificate as text": _pem().decode(),
    }


@cache
def _ed25519_certificate() -> bytes:
    key = ed25519.Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(1)
    builder = builder.public_key(key.public_key()).not_valid_before(AT).not_valid_after(AT)
    return builder.sign(key, None).public_bytes(Encoding.DER)


@pytest.mark.parametrize("form", _pins())
def test_a_pin_of_any_form_keeps_its_key_and_no_other(form: str) -> None:
    keys = key_set(service_key(0), service_key(1))

    kept = keep_pinned(keys, read_pins([_pins()[form]]))

    assert list(kept.keys) == [service_key(0).kid]
    assert kept.passed_over == {service_key(1).kid: "it is none of the pinned keys"}


@pytest.mark.parametrize(
    "pin",
    [
        "",
        "the key of last year",
        base64.b64encode(bytes(31)).decode(),
        b"",
        b"\x30\x00",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        base64.b64decode(of_another_version()),
        _ed25519_certificate(),
    ],
    ids=["empty", "words", "short", "no bytes", "DER", "PEM", "version 4", "another kind of key"],
)
def test_what_is_no_digest_of_a_key_is_refused(pin: str | bytes) -> None:
    with pytest.raises(SettingsError, match="a pin needs"):
        read_pins([pin])


def test_a_key_that_is_published_under_a_pinned_name_is_not_the_pinned_one() -> None:
    """TK-10: names of keys are the publisher's word."""
    keys = key_set(service_key(1))
    renamed = keys.keys[service_key(1).kid]
    forged = type(keys)(keys={service_key(0).kid: renamed}, passed_over={})

    kept = keep_pinned(forged, read_pins([service_key(0).kid]))

    assert not kept.keys


def test_a_token_of_a_key_that_is_not_pinned_is_refused() -> None:
    keys = key_set(service_key(0), service_key(1))
    verifier = TokenVerifier(
        ISSUER, demands=TokenDemands(pins=(service_key(0).kid,)), keys=keys, now=lambda: AT
    )

    assert verifier.verify(token()).kid == service_key(0).kid
    with pytest.raises(TokenError, match="pinned") as caught:
        verifier.verify(token(key=service_key(1)))
    assert [one.check for one in caught.value.findings] == ["token.jws.key_unknown"]
