"""Who signs: the keys that an instance publishes, and the certificates that may sign policies."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

from assay.client.errors import TokenValidationError
from assay.encoding import JsonValue, encode_json
from assay.errors import RequestError

if TYPE_CHECKING:
    from cryptography import x509

    from assay.token import KeySet


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class AttestationSigner:
    """A key, usually with its certificate chain."""

    key_id: str | None
    jwk: Mapping[str, JsonValue] = field(repr=False)
    """As it was published: `x5c`, or a bare key."""

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, JsonValue]) -> AttestationSigner:
        """A signer by its JSON Web Key."""
        kid = jwk.get("kid")
        return cls(key_id=kid if isinstance(kid, str) else None, jwk=jwk)

    @classmethod
    def from_certificates(
        cls, certificates: Sequence[x509.Certificate], key_id: str | None = None
    ) -> AttestationSigner:
        """A signer by its certificates, its own first.

        Raises:
            RequestError: There is none.
        """
        from cryptography.hazmat.primitives.asymmetric import rsa
        from cryptography.hazmat.primitives.serialization import Encoding

        if not certificates:
            raise RequestError("expected the certificate of a signer, got none")
        is_rsa = isinstance(certificates[0].public_key(), rsa.RSAPublicKey)
        chain: list[JsonValue] = [
            base64.b64encode(one.public_bytes(Encoding.DER)).decode("ascii") for one in certificates
        ]
        jwk: dict[str, JsonValue] = {"kty": "RSA" if is_rsa else "EC", "x5c": chain}
        if key_id is not None:
            jwk["kid"] = key_id
        return cls(key_id=key_id, jwk=jwk)

    @property
    def certificates(self) -> tuple[x509.Certificate, ...]:
        """The certificate chain, the signer's own first; empty for a bare key.

        Nobody has verified it: what vouches for the key is where it was published.

        Raises:
            TokenValidationError: What is published as certificates does not parse.
        """
        from cryptography import x509

        from assay.encoding import EncodingError, decode_base64
        from assay.x509.chain import PARSE_ERRORS

        x5c = self.jwk.get("x5c", [])
        chain = x5c if isinstance(x5c, list) else [x5c]
        try:
            return tuple(
                x509.load_der_x509_certificate(decode_base64(str(one), "x5c")) for one in chain
            )
        except (EncodingError, *PARSE_ERRORS) as error:
            raise TokenValidationError(
                f"the certificates of key {self.key_id!r} do not parse: {error}"
            ) from error


@final
@dataclass(frozen=True, slots=True)
class SignerSet:
    """The signers of an instance, ready to verify with."""

    signers: tuple[AttestationSigner, ...]
    keys: KeySet = field(repr=False)
    """Those that are good enough: others of the set are ignored, with their reasons."""

    @classmethod
    def of(cls, signers: Sequence[AttestationSigner]) -> SignerSet:
        """The set of these.

        Raises:
            TokenValidationError: Two of them have one identifier.
        """
        from assay.errors import TokenError
        from assay.token import parse_key_set

        members: list[JsonValue] = [
            # A key without an identifier is tried where a token names none, so it gets one here.
            {**one.jwk, "kid": _name(one, number)}
            for number, one in enumerate(signers)
        ]
        try:
            keys = parse_key_set(encode_json({"keys": members}))
        except TokenError as error:
            raise TokenValidationError(error.message, findings=error.findings) from error
        return cls(signers=tuple(signers), keys=keys)

    def signer(self, kid: str) -> AttestationSigner:
        """The signer of a key of `keys`."""
        return next(one for number, one in enumerate(self.signers) if _name(one, number) == kid)


def _name(signer: AttestationSigner, number: int) -> str:
    return f"#{number}" if signer.key_id is None else signer.key_id
