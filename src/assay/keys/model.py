"""A signing key as the tokens need it: an identifier, an algorithm, and signatures of JOSE's form.

Source: RFC 7518 section 3 for the algorithms and their signatures.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeAlias, assert_never, final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from assay.errors import SettingsError

PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PublicKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

MIN_RSA_BITS: Final = 2048
"""RFC 7518 sections 3.3 and 3.5 allow nothing shorter."""

_Sign: TypeAlias = Callable[[bytes], bytes]

_PKCS1: Final = padding.PKCS1v15()
_PSS: Final = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
_RSA_HASH: Final = hashes.SHA256()


class SigningAlgorithm(StrEnum):
    """The JWS algorithms that tokens are signed with, by their registered names."""

    RS256 = "RS256"
    PS256 = "PS256"
    ES256 = "ES256"
    ES384 = "ES384"


class KeyCustody(StrEnum):
    """Where a private key is, and who vouches for it."""

    SOFTWARE = "software"
    """Sealed in the store; its certificate is by itself."""

    TOKEN = "token"  # noqa: S105  a PKCS #11 token, no secret
    """In a PKCS #11 token, which it never leaves."""

    DELEGATED = "delegated"
    """Sealed in the store; certified by a key in a PKCS #11 token."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A private key bound to the one algorithm that it signs with.

    The private key may be any object of `cryptography`'s interface, so a key that never leaves
    its device fits. It is in no `repr` and in no error.

    Raises:
        SettingsError: The key is not one for the algorithm.
    """

    algorithm: SigningAlgorithm

    private_key: PrivateKey = field(repr=False, compare=False)

    created_at: datetime

    kid: str = field(init=False)
    """Identifier in token headers and the JWKS; see `key_id`."""

    public_key: PublicKey = field(init=False, repr=False, compare=False)

    spki_pem: bytes = field(init=False, repr=False)
    """SubjectPublicKeyInfo as PEM, lines ended by LF."""

    _signer: _Sign = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        public_key = self.private_key.public_key()
        object.__setattr__(self, "_signer", _signer(self.algorithm, self.private_key))
        object.__setattr__(self, "public_key", public_key)
        object.__setattr__(self, "spki_pem", _spki_pem(public_key))
        object.__setattr__(self, "kid", key_id(public_key))

    def sign(self, data: bytes) -> bytes:
        """The signature of `data` as JWS carries it; for ECDSA r and s, of fixed size, big-endian.

        Raises:
            SigningUnavailableError: The key's device does not sign at the moment.
        """
        return self._signer(data)


def key_id(public_key: PublicKey) -> str:
    """The identifier of a key: padded base64 of SHA-256 over its PEM and one NUL byte.

    The text hashed is the PEM of its SubjectPublicKeyInfo with LF line ends, the last one
    included. The NUL is there because the original service hashed a C string with its terminator.

    Source: recorded key sets of Microsoft Azure Attestation, 2021-07; formula checked on each.
    """
    digest = hashlib.sha256(_spki_pem(public_key) + b"\0").digest()
    return base64.b64encode(digest).decode("ascii")


def _spki_pem(public_key: PublicKey) -> bytes:
    return public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _signer(algorithm: SigningAlgorithm, key: PrivateKey) -> _Sign:
    match algorithm:
        case SigningAlgorithm.RS256:
            return _rsa_signer(algorithm, key, _PKCS1)
        case SigningAlgorithm.PS256:
            return _rsa_signer(algorithm, key, _PSS)
        case SigningAlgorithm.ES256:
            return _ecdsa_signer(algorithm, key, curve=ec.SECP256R1(), digest=hashes.SHA256())
        case SigningAlgorithm.ES384:
            return _ecdsa_signer(algorithm, key, curve=ec.SECP384R1(), digest=hashes.SHA384())
        case _:
            assert_never(algorithm)


def _rsa_signer(
    algorithm: SigningAlgorithm, key: PrivateKey, scheme: padding.AsymmetricPadding
) -> _Sign:
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < MIN_RSA_BITS:
        raise _unfit(algorithm, f"an RSA key of at least {MIN_RSA_BITS} bits", key)

    def sign(data: bytes) -> bytes:
        return key.sign(data, scheme, _RSA_HASH)

    return sign


def _ecdsa_signer(
    algorithm: SigningAlgorithm,
    key: PrivateKey,
    *,
    curve: ec.EllipticCurve,
    digest: hashes.HashAlgorithm,
) -> _Sign:
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != curve.name:
        raise _unfit(algorithm, f"an EC key on {curve.name}", key)
    scheme = ec.ECDSA(digest)
    size = (curve.key_size + 7) // 8

    def sign(data: bytes) -> bytes:
        r, s = utils.decode_dss_signature(key.sign(data, scheme))
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")

    return sign


def _unfit(algorithm: SigningAlgorithm, expected: str, key: PrivateKey) -> SettingsError:
    if isinstance(key, rsa.RSAPrivateKey):
        actual = f"an RSA key of {key.key_size} bits"
    else:
        actual = f"an EC key on {key.curve.name}"
    return SettingsError(f"signing algorithm {algorithm} needs {expected}, got {actual}")
