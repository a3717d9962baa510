from __future__ import annotations

import hashlib
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from assay.endorsements.bundle_key import key_fingerprint, read_signing_key, read_trusted_key
from assay.errors import SettingsError

KEY: Final = Ed25519PrivateKey.generate()
OTHER_KIND: Final = ec.generate_private_key(ec.SECP256R1())


def private_pem(
    key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey,
    encryption: KeySerializationEncryption | None = None,
) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


def public_pem(key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def test_keys_are_read_from_pem() -> None:
    assert read_trusted_key(public_pem(KEY)) == KEY.public_key()
    assert read_signing_key(private_pem(KEY)).public_key() == KEY.public_key()


def test_a_fingerprint_is_of_the_key_as_openssl_writes_it() -> None:
    der = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    assert key_fingerprint(KEY.public_key()) == hashlib.sha256(der).hexdigest()


@pytest.mark.parametrize("pem", [b"", b"no key", public_pem(OTHER_KIND), private_pem(KEY)])
def test_what_is_no_public_key_of_this_kind_is_refused(pem: bytes) -> None:
    with pytest.raises(SettingsError, match="bundle key: expected"):
        read_trusted_key(pem)


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"no key",
        public_pem(KEY),
        private_pem(OTHER_KIND),
        private_pem(KEY, BestAvailableEncryption(b"password")),
    ],
)
def test_what_is_no_private_key_of_this_kind_is_refused(pem: bytes) -> None:
    with pytest.raises(SettingsError, match="bundle key: expected"):
        read_signing_key(pem)
