"""What a TPM would write: attestations, signatures and public areas, sound or not.

Source: TPM 2.0 Library, Part 2, sections 10.12, 11.3 and 12.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from assay.evidence.tpm.algorithms import (
    NULL,
    Curve,
    HashAlgorithm,
    KeyType,
    SignatureScheme,
)
from assay.evidence.tpm.attest import PCR_COUNT, ClockInfo, PcrSelection
from assay.evidence.tpm.buffers import buffer
from assay.evidence.tpm.pcrs import PcrValues, composite_digest
from assay.evidence.tpm.public import Attribute

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

GENERATED: Final = 0xFF544347
CERTIFY: Final = 0x8017
QUOTE: Final = 0x8018

AIK_ATTRIBUTES: Final = (
    Attribute.FIXED_TPM
    | Attribute.FIXED_PARENT
    | Attribute.SENSITIVE_DATA_ORIGIN
    | Attribute.USER_WITH_AUTH
    | Attribute.RESTRICTED
    | Attribute.SIGN
)
SIGNING_ATTRIBUTES: Final = AIK_ATTRIBUTES & ~Attribute.RESTRICTED

_FIRST_BOOT: Final = ClockInfo(
    clock=60_000, reset_count=3, restart_count=0, safe=True, firmware_version=1
)
_BITMAP_SIZE: Final = PCR_COUNT // 8
_DEFAULT_EXPONENT: Final = 65537


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestHead:
    """What every attestation starts with."""

    qualified_signer: bytes
    extra_data: bytes
    clock: ClockInfo = _FIRST_BOOT
    magic: int = GENERATED
    kind: int = QUOTE

    def encode(self, body: bytes) -> bytes:
        """A whole TPMS_ATTEST."""
        clock = self.clock
        return b"".join(
            (
                self.magic.to_bytes(4, "big"),
                self.kind.to_bytes(2, "big"),
                buffer(self.qualified_signer),
                buffer(self.extra_data),
                clock.clock.to_bytes(8, "big"),
                clock.reset_count.to_bytes(4, "big"),
                clock.restart_count.to_bytes(4, "big"),
                clock.safe.to_bytes(1, "big"),
                clock.firmware_version.to_bytes(8, "big"),
                body,
            )
        )


def quote_body(pcrs: PcrValues, scheme_hash: HashAlgorithm) -> bytes:
    """The selection of all of `pcrs`, and the digest over them."""
    selections = tuple(
        PcrSelection(bank=bank, indexes=tuple(sorted(values))) for bank, values in pcrs.items()
    )
    digest = composite_digest(selections, pcrs, scheme_hash)
    return encode_selections(selections) + buffer(digest)


def encode_selections(selections: Sequence[PcrSelection]) -> bytes:
    """TPML_PCR_SELECTION."""
    return len(selections).to_bytes(4, "big") + b"".join(
        one.bank.to_bytes(2, "big")
        + _BITMAP_SIZE.to_bytes(1, "big")
        + sum(1 << index for index in one.indexes).to_bytes(_BITMAP_SIZE, "little")
        for one in selections
    )


def sign(
    key: PrivateKey,
    data: bytes,
    *,
    hash_algorithm: HashAlgorithm = HashAlgorithm.SHA256,
    pss: bool = False,
) -> bytes:
    """TPMT_SIGNATURE of `data`: RSASSA, RSAPSS where `pss`, or ECDSA, as the key is."""
    algorithm = hash_algorithm.primitive
    if isinstance(key, ec.EllipticCurvePrivateKey):
        size = (key.curve.key_size + 7) // 8
        r, s = decode_dss_signature(key.sign(data, ec.ECDSA(algorithm)))
        scheme = SignatureScheme.ECDSA
        value = buffer(r.to_bytes(size, "big")) + buffer(s.to_bytes(size, "big"))
    elif pss:
        scheme = SignatureScheme.RSAPSS
        salted = padding.PSS(padding.MGF1(algorithm), algorithm.digest_size)
        value = buffer(key.sign(data, salted, algorithm))
    else:
        scheme = SignatureScheme.RSASSA
        value = buffer(key.sign(data, padding.PKCS1v15(), algorithm))
    return scheme.to_bytes(2, "big") + hash_algorithm.to_bytes(2, "big") + value


def public_area(
    key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey,
    *,
    attributes: Attribute,
    scheme: tuple[SignatureScheme, HashAlgorithm] | None = None,
    auth_policy: bytes = b"",
    storage: bool = False,
) -> bytes:
    """TPMT_PUBLIC of a key, named by SHA-256.

    Args:
        key: The key.
        attributes: What the TPM does with it.
        scheme: What it is confined to.
        auth_policy: Digest of the policy that allows its use.
        storage: Whether it is a storage key, with AES-128 in CFB.
    """
    is_rsa = isinstance(key, rsa.RSAPublicKey)
    kind = KeyType.RSA if is_rsa else KeyType.ECC
    return b"".join(
        (
            kind.to_bytes(2, "big"),
            HashAlgorithm.SHA256.to_bytes(2, "big"),
            attributes.to_bytes(4, "big"),
            buffer(auth_policy),
            bytes.fromhex("000600800043") if storage else NULL.to_bytes(2, "big"),
            _scheme(scheme),
            _rsa_parameters(key) if isinstance(key, rsa.RSAPublicKey) else _ecc_parameters(key),
        )
    )


def _scheme(scheme: tuple[SignatureScheme, HashAlgorithm] | None) -> bytes:
    if scheme is None:
        return NULL.to_bytes(2, "big")
    return scheme[0].to_bytes(2, "big") + scheme[1].to_bytes(2, "big")


def _rsa_parameters(key: rsa.RSAPublicKey) -> bytes:
    numbers = key.public_numbers()
    exponent = 0 if numbers.e == _DEFAULT_EXPONENT else numbers.e
    modulus = numbers.n.to_bytes(key.key_size // 8, "big")
    return key.key_size.to_bytes(2, "big") + exponent.to_bytes(4, "big") + buffer(modulus)


def _ecc_parameters(key: ec.EllipticCurvePublicKey) -> bytes:
    curve = next(one for one in Curve if one.primitive.name == key.curve.name)
    size = (key.curve.key_size + 7) // 8
    numbers = key.public_numbers()
    return (
        curve.to_bytes(2, "big")
        + NULL.to_bytes(2, "big")
        + buffer(numbers.x.to_bytes(size, "big"))
        + buffer(numbers.y.to_bytes(size, "big"))
    )
