"""TPMT_SIGNATURE, and keys that such signatures are checked with.

Source: TPM 2.0 Library, Part 2, section 11.3; RFC 7518 section 6 for keys as JWK.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from assay.encoding import EncodingError, JsonValue, decode_base64url
from assay.errors import Finding, UntrustedEvidenceError
from assay.evidence.tpm.algorithms import (
    STRONG_HASHES,
    HashAlgorithm,
    SignatureScheme,
    read_hash,
    read_scheme,
)
from assay.evidence.tpm.buffers import read_buffer
from assay.wire import Reader, malformed

SIGNATURE_FORMAT: Final = "tpm.signature.format"
SIGNATURE_ALGORITHM: Final = "tpm.signature.algorithm"
KEY_FORMAT: Final = "tpm.key.format"

PublicKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

MIN_RSA_BITS: Final = 2048
MAX_RSA_BITS: Final = 4096
"""No TPM makes larger ones, and those of a stranger could keep us busy."""

_MAX_EXPONENT: Final = 0xFFFFFFFF
_MIN_EXPONENT: Final = 3
_MAX_RSA_SIZE: Final = MAX_RSA_BITS // 8
_CURVES: Final[Mapping[str, ec.EllipticCurve]] = {
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
}
_MAX_COORDINATE: Final = 66


@dataclass(frozen=True, slots=True, kw_only=True)
class TpmSignature:
    """A signature as the TPM returned it."""

    scheme: SignatureScheme
    hash: HashAlgorithm
    value: bytes
    """Of RSA as it is; of ECDSA in DER."""


def parse_signature(data: bytes) -> TpmSignature:
    """Parse a TPMT_SIGNATURE.

    Raises:
        MalformedEvidenceError: Not exactly one signature of a known scheme.
    """
    reader = Reader(data, "signature", check=SIGNATURE_FORMAT, order="big")
    scheme = read_scheme(reader, "scheme")
    hash_algorithm = read_hash(reader, "hash")
    if scheme is SignatureScheme.ECDSA:
        r = read_buffer(reader, "r", least=1, most=_MAX_COORDINATE)
        s = read_buffer(reader, "s", least=1, most=_MAX_COORDINATE)
        value = encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
    else:
        value = read_buffer(reader, "signature", least=1, most=_MAX_RSA_SIZE)
    reader.end()
    return TpmSignature(scheme=scheme, hash=hash_algorithm, value=value)


def verify_signature(
    key: PublicKey,
    signature: TpmSignature,
    signed: bytes,
    *,
    check: str,
    hashes: frozenset[HashAlgorithm] = STRONG_HASHES,
) -> None:
    """Check that the owner of `key` signed `signed`.

    Args:
        key: The key.
        signature: What it is to have made.
        signed: The bytes.
        check: The code of the finding where it did not.
        hashes: The hashes to accept.

    Raises:
        UntrustedEvidenceError: It did not (`check`), or by a hash that is not accepted, or by a
            scheme that is not the key's (`tpm.signature.algorithm`).
    """
    if signature.hash not in hashes:
        accepted = ", ".join(sorted(one.label for one in hashes))
        raise _refused(
            SIGNATURE_ALGORITHM,
            f"a signature over {accepted}",
            signature.hash.label,
            "make the attestation key anew with a scheme of SHA-256 or better",
        )
    is_ecdsa = signature.scheme is SignatureScheme.ECDSA
    if isinstance(key, ec.EllipticCurvePublicKey) != is_ecdsa:
        raise _refused(
            SIGNATURE_ALGORITHM, "a scheme that the key can sign with", signature.scheme.name
        )
    try:
        _verify(key, signature, signed)
    except InvalidSignature:
        raise _refused(
            check, "a signature of this structure by the attestation key", "another"
        ) from None


def _verify(key: PublicKey, signature: TpmSignature, signed: bytes) -> None:
    algorithm = signature.hash.primitive
    if isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature.value, signed, ec.ECDSA(algorithm))
    elif signature.scheme is SignatureScheme.RSASSA:
        key.verify(signature.value, signed, padding.PKCS1v15(), algorithm)
    else:
        # TPMs of before revision 1.38 salt as long as fits; they are not accepted.
        pss = padding.PSS(padding.MGF1(algorithm), algorithm.digest_size)
        key.verify(signature.value, signed, pss, algorithm)


def read_jwk(members: Mapping[str, JsonValue], what: str) -> PublicKey:
    """The public key in a JWK. Members that say what it is for are left to the policy.

    Raises:
        MalformedEvidenceError: Not an RSA key of 2048 to 4096 bits, nor one on P-256, P-384 or
            P-521 (`tpm.key.format`).
    """
    kind = members.get("kty")
    try:
        if kind == "RSA":
            return _rsa_key(members, what)
        if kind == "EC":
            return _ec_key(members, what)
    except EncodingError as error:
        raise malformed(KEY_FORMAT, f"{what} as JWK", error.message) from error
    raise malformed(KEY_FORMAT, f"{what} of type RSA or EC", f"{str(kind)[:16]!r}")


def rsa_public_key(modulus: int, exponent: int, what: str) -> rsa.RSAPublicKey:
    """An RSA key of acceptable size.

    Raises:
        MalformedEvidenceError: It is not (`tpm.key.format`).
    """
    bits = modulus.bit_length()
    if not MIN_RSA_BITS <= bits <= MAX_RSA_BITS or not modulus & 1:
        raise malformed(
            KEY_FORMAT, f"{what} with an odd modulus of {MIN_RSA_BITS} to {MAX_RSA_BITS} bits",
            f"{bits} bits",
        )  # fmt: skip
    if not _MIN_EXPONENT <= exponent <= _MAX_EXPONENT or not exponent & 1:
        raise malformed(KEY_FORMAT, f"{what} with an odd exponent of 3 to 2^32 - 1", "another")
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()


def ec_public_key(curve: ec.EllipticCurve, x: bytes, y: bytes, what: str) -> PublicKey:
    """The key of a point.

    Raises:
        MalformedEvidenceError: The point is not on the curve (`tpm.key.format`).
    """
    numbers = ec.EllipticCurvePublicNumbers(
        int.from_bytes(x, "big"), int.from_bytes(y, "big"), curve
    )
    try:
        return numbers.public_key()
    except ValueError:
        raise malformed(KEY_FORMAT, f"{what} on {curve.name}", "a point off it") from None


def same_key(one: PublicKey, other: object) -> bool:
    """Whether two keys are one. Only sound keys are compared, so that numbers decide."""
    if isinstance(one, rsa.RSAPublicKey):
        return isinstance(other, rsa.RSAPublicKey) and (
            one.public_numbers() == other.public_numbers()
        )
    return isinstance(other, ec.EllipticCurvePublicKey) and (
        one.public_numbers() == other.public_numbers()
    )


def _rsa_key(members: Mapping[str, JsonValue], what: str) -> rsa.RSAPublicKey:
    modulus = _octets(members, "n", what)
    exponent = _octets(members, "e", what)
    if len(modulus) > _MAX_RSA_SIZE or len(exponent) > _MAX_COORDINATE:
        raise malformed(KEY_FORMAT, f"{what} of at most {MAX_RSA_BITS} bits", "more")
    return rsa_public_key(int.from_bytes(modulus, "big"), int.from_bytes(exponent, "big"), what)


def _ec_key(members: Mapping[str, JsonValue], what: str) -> PublicKey:
    name = members.get("crv")
    curve = _CURVES.get(name) if isinstance(name, str) else None
    if curve is None:
        raise malformed(KEY_FORMAT, f"{what} on {', '.join(_CURVES)}", "another curve or none")
    size = (curve.key_size + 7) // 8
    x, y = _octets(members, "x", what), _octets(members, "y", what)
    if len(x) != size or len(y) != size:
        raise malformed(KEY_FORMAT, f"{what} with coordinates of {size} bytes", "others")
    return ec_public_key(curve, x, y, what)


def _octets(members: Mapping[str, JsonValue], name: str, what: str) -> bytes:
    value = members.get(name)
    if not isinstance(value, str):
        raise malformed(KEY_FORMAT, f"{what} with member {name!r}", "none of that type")
    return decode_base64url(value, f"{what}.{name}")


def _refused(check: str, expected: str, actual: str, hint: str = "") -> UntrustedEvidenceError:
    finding = Finding(check=check, expected=expected, actual=actual, hint=hint)
    return UntrustedEvidenceError(str(finding), findings=[finding])
