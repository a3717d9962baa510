"""The key-encryption key: what seals secrets at rest, and where an operator keeps it.

Sealed form: one version byte (1), a random nonce of 12 bytes, AES-256-GCM ciphertext with its tag
of 16 bytes. Source: NIST SP 800-38D section 8.2.2 for the nonce.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from assay.encoding import EncodingError, decode_base64
from assay.errors import SettingsError
from assay.keys.private_file import read_private_file

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_VERSION: Final = b"\x01"
_OVERHEAD: Final = len(_VERSION) + _NONCE_BYTES + _TAG_BYTES

_HOW_TO_MAKE: Final = "make one with `openssl rand -base64 32`"


@final
@dataclass(frozen=True, slots=True)
class KeyEncryptionKey:
    """A 256-bit key that seals secrets at rest. Its bytes are in no `repr` and in no error.

    Raises:
        SettingsError: Not 32 bytes.
    """

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != _KEY_BYTES:
            raise SettingsError(
                f"a key-encryption key needs {_KEY_BYTES} bytes, got {len(self.secret)}; "
                f"{_HOW_TO_MAKE}"
            )

    def seal(self, plaintext: bytes, *, context: bytes) -> bytes:
        """`plaintext`, encrypted and bound to `context`, which is authenticated but not kept."""
        # Random nonces are safe to about 2**32 seals a key; an instance seals a few a year.
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _VERSION + nonce + AESGCM(self.secret).encrypt(nonce, plaintext, context)

    def open(self, sealed: bytes, *, context: bytes, what: str) -> bytes:
        """What `seal` was given, for the same `context`.

        Args:
            sealed: As `seal` returned it.
            context: As `seal` was given it.
            what: The secret's name, for the error.

        Raises:
            SettingsError: Another key sealed it, or it or its context has been changed since.
        """
        if len(sealed) < _OVERHEAD or not sealed.startswith(_VERSION):
            raise SettingsError(
                f"{what}: need at least {_OVERHEAD} sealed bytes of version 1, got {len(sealed)} "
                "bytes of another form; restore the database from a backup"
            )
        nonce = sealed[len(_VERSION) : len(_VERSION) + _NONCE_BYTES]
        ciphertext = sealed[len(_VERSION) + _NONCE_BYTES :]
        try:
            return AESGCM(self.secret).decrypt(nonce, ciphertext, context)
        except InvalidTag:
            raise SettingsError(
                f"{what}: this key-encryption key did not seal it, or it was changed since; "
                "configure the key that this database was created with"
            ) from None


def load_key_encryption_key(path: Path) -> KeyEncryptionKey:
    """The key in a file of 32 raw bytes, or of base64 text.

    Raises:
        SettingsError: The file cannot be read, is open to group or others, or holds no such key.
    """
    content = read_private_file(path, "key-encryption key")
    if len(content) != _KEY_BYTES:
        return _from_base64(content, str(path))
    # 32 random bytes are printable once in 10**14; a passphrase or a cut-off text always is.
    if all(32 <= byte < 127 or byte in b"\t\r\n" for byte in content):  # noqa: PLR2004  # ASCII
        raise SettingsError(
            f"key-encryption key {path}: need 32 random bytes or base64 of them, got 32 printable "
            f"characters, which look like a passphrase; {_HOW_TO_MAKE}"
        )
    return KeyEncryptionKey(content)


def parse_key_encryption_key(text: str, *, source: str) -> KeyEncryptionKey:
    """The key in base64 text of either alphabet, as an environment variable holds it.

    Args:
        text: Base64 of 32 bytes; white space around it is ignored.
        source: Where it came from, for the error: the variable's name.

    Raises:
        SettingsError: Not base64 of 32 bytes.
    """
    return _from_base64(text.encode("utf-8", "replace"), source)


def _from_base64(content: bytes, source: str) -> KeyEncryptionKey:
    try:
        secret = decode_base64(content.decode("ascii").strip(), "key")
    except (UnicodeDecodeError, EncodingError):
        # The cause is left out: its text or its object would show part of the secret.
        raise SettingsError(
            f"key-encryption key {source}: need base64 of {_KEY_BYTES} bytes, got something else; "
            f"{_HOW_TO_MAKE}"
        ) from None
    if len(secret) != _KEY_BYTES:
        raise SettingsError(
            f"key-encryption key {source}: need base64 of {_KEY_BYTES} bytes, "
            f"got base64 of {len(secret)}; {_HOW_TO_MAKE}"
        )
    return KeyEncryptionKey(secret)
