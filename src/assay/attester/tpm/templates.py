"""Public areas to make keys from.

Source: TCG EK Credential Profile, annex B.3.3 (template L-1) and B.6.5 (policy A).
"""

from __future__ import annotations

from typing import Final

from assay.evidence.tpm.algorithms import (
    NULL,
    Curve,
    HashAlgorithm,
    KeyType,
    SignatureScheme,
)
from assay.evidence.tpm.buffers import buffer
from assay.evidence.tpm.public import Attribute

_RSA_BITS: Final = 2048
_RSA_SIZE: Final = _RSA_BITS // 8
_AES_128_CFB: Final = bytes.fromhex("000600800043")
_NULL: Final = NULL.to_bytes(2, "big")

_POLICY_A: Final = bytes.fromhex("837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa")
"""PolicySecret of the endorsement hierarchy."""

_FIXED: Final = Attribute.FIXED_TPM | Attribute.FIXED_PARENT | Attribute.SENSITIVE_DATA_ORIGIN
_EK: Final = _FIXED | Attribute.ADMIN_WITH_POLICY | Attribute.RESTRICTED | Attribute.DECRYPT
_SIGNING: Final = _FIXED | Attribute.USER_WITH_AUTH | Attribute.NO_DA | Attribute.SIGN
_AIK: Final = _SIGNING | Attribute.RESTRICTED


def ek_template() -> bytes:
    """An RSA endorsement key, as makers of TPMs certify it."""
    return _rsa(_EK, policy=_POLICY_A, symmetric=_AES_128_CFB, unique=bytes(_RSA_SIZE))


def aik_template() -> bytes:
    """An RSA attestation key: it signs nothing but what the TPM made."""
    return _rsa(_AIK, scheme=_scheme(SignatureScheme.RSASSA))


def ecc_aik_template() -> bytes:
    """An attestation key on P-256, which slow TPMs make in no time."""
    return b"".join(
        (
            KeyType.ECC.to_bytes(2, "big"),
            HashAlgorithm.SHA256.to_bytes(2, "big"),
            _AIK.to_bytes(4, "big"),
            buffer(b""),
            _NULL,
            _scheme(SignatureScheme.ECDSA),
            Curve.P256.to_bytes(2, "big"),
            _NULL,
            buffer(b""),
            buffer(b""),
        )
    )


def signing_template() -> bytes:
    """An RSA key that signs requests as PS256."""
    return _rsa(_SIGNING)


def _rsa(
    attributes: Attribute,
    *,
    policy: bytes = b"",
    symmetric: bytes = _NULL,
    scheme: bytes = _NULL,
    unique: bytes = b"",
) -> bytes:
    return b"".join(
        (
            KeyType.RSA.to_bytes(2, "big"),
            HashAlgorithm.SHA256.to_bytes(2, "big"),
            attributes.to_bytes(4, "big"),
            buffer(policy),
            symmetric,
            scheme,
            _RSA_BITS.to_bytes(2, "big"),
            bytes(4),
            buffer(unique),
        )
    )


def _scheme(scheme: SignatureScheme) -> bytes:
    return scheme.to_bytes(2, "big") + HashAlgorithm.SHA256.to_bytes(2, "big")
