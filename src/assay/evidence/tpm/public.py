"""TPMT_PUBLIC: a key as the TPM knows it, with its attributes and its name.

Source: TPM 2.0 Library, Part 1, section 16 (names), Part 2, sections 8.3 and 12.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from assay.evidence.tpm.algorithms import (
    NULL,
    Curve,
    HashAlgorithm,
    KeyType,
    SignatureScheme,
    read_hash,
)
from assay.evidence.tpm.buffers import read_buffer
from assay.evidence.tpm.signature import PublicKey, ec_public_key, rsa_public_key
from assay.wire import Reader

PUBLIC_FORMAT: Final = "tpm.public.format"

_MAX_PUBLIC_SIZE: Final = 2048
_MAX_RSA_SIZE: Final = 512
_MAX_POLICY: Final = 64
_MAX_COORDINATE: Final = 66
_DEFAULT_EXPONENT: Final = 65537
_AES: Final = 0x0006
_CFB: Final = 0x0043
_OAEP: Final = 0x0017
_RSAES: Final = 0x0015
_ECDH: Final = 0x0019
_ECSCHNORR: Final = 0x001C
_HASHED_SCHEMES: Final = frozenset({*SignatureScheme, _OAEP, _ECDH, _ECSCHNORR})
_RESERVED_ATTRIBUTES: Final = 0xFFF8F309


class Attribute(IntFlag):
    """TPMA_OBJECT: what a TPM does with a key."""

    FIXED_TPM = 1 << 1
    STATE_CLEAR = 1 << 2
    FIXED_PARENT = 1 << 4
    SENSITIVE_DATA_ORIGIN = 1 << 5
    USER_WITH_AUTH = 1 << 6
    ADMIN_WITH_POLICY = 1 << 7
    NO_DA = 1 << 10
    ENCRYPTED_DUPLICATION = 1 << 11
    RESTRICTED = 1 << 16
    DECRYPT = 1 << 17
    SIGN = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class TpmPublic:
    """The public area of a key, structure only."""

    name_algorithm: HashAlgorithm
    attributes: Attribute
    auth_policy: bytes
    symmetric: tuple[int, int, int] | None
    """Algorithm, key bits and mode of a storage key; nothing for others."""

    scheme: tuple[int, HashAlgorithm | None] | None
    """What the key is confined to: an algorithm, and its hash where it has one."""

    key: PublicKey
    encoded: bytes
    """The structure, which the name is the hash of."""

    @property
    def name(self) -> bytes:
        """What the TPM calls it: the name algorithm and the hash of all this."""
        number = self.name_algorithm.to_bytes(2, "big")
        return number + self.name_algorithm.digest(self.encoded)

    def qualified_name(self, parent: bytes) -> bytes:
        """The name with all that it hangs from.

        Args:
            parent: The parent's qualified name, or four bytes of a hierarchy's handle.
        """
        number = self.name_algorithm.to_bytes(2, "big")
        return number + self.name_algorithm.digest(parent + self.name)


def parse_public(data: bytes) -> TpmPublic:
    """Parse a TPMT_PUBLIC.

    Raises:
        MalformedEvidenceError: Not exactly one RSA or ECC key (`tpm.public.format`), or one whose
            numbers are not sound (`tpm.key.format`).
    """
    reader = Reader(data, "public", check=PUBLIC_FORMAT, order="big")
    if len(data) > _MAX_PUBLIC_SIZE:
        raise reader.malformed("size", f"at most {_MAX_PUBLIC_SIZE} bytes", f"{len(data)}")
    kind = reader.uint(2, "type")
    if kind not in {*KeyType}:
        raise reader.malformed("type", "RSA or ECC", f"algorithm 0x{kind:04x}")
    name_algorithm = read_hash(reader, "name_algorithm")
    attributes = _read_attributes(reader)
    auth_policy = read_buffer(reader, "auth_policy", most=_MAX_POLICY)
    if auth_policy and len(auth_policy) != name_algorithm.size:
        raise reader.malformed(
            "auth_policy", f"none or {name_algorithm.size} bytes", f"{len(auth_policy)}"
        )
    symmetric = _read_symmetric(reader)
    scheme = _read_scheme(reader)
    key = _read_rsa(reader) if kind == KeyType.RSA else _read_ecc(reader)
    reader.end()
    return TpmPublic(
        name_algorithm=name_algorithm,
        attributes=attributes,
        auth_policy=auth_policy,
        symmetric=symmetric,
        scheme=scheme,
        key=key,
        encoded=data,
    )


def _read_attributes(reader: Reader) -> Attribute:
    value = reader.uint(4, "attributes")
    if value & _RESERVED_ATTRIBUTES:
        raise reader.malformed("attributes", "no reserved bit", f"0x{value:08x}")
    return Attribute(value)


def _read_symmetric(reader: Reader) -> tuple[int, int, int] | None:
    algorithm = reader.uint(2, "symmetric")
    if algorithm == NULL:
        return None
    bits = reader.uint(2, "symmetric_bits")
    mode = reader.uint(2, "symmetric_mode")
    if (algorithm, mode) != (_AES, _CFB):
        raise reader.malformed("symmetric", "AES in CFB", f"0x{algorithm:04x} in 0x{mode:04x}")
    return algorithm, bits, mode


def _read_scheme(reader: Reader) -> tuple[int, HashAlgorithm | None] | None:
    algorithm = reader.uint(2, "scheme")
    if algorithm == NULL:
        return None
    if algorithm == _RSAES:
        return algorithm, None
    if algorithm not in _HASHED_SCHEMES:
        raise reader.malformed("scheme", "a known scheme", f"algorithm 0x{algorithm:04x}")
    return algorithm, read_hash(reader, "scheme_hash")


def _read_rsa(reader: Reader) -> rsa.RSAPublicKey:
    bits = reader.uint(2, "key_bits")
    exponent = reader.uint(4, "exponent") or _DEFAULT_EXPONENT
    modulus = int.from_bytes(read_buffer(reader, "modulus", most=_MAX_RSA_SIZE), "big")
    if modulus.bit_length() != bits:
        raise reader.malformed("modulus", f"{bits} bits", f"{modulus.bit_length()}")
    return rsa_public_key(modulus, exponent, "public area")


def _read_ecc(reader: Reader) -> PublicKey:
    number = reader.uint(2, "curve")
    if number not in {*Curve}:
        raise reader.malformed("curve", "P-256, P-384 or P-521", f"curve 0x{number:04x}")
    curve: ec.EllipticCurve = Curve(number).primitive
    derivation = reader.uint(2, "kdf")
    if derivation != NULL:
        raise reader.malformed("kdf", "none", f"algorithm 0x{derivation:04x}")
    x = read_buffer(reader, "x", most=_MAX_COORDINATE)
    y = read_buffer(reader, "y", most=_MAX_COORDINATE)
    return ec_public_key(curve, x, y, "public area")
