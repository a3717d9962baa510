"""Algorithm identifiers of the TPM, as far as attestation uses them.

Source: TCG Algorithm Registry, TPM_ALG_ID and TPM_ECC_CURVE.
"""

from __future__ import annotations

import hashlib
from enum import IntEnum, unique
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from assay.errors import MalformedEvidenceError
from assay.wire import Reader


@unique
class HashAlgorithm(IntEnum):
    """A hash, and the bank of PCRs that is kept with it."""

    SHA1 = 0x0004
    SHA256 = 0x000B
    SHA384 = 0x000C
    SHA512 = 0x000D

    @property
    def label(self) -> str:
        """As `hashlib` and event logs spell it: `sha256`."""
        return self.name.lower()

    @property
    def size(self) -> int:
        """Bytes of a digest."""
        return _HASHES[self].digest_size

    @property
    def primitive(self) -> hashes.HashAlgorithm:
        """The same for `cryptography`."""
        return _HASHES[self]

    def digest(self, data: bytes) -> bytes:
        """The hash of `data`."""
        return hashlib.new(
            self.label, data, usedforsecurity=self is not HashAlgorithm.SHA1
        ).digest()


_HASHES: Final[dict[HashAlgorithm, hashes.HashAlgorithm]] = {
    HashAlgorithm.SHA1: hashes.SHA1(),  # noqa: S303  named to be refused
    HashAlgorithm.SHA256: hashes.SHA256(),
    HashAlgorithm.SHA384: hashes.SHA384(),
    HashAlgorithm.SHA512: hashes.SHA512(),
}

STRONG_HASHES: Final = frozenset(HashAlgorithm) - {HashAlgorithm.SHA1}
"""What a verification accepts: collisions of SHA-1 are for sale."""


@unique
class SignatureScheme(IntEnum):
    """How a key signs."""

    RSASSA = 0x0014
    RSAPSS = 0x0016
    ECDSA = 0x0018


@unique
class KeyType(IntEnum):
    """The kinds of asymmetric key."""

    RSA = 0x0001
    ECC = 0x0023


@unique
class Curve(IntEnum):
    """The NIST curves."""

    P256 = 0x0003
    P384 = 0x0004
    P521 = 0x0005

    @property
    def primitive(self) -> ec.EllipticCurve:
        """The same for `cryptography`."""
        return _CURVES[self]


_CURVES: Final[dict[Curve, ec.EllipticCurve]] = {
    Curve.P256: ec.SECP256R1(),
    Curve.P384: ec.SECP384R1(),
    Curve.P521: ec.SECP521R1(),
}

NULL: Final = 0x0010
"""TPM_ALG_NULL: no scheme, no symmetric algorithm, no key derivation."""


def read_hash(reader: Reader, field: str) -> HashAlgorithm:
    """Read a TPMI_ALG_HASH.

    Raises:
        MalformedEvidenceError: Too few bytes, or a hash that is none of the four.
    """
    number = reader.uint(2, field)
    try:
        return HashAlgorithm(number)
    except ValueError:
        raise _unknown(reader, field, "a hash", number) from None


def read_scheme(reader: Reader, field: str) -> SignatureScheme:
    """Read a TPMI_ALG_SIG_SCHEME.

    Raises:
        MalformedEvidenceError: Too few bytes, or a scheme that is none of the three.
    """
    number = reader.uint(2, field)
    try:
        return SignatureScheme(number)
    except ValueError:
        raise _unknown(reader, field, "RSASSA, RSAPSS or ECDSA", number) from None


def _unknown(reader: Reader, field: str, expected: str, number: int) -> MalformedEvidenceError:
    return reader.malformed(field, expected, f"algorithm 0x{number:04x}")
