"""Signing keys: what they are, how software ones are made, and how they rest on disk."""

from __future__ import annotations

from assay.keys.device import KeyDevice
from assay.keys.key_encryption import (
    KeyEncryptionKey,
    load_key_encryption_key,
    parse_key_encryption_key,
)
from assay.keys.model import (
    KeyCustody,
    PrivateKey,
    PublicKey,
    SigningAlgorithm,
    SigningKey,
    key_id,
)
from assay.keys.private_file import read_private_file
from assay.keys.software import (
    generate_key,
    open_key,
    open_reference,
    seal_key,
    seal_reference,
)
from assay.keys.token_pin import TokenPin, load_token_pin

__all__ = [
    "KeyCustody",
    "KeyDevice",
    "KeyEncryptionKey",
    "PrivateKey",
    "PublicKey",
    "SigningAlgorithm",
    "SigningKey",
    "TokenPin",
    "generate_key",
    "key_id",
    "load_key_encryption_key",
    "load_token_pin",
    "open_key",
    "open_reference",
    "parse_key_encryption_key",
    "read_private_file",
    "seal_key",
    "seal_reference",
]
