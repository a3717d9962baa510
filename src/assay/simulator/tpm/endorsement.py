"""An endorsement key in software, which opens credentials as a TPM does.

Source: TPM 2.0 Library, Part 1, section 24; TCG EK Credential Profile, annex B.3.3 (template L-1).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.serialization import Encoding

from assay.evidence.tpm.algorithms import HashAlgorithm
from assay.evidence.tpm.credential import key_derivation
from assay.evidence.tpm.public import Attribute
from assay.evidence.tpm.verify import EK_PROFILE
from assay.simulator.tpm.platform import SimulatedTpm, aik_certificate, generate_key
from assay.simulator.tpm.structures import public_area

EK_ATTRIBUTES: Final = (
    Attribute.FIXED_TPM
    | Attribute.FIXED_PARENT
    | Attribute.SENSITIVE_DATA_ORIGIN
    | Attribute.ADMIN_WITH_POLICY
    | Attribute.RESTRICTED
    | Attribute.DECRYPT
)
_POLICY_SIZE: Final = 32
_SIZE: Final = 2
_AES_BITS: Final = 128
_BLOCK: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedEndorsement:
    """An endorsement key with its maker's certificate."""

    key: rsa.RSAPrivateKey
    certificate: bytes
    """DER."""

    @classmethod
    def create(cls, tpm: SimulatedTpm, *, at: datetime | None = None) -> Self:
        """A new key, certified by the authority of `tpm`."""
        key = generate_key()
        certificate: x509.Certificate = aik_certificate(
            key.public_key(),
            tpm.root,
            tpm.root_key,
            at=at or tpm.created_at,
            usage=EK_PROFILE.usage,
        )
        return cls(key=key, certificate=certificate.public_bytes(Encoding.DER))

    @property
    def public(self) -> bytes:
        """TPMT_PUBLIC."""
        return public_area(
            self.key.public_key(),
            attributes=EK_ATTRIBUTES,
            auth_policy=bytes(_POLICY_SIZE),
            storage=True,
        )

    def activate(self, name: bytes, *, blob: bytes, secret: bytes) -> bytes | None:
        """What was encrypted for the key called `name`; nothing where it is for another.

        Args:
            name: Of the attestation key that is loaded.
            blob: TPMS_ID_OBJECT.
            secret: The encrypted seed.
        """
        sha256 = HashAlgorithm.SHA256
        oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), b"IDENTITY\0")
        seed = self.key.decrypt(secret, oaep)
        integrity, identity = blob[_SIZE : _SIZE + sha256.size], blob[_SIZE + sha256.size :]
        outer = hmac.HMAC(
            key_derivation(sha256, seed, b"INTEGRITY", b"", sha256.size * 8), hashes.SHA256()
        )
        outer.update(identity + name)
        try:
            outer.verify(integrity)
        except InvalidSignature:
            return None
        storage = key_derivation(sha256, seed, b"STORAGE", name, _AES_BITS)
        decryptor = Cipher(algorithms.AES(storage), CFB(bytes(_BLOCK))).decryptor()
        return (decryptor.update(identity) + decryptor.finalize())[_SIZE:]
