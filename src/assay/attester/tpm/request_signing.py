"""Keys that sign requests: in software, or in the TPM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from assay.attester.tpm.device import LoadedKey, TpmDevice
from assay.evidence.tpm.signature import PublicKey

_SALT_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class SoftwareKey:
    """A key of this process, which the quote vouches for."""

    private: rsa.RSAPrivateKey

    @property
    def public(self) -> PublicKey:
        """The public half."""
        return self.private.public_key()

    def sign(self, data: bytes) -> bytes:
        """A signature as PS256 has it."""
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), _SALT_BYTES)
        return self.private.sign(data, pss, hashes.SHA256())


@dataclass(frozen=True, slots=True, kw_only=True)
class TpmKey:
    """A key that never leaves the TPM, which certifies it."""

    device: TpmDevice
    loaded: LoadedKey

    @property
    def public(self) -> PublicKey:
        """The public half."""
        return self.loaded.public.key

    def sign(self, data: bytes) -> bytes:
        """A signature as PS256 has it."""
        return self.device.sign_ps256(self.loaded, data)


RequestKey: TypeAlias = SoftwareKey | TpmKey
