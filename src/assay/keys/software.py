"""Signing keys in software: made here, kept in the store under a key-encryption key.

So are references to keys that a device keeps.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, assert_never

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

from assay.encoding import decode_base64url, encode_base64url, encode_json
from assay.errors import SettingsError
from assay.keys.key_encryption import KeyEncryptionKey
from assay.keys.model import PrivateKey, PublicKey, SigningAlgorithm, SigningKey

_RSA_EXPONENT: Final = 65537
_RSA_BITS: Final = 2048
"""What the clients of the original service expect, and what signing costs least with."""


def generate_key(algorithm: SigningAlgorithm, *, created_at: datetime) -> SigningKey:
    """A new key for `algorithm`: RSA of 2048 bits, or on the algorithm's curve."""
    private_key: PrivateKey
    match algorithm:
        case SigningAlgorithm.RS256 | SigningAlgorithm.PS256:
            private_key = rsa.generate_private_key(_RSA_EXPONENT, _RSA_BITS)
        case SigningAlgorithm.ES256:
            private_key = ec.generate_private_key(ec.SECP256R1())
        case SigningAlgorithm.ES384:
            private_key = ec.generate_private_key(ec.SECP384R1())
        case _:
            assert_never(algorithm)
    return SigningKey(algorithm=algorithm, private_key=private_key, created_at=created_at)


def seal_key(key: SigningKey, key_encryption_key: KeyEncryptionKey) -> bytes:
    """The private key as PKCS #8, sealed and bound to its identifier and algorithm."""
    plaintext = key.private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return key_encryption_key.seal(plaintext, context=_context(key.kid, key.algorithm))


def open_key(
    sealed: bytes,
    key_encryption_key: KeyEncryptionKey,
    *,
    kid: str,
    algorithm: SigningAlgorithm,
    created_at: datetime,
) -> SigningKey:
    """The signing key that was sealed for this identifier and algorithm.

    Raises:
        SettingsError: Another key-encryption key sealed it, or the sealed bytes, the identifier
            or the algorithm are not the ones that were sealed together.
    """
    plaintext = key_encryption_key.open(
        sealed, context=_context(kid, algorithm), what=f"signing key {kid}"
    )
    # The seal has shown that it is the key which was made here: to test its primes again would cost
    # 30 ms for each instance that is loaded.
    private_key = load_der_private_key(
        plaintext, password=None, unsafe_skip_rsa_key_validation=True
    )
    if not isinstance(private_key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise SettingsError(f"signing key {kid}: need an RSA or EC key, got another kind")
    return SigningKey(algorithm=algorithm, private_key=private_key, created_at=created_at)


def seal_reference(
    key: SigningKey, identifier: bytes, key_encryption_key: KeyEncryptionKey
) -> bytes:
    """Where a device has a key, sealed and bound to the key's identifier and algorithm.

    It is no secret. Sealed, nobody who can write to the store can put a key of theirs there.
    """
    spki = key.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    plaintext = encode_json([encode_base64url(identifier), encode_base64url(spki)])
    return key_encryption_key.seal(plaintext, context=_reference_context(key.kid, key.algorithm))


def open_reference(
    sealed: bytes, key_encryption_key: KeyEncryptionKey, *, kid: str, algorithm: SigningAlgorithm
) -> tuple[bytes, PublicKey]:
    """What the device knows the key by, and the key's public part.

    Raises:
        SettingsError: Another key-encryption key sealed it, or it is not what was sealed for this
            identifier and algorithm.
    """
    plaintext = key_encryption_key.open(
        sealed, context=_reference_context(kid, algorithm), what=f"signing key {kid}"
    )
    identifier, spki = msgspec.json.decode(plaintext, type=tuple[str, str])
    public_key = load_der_public_key(decode_base64url(spki, "key"))
    if not isinstance(public_key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise SettingsError(f"signing key {kid}: need an RSA or EC key, got another kind")
    return decode_base64url(identifier, "identifier"), public_key


def _reference_context(kid: str, algorithm: SigningAlgorithm) -> bytes:
    return encode_json(["assay signing key in a device", kid, algorithm.value])


def _context(kid: str, algorithm: SigningAlgorithm) -> bytes:
    # JSON, not concatenation: no two pairs give the same bytes.
    return encode_json(["assay signing key", kid, algorithm.value])
