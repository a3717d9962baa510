"""The key that an instance's owner signs changes with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

from assay.errors import RequestError

if TYPE_CHECKING:
    from cryptography import x509

    from assay.keys import PrivateKey


@final
@dataclass(frozen=True, slots=True, eq=False)
class AttestationSigningKey:
    """A private key with its certificate: RSA, or EC on P-256."""

    key: PrivateKey = field(repr=False)
    certificate: x509.Certificate = field(repr=False)
    chain: tuple[x509.Certificate, ...] = field(default=(), repr=False)
    """Those that issued the certificate, where the instance's list has only one of them."""

    def __post_init__(self) -> None:
        """Refuse a key that is not the certificate's.

        Raises:
            RequestError: They do not belong together.
        """
        if self.certificate.public_key() != self.key.public_key():
            raise RequestError(
                "expected the private key of the certificate, got another key; "
                "name the two files that were made together"
            )

    @classmethod
    def from_pem(
        cls, key: bytes | str, certificate: bytes | str, *, password: bytes | None = None
    ) -> AttestationSigningKey:
        """A key from PEM texts; the certificate may be followed by those that issued it.

        Raises:
            RequestError: They are not PEM, the password is not the key's, or they do not belong
                together.
        """
        from cryptography import x509
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric import ec, rsa
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            private = load_pem_private_key(_bytes(key), password)
            own, *issuers = x509.load_pem_x509_certificates(_bytes(certificate))
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            # Without the library's text, which could quote the key.
            raise RequestError(
                "expected a private key and its certificate as PEM, with the key's password if it "
                f"has one, got something else ({type(error).__name__})"
            ) from error
        if not isinstance(private, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            raise RequestError("expected an RSA key or an EC key on P-256, got one of another kind")
        return cls(private, own, tuple(issuers))


def _bytes(text: bytes | str) -> bytes:
    return text.encode("ascii", "replace") if isinstance(text, str) else text
