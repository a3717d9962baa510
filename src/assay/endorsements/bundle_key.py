"""The keys of offline bundles: Ed25519, from PEM files that their owners name."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from assay.errors import SettingsError
from assay.x509.chain import PARSE_ERRORS


def read_trusted_key(pem: bytes) -> Ed25519PublicKey:
    """The public key that bundles must be signed with, from PEM.

    Raises:
        SettingsError: Not an Ed25519 public key.
    """
    try:
        key = load_pem_public_key(pem)
    except PARSE_ERRORS as error:
        raise SettingsError("bundle key: expected a public key in PEM") from error
    if not isinstance(key, Ed25519PublicKey):
        raise SettingsError("bundle key: expected an Ed25519 key, got one of another kind")
    return key


def read_signing_key(pem: bytes) -> Ed25519PrivateKey:
    """The private key to sign bundles with, from PEM without a password.

    Raises:
        SettingsError: Not an Ed25519 private key, or an encrypted one.
    """
    try:
        key = load_pem_private_key(pem, password=None)
    except PARSE_ERRORS as error:
        raise SettingsError("bundle key: expected a private key in PEM, not encrypted") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingsError("bundle key: expected an Ed25519 key, got one of another kind")
    return key


def key_fingerprint(key: Ed25519PublicKey) -> str:
    """SHA-256 of the key as SubjectPublicKeyInfo, lower-case hex: what `signed_by` says."""
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()
