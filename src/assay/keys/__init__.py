"""Signing keys: what they are, how software ones are made, and how they rest on disk."""

from __future__ import annotations

from assay.keys.key_encryption import (
    KeyEncryptionKey,
    load_key_encryption_key,
    parse_key_encryption_key,
)
from assay.keys.model import PrivateKey, PublicKey, SigningAlgorithm, SigningKey, key_id
from assay.keys.software import generate_key, open_key, seal_key

__all__ = [
    "KeyEncryptionKey",
    "PrivateKey",
    "PublicKey",
    "SigningAlgorithm",
    "SigningKey",
    "generate_key",
    "key_id",
    "load_key_encryption_key",
    "open_key",
    "parse_key_encryption_key",
    "seal_key",
]
