from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store

from assay.encoding import encode_json
from assay.keys import PrivateKey, SigningAlgorithm, SigningKey, generate_key
from assay.token import SigningAuthority, jwks, names_issuer, parse_key_set
from tests.conftest import AT

_ISSUER: Final = "https://assay.example"
_LIFETIME: Final = timedelta(days=100)


@pytest.fixture(params=["RSA", "EC"])
def authority(request: pytest.FixtureRequest) -> SigningAuthority:
    key: PrivateKey = (
        rsa.generate_private_key(65537, 2048)
        if request.param == "RSA"
        else ec.generate_private_key(ec.SECP256R1())
    )
    return SigningAuthority.of(key)


@pytest.fixture(scope="module")
def key() -> SigningKey:
    return generate_key(SigningAlgorithm.ES256, created_at=AT)


def _certify(
    authority: SigningAuthority, key: SigningKey, issuer: str = _ISSUER
) -> tuple[x509.Certificate, x509.Certificate]:
    leaf, root = (
        x509.load_der_x509_certificate(one)
        for one in authority.certify(key, issuer=issuer, at=AT, lifetime=_LIFETIME)
    )
    return leaf, root


def test_a_relying_party_that_pins_the_authority_accepts_the_chain(
    authority: SigningAuthority, key: SigningKey
) -> None:
    leaf, root = _certify(authority, key)
    anyone = ExtensionPolicy.permit_all().require_present(
        x509.BasicConstraints, Criticality.CRITICAL, None
    )
    verifier = (
        PolicyBuilder()
        .store(Store([authority.certificate]))
        .time(AT)
        .extension_policies(ee_policy=anyone, ca_policy=anyone)
        .build_client_verifier()
    )

    verified = verifier.verify(leaf, [])

    assert verified.chain == [leaf, root]
    assert root == authority.certificate
    assert leaf.public_key() == key.public_key


def test_the_leaf_is_for_signatures_and_names_the_instance(
    authority: SigningAuthority, key: SigningKey
) -> None:
    leaf, root = _certify(authority, key)

    [name] = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert name.value == _ISSUER
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert not usage.key_cert_sign
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert leaf.not_valid_before_utc < AT
    assert leaf.not_valid_after_utc == AT + _LIFETIME
    assert leaf.serial_number != root.serial_number


def test_the_authority_certifies_leaves_and_nothing_else(authority: SigningAuthority) -> None:
    extensions = authority.certificate.extensions
    constraints = extensions.get_extension_for_class(x509.BasicConstraints).value
    usage = extensions.get_extension_for_class(x509.KeyUsage).value

    assert (constraints.ca, constraints.path_length) == (True, 0)
    assert usage.key_cert_sign
    assert not usage.digital_signature


def test_every_server_makes_the_same_certificate_of_an_authority(
    authority: SigningAuthority,
) -> None:
    other = SigningAuthority.of(authority.private_key).certificate

    assert other.tbs_certificate_bytes == authority.certificate.tbs_certificate_bytes
    if isinstance(authority.private_key, rsa.RSAPrivateKey):
        assert other == authority.certificate


def test_the_key_set_has_the_chain(authority: SigningAuthority, key: SigningKey) -> None:
    leaf, root = authority.certify(key, issuer=_ISSUER, at=AT, lifetime=_LIFETIME)

    document = encode_json(jwks([(key, leaf)], issuers={key.kid: (root,)}))

    [member] = json.loads(document)["keys"]
    assert [base64.b64decode(one) for one in member["x5c"]] == [leaf, root]
    assert key.kid in parse_key_set(document).keys


@pytest.mark.parametrize("length", [30, 64, 65, 300])
def test_a_certificate_is_of_one_instance(
    authority: SigningAuthority, key: SigningKey, length: int
) -> None:
    issuer = "https://".ljust(length, "a")
    leaf, _ = authority.certify(key, issuer=issuer, at=AT, lifetime=_LIFETIME)

    assert names_issuer(leaf, issuer)
    assert not names_issuer(leaf, f"{issuer}a")


def test_an_authority_does_not_show_its_key(authority: SigningAuthority) -> None:
    assert "private_key" not in repr(authority)
