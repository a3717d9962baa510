from __future__ import annotations

import hashlib
from importlib.resources import files

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from assay.endorsements.anchors import intel_sgx_anchors, read_anchors
from assay.errors import SettingsError
from tests.certificates import CA_USAGE, ROOT, Keys, Recipe, armoured, name, pem

KEYS = Keys()
CERTIFICATE = KEYS.root_recipe.sign(KEYS.root)
DER = CERTIFICATE.public_bytes(Encoding.DER)
P256 = bytes.fromhex("06082a8648ce3d030107")
"""The object identifier of the curve."""


def test_the_pinned_root_is_intel_s() -> None:
    file = files("assay.endorsements").joinpath("roots/intel_sgx_root_ca.pem")
    certificate = x509.load_pem_x509_certificate(file.read_bytes())
    der = certificate.public_bytes(Encoding.DER)

    (anchor,) = intel_sgx_anchors()

    assert hashlib.sha256(der).hexdigest() == (
        "44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3"
    )
    assert anchor.fingerprint == "a0af031289f5d5d4132f9186068a7fc13628633ba235777472e29b6b6c67a49e"
    assert anchor.issued(certificate)
    assert not anchor.simulated
    certificate.verify_directly_issued_by(certificate)


def test_the_package_ships_no_other_root() -> None:
    folder = files("assay.endorsements").joinpath("roots")

    assert {file.name for file in folder.iterdir()} == {
        "intel_sgx_root_ca.pem",
        "microsoft_tpm_root_2014.pem",
    }


def test_roots_are_read_from_pem_and_der_in_their_order() -> None:
    other = Keys()
    second = other.root_recipe.sign(other.root)

    anchors = read_anchors([DER, pem(second, CERTIFICATE), pem(second).replace(b"\n", b"\r\n")])

    keys = [anchor.public_key for anchor in anchors]
    first_key, second_key = KEYS.root.public_key(), other.root.public_key()
    assert keys == [first_key, second_key, first_key, second_key]


def test_no_documents_are_no_roots() -> None:
    assert read_anchors([]) == ()


def test_roots_of_the_simulator_are_marked() -> None:
    (anchor,) = read_anchors([DER], simulated=True)

    assert anchor.simulated


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"a root",
        DER + b"\0",
        b"-----BEGIN CERTIFICATE-----",
        armoured(b"\0"),
        KEYS.root.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        DER.replace(P256, P256[:-1] + b"\x70"),
        DER.replace(b"\x06\x03\x55\x04\x03\x0c", b"\x06\x03\x55\x04\x03\x01"),
        DER.replace(ROOT.encode(), b"\xff" * len(ROOT)),
    ],
    ids=[
        "nothing",
        "text",
        "trailing byte",
        "half",
        "no certificate",
        "a private key",
        "unknown curve",
        "a boolean for a name",
        "a name not in UTF-8",
    ],
)
def test_what_is_not_a_root_certificate_is_the_operator_s_mistake(document: bytes) -> None:
    with pytest.raises(SettingsError):
        read_anchors([document])


def test_a_root_needs_a_key_on_an_elliptic_curve() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    root = Recipe(
        subject=name(ROOT), issuer=name(ROOT), key=key.public_key(), ca=True, usage=CA_USAGE
    ).sign(key)

    with pytest.raises(SettingsError, match="elliptic-curve"):
        read_anchors([pem(root)])


def test_a_root_on_another_curve_is_read() -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    root = Recipe(
        subject=name(ROOT), issuer=name(ROOT), key=key.public_key(), ca=True, usage=CA_USAGE
    ).sign(KEYS.root)

    assert read_anchors([pem(root)])[0].public_key == key.public_key()
