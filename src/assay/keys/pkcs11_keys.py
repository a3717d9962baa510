"""Private keys of a PKCS #11 token, behind the interface of `cryptography`'s own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final, NoReturn, Protocol, Self, TypeAlias, final

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.hashes import SHA256, HashAlgorithm
from pkcs11 import MGF, Mechanism

from assay.keys.model import PrivateKey, PublicKey

Buffer: TypeAlias = "bytes | bytearray | memoryview[int]"

_PSS_PARAMETER: Final = (Mechanism.SHA256, MGF.SHA256, SHA256.digest_size)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class KeyName:
    """What a key is found by in its token."""

    identifier: bytes | None = None
    label: str = ""
    """Where there is no identifier."""


class TokenSigner(Protocol):
    """A token that signs."""

    def sign(
        self, name: KeyName, data: bytes, mechanism: Mechanism, parameter: object = None
    ) -> bytes:
        """A signature as the token makes it.

        Raises:
            SigningUnavailableError: The token is away, or does not do it.
        """
        ...


def token_private_key(token: TokenSigner, name: KeyName, public_key: PublicKey) -> PrivateKey:
    """A key in a token, to sign with. The token is asked when it does, and not before."""
    if isinstance(public_key, rsa.RSAPublicKey):
        return TokenRsaKey(token, name, public_key)
    return TokenEcKey(token, name, public_key)


@final
class TokenRsaKey(rsa.RSAPrivateKey):
    """An RSA key. It signs over SHA-256, and does nothing else."""

    def __init__(self, token: TokenSigner, name: KeyName, public_key: rsa.RSAPublicKey) -> None:
        self._token = token
        self._name = name
        self._public_key = public_key

    @property
    def key_size(self) -> int:
        """Of the modulus, in bits."""
        return self._public_key.key_size

    def public_key(self) -> rsa.RSAPublicKey:
        """Its public part."""
        return self._public_key

    def sign(
        self,
        data: Buffer,
        padding: padding.AsymmetricPadding,
        algorithm: utils.Prehashed | HashAlgorithm | utils.NoDigestInfo,
    ) -> bytes:
        """The signature.

        Raises:
            SigningUnavailableError: The token is away, or does not do it.
            ValueError: Another hash or padding than those of RS256 and PS256.
        """
        if not isinstance(algorithm, SHA256):
            raise ValueError("a token's RSA key signs over SHA-256")  # noqa: TRY004  as `cryptography`
        if padding.name == "EMSA-PKCS1-v1_5":
            return self._token.sign(self._name, bytes(data), Mechanism.SHA256_RSA_PKCS)
        return self._token.sign(
            self._name, bytes(data), Mechanism.SHA256_RSA_PKCS_PSS, _PSS_PARAMETER
        )

    def decrypt(self, *_: object, **__: object) -> NoReturn:
        """Refuse: it is for signatures."""
        raise _only_signs()

    def private_numbers(self) -> NoReturn:
        """Refuse: they do not leave the token."""
        raise _only_signs()

    def private_bytes(self, *_: object, **__: object) -> NoReturn:
        """Refuse: they do not leave the token."""
        raise _only_signs()

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: dict[int, object]) -> Self:
        return self


@final
class TokenEcKey(ec.EllipticCurvePrivateKey):
    """A key on an elliptic curve. It signs, and does nothing else."""

    def __init__(
        self, token: TokenSigner, name: KeyName, public_key: ec.EllipticCurvePublicKey
    ) -> None:
        self._token = token
        self._name = name
        self._public_key = public_key

    @property
    def curve(self) -> ec.EllipticCurve:
        """The curve."""
        return self._public_key.curve

    @property
    def key_size(self) -> int:
        """Of the curve, in bits."""
        return self._public_key.curve.key_size

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """Its public part."""
        return self._public_key

    def sign(self, data: Buffer, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        """The signature in DER.

        Raises:
            SigningUnavailableError: The token is away, or does not do it.
            ValueError: The data is hashed already.
        """
        algorithm = signature_algorithm.algorithm
        if isinstance(algorithm, utils.Prehashed):
            raise ValueError("a token's key hashes by itself")  # noqa: TRY004  as `cryptography`
        # Hashed here: many tokens know ECDSA over a digest only.
        digest = hashlib.new(algorithm.name, data).digest()
        signature = self._token.sign(self._name, digest, Mechanism.ECDSA)
        half = len(signature) // 2
        return utils.encode_dss_signature(
            int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
        )

    def exchange(self, *_: object, **__: object) -> NoReturn:
        """Refuse: it is for signatures."""
        raise _only_signs()

    def private_numbers(self) -> NoReturn:
        """Refuse: they do not leave the token."""
        raise _only_signs()

    def private_bytes(self, *_: object, **__: object) -> NoReturn:
        """Refuse: they do not leave the token."""
        raise _only_signs()

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: dict[int, object]) -> Self:
        return self


def _only_signs() -> TypeError:
    return TypeError("a key in a token signs, and does nothing else")
