"""MakeCredential: a secret that one TPM alone can open, and only if it holds a certain key.

The name of that key is part of what is encrypted, and a name is the hash of all attributes: the
key that the TPM has is exactly the one that was looked at.

Source: TPM 2.0 Library, Part 1, sections 11.4.10 (KDFs), 24 (credential protection), annexes B.10.4
and C.6.1; TCG EK Credential Profile, annex B (templates).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives import hmac
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFHMAC, CounterLocation, Mode

from assay.errors import Finding, UntrustedEvidenceError
from assay.evidence.tpm.algorithms import STRONG_HASHES, HashAlgorithm, SignatureScheme
from assay.evidence.tpm.buffers import buffer
from assay.evidence.tpm.public import Attribute, TpmPublic

_COUNTER_BYTES: Final = 4
_AES_BLOCK: Final = 16
_IDENTITY: Final = b"IDENTITY\0"

_EK_ATTRIBUTES: Final = (
    Attribute.FIXED_TPM
    | Attribute.FIXED_PARENT
    | Attribute.SENSITIVE_DATA_ORIGIN
    | Attribute.ADMIN_WITH_POLICY
    | Attribute.RESTRICTED
    | Attribute.DECRYPT
)
_AIK_ATTRIBUTES: Final = (
    Attribute.FIXED_TPM
    | Attribute.FIXED_PARENT
    | Attribute.SENSITIVE_DATA_ORIGIN
    | Attribute.RESTRICTED
    | Attribute.SIGN
)
_OPTIONAL: Final = Attribute.USER_WITH_AUTH | Attribute.NO_DA
_AES_BITS: Final = frozenset({128, 192, 256})


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What TPM2_ActivateCredential takes."""

    blob: bytes
    """TPMS_ID_OBJECT: the secret, encrypted, behind its integrity."""

    secret: bytes
    """The seed, encrypted for the endorsement key."""


def check_endorsement_key(public: TpmPublic) -> None:
    """Check that a key is one that a TPM only decrypts credentials with.

    Raises:
        UntrustedEvidenceError: It is not (`tpm.ek.attributes`).
    """
    lacking = _EK_ATTRIBUTES & ~public.attributes
    excess = public.attributes & ~(_EK_ATTRIBUTES | _OPTIONAL)
    if lacking or excess or not public.auth_policy:
        raise _refused(
            "tpm.ek.attributes",
            f"an endorsement key with attributes 0x{_EK_ATTRIBUTES:x} and a policy",
            f"0x{public.attributes:x}",
        )
    if (
        public.symmetric is None
        or public.symmetric[1] not in _AES_BITS
        or public.scheme is not None
        or public.name_algorithm not in STRONG_HASHES
    ):
        raise _refused(
            "tpm.ek.attributes", "an endorsement key with AES, SHA-256 or better, and no scheme",
            "another",
        )  # fmt: skip


def check_attestation_key(public: TpmPublic) -> None:
    """Check that a key is one that signs nothing but what its TPM made.

    Raises:
        UntrustedEvidenceError: It is not (`tpm.aik.attributes`).
    """
    lacking = _AIK_ATTRIBUTES & ~public.attributes
    excess = public.attributes & ~(_AIK_ATTRIBUTES | _OPTIONAL | Attribute.ADMIN_WITH_POLICY)
    if lacking or excess:
        raise _refused(
            "tpm.aik.attributes",
            f"an attestation key with attributes 0x{_AIK_ATTRIBUTES:x}",
            f"0x{public.attributes:x}",
            "make it fixedTPM, fixedParent, sensitiveDataOrigin, restricted and sign",
        )
    scheme = public.scheme
    if (
        scheme is None
        or scheme[0] not in {*SignatureScheme}
        or scheme[1] not in STRONG_HASHES
        or public.name_algorithm not in STRONG_HASHES
    ):
        raise _refused(
            "tpm.aik.attributes",
            "an attestation key confined to RSASSA, RSAPSS or ECDSA with SHA-256 or better",
            "another scheme",
        )


def make_credential(
    ek: TpmPublic,
    name: bytes,
    secret: bytes,
    *,
    random: Callable[[int], bytes],
    ephemeral: ec.EllipticCurvePrivateKey | None = None,
) -> Credential:
    """Encrypt `secret` for the TPM of `ek`, to be opened where the key called `name` is.

    Args:
        ek: The endorsement key, as `check_endorsement_key` passed it.
        name: Of the attestation key.
        secret: At most as long as the digest of the endorsement key's name.
        random: So many unpredictable bytes.
        ephemeral: What to agree on a seed with, where the endorsement key is on a curve; a new
            key by default, and any other only in tests.
    """
    hash_algorithm = ek.name_algorithm
    if isinstance(ek.key, rsa.RSAPublicKey):
        seed = random(hash_algorithm.size)
        oaep = padding.OAEP(
            padding.MGF1(hash_algorithm.primitive), hash_algorithm.primitive, _IDENTITY
        )
        encrypted = ek.key.encrypt(seed, oaep)
    else:
        seed, encrypted = _agree(ek.key, hash_algorithm, ephemeral)
    assert ek.symmetric is not None  # noqa: S101  `check_endorsement_key` saw to it
    storage = key_derivation(hash_algorithm, seed, b"STORAGE", name, ek.symmetric[1])
    encryptor = Cipher(algorithms.AES(storage), CFB(bytes(_AES_BLOCK))).encryptor()
    identity = encryptor.update(buffer(secret)) + encryptor.finalize()
    integrity = key_derivation(hash_algorithm, seed, b"INTEGRITY", b"", hash_algorithm.size * 8)
    outer = hmac.HMAC(integrity, hash_algorithm.primitive)
    outer.update(identity + name)
    return Credential(blob=buffer(outer.finalize()) + identity, secret=encrypted)


def _agree(
    key: ec.EllipticCurvePublicKey,
    hash_algorithm: HashAlgorithm,
    ephemeral: ec.EllipticCurvePrivateKey | None,
) -> tuple[bytes, bytes]:
    """A seed, and TPMS_ECC_POINT that lets the owner of `key` find it."""
    own = ephemeral or ec.generate_private_key(key.curve)
    size = (key.curve.key_size + 7) // 8
    shared = own.exchange(ec.ECDH(), key)
    numbers, other = own.public_key().public_numbers(), key.public_numbers()
    x, y = numbers.x.to_bytes(size, "big"), numbers.y.to_bytes(size, "big")
    info = _IDENTITY + x + other.x.to_bytes(size, "big")
    # KDFe is the concatenation KDF of SP 800-56A.
    seed = ConcatKDFHash(hash_algorithm.primitive, hash_algorithm.size, info).derive(shared)
    return seed, buffer(x) + buffer(y)


def key_derivation(
    hash_algorithm: HashAlgorithm, key: bytes, label: bytes, context: bytes, bits: int
) -> bytes:
    """KDFa: SP 800-108 in counter mode."""
    return KBKDFHMAC(
        algorithm=hash_algorithm.primitive,
        mode=Mode.CounterMode,
        length=bits // 8,
        rlen=_COUNTER_BYTES,
        llen=_COUNTER_BYTES,
        location=CounterLocation.BeforeFixed,
        label=label,
        context=context,
        fixed=None,
    ).derive(key)


def _refused(check: str, expected: str, actual: str, hint: str = "") -> UntrustedEvidenceError:
    finding = Finding(check=check, expected=expected, actual=actual, hint=hint)
    return UntrustedEvidenceError(str(finding), findings=[finding])
