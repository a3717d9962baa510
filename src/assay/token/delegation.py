"""Delegated keys: a long-lived key, in a token, certifies the short-lived ones that sign.

Source: RFC 5280 section 4.2 for the extensions; RFC 7517 section 4.7 for the chain in a key set.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Self, final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from assay.keys import PrivateKey, PublicKey, SigningKey, key_id
from assay.token.certificates import named

_NOT_BEFORE: Final = datetime(2019, 5, 1, tzinfo=UTC)
_NOT_AFTER: Final = datetime(2050, 12, 31, 23, 59, 59, tzinfo=UTC)
_CLOCK_SKEW: Final = timedelta(hours=1)
"""How far a relying party's clock may be behind."""

_HASH: Final = hashes.SHA256()
_SHOWN_CHARACTERS: Final = 12

_CERTIFIES: Final = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)
_SIGNS: Final = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SigningAuthority:
    """What certifies signing keys. Its certificate is by itself: relying parties pin its key."""

    private_key: PrivateKey = field(repr=False)
    certificate: x509.Certificate

    @classmethod
    def of(cls, private_key: PrivateKey) -> Self:
        """The authority with that key.

        All that its certificate says follows from the key, so that each server makes the same; of
        an EC key, the same but for the signature.

        Raises:
            SigningUnavailableError: The key's device does not sign.
        """
        public_key = private_key.public_key()
        name = named(f"Assay signing authority {_short(public_key)}")
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(public_key)
            .serial_number(1)
            .not_valid_before(_NOT_BEFORE)
            .not_valid_after(_NOT_AFTER)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_CERTIFIES, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .sign(private_key, _HASH)
        )
        return cls(private_key=private_key, certificate=certificate)

    def certify(
        self, key: SigningKey, *, issuer: str, at: datetime, lifetime: timedelta
    ) -> tuple[bytes, ...]:
        """The chain of a signing key in DER: its own certificate, then the authority's.

        Args:
            key: What is certified.
            issuer: The URL of the instance that signs with it, which becomes the subject.
            at: The instant it begins.
            lifetime: How long it holds.

        Raises:
            SigningUnavailableError: The authority's device does not sign.
        """
        authority = self.private_key.public_key()
        leaf = (
            x509.CertificateBuilder()
            .subject_name(named(issuer))
            .issuer_name(self.certificate.subject)
            .public_key(key.public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(at - _CLOCK_SKEW)
            .not_valid_after(at + lifetime)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_SIGNS, critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority), critical=False
            )
            .sign(self.private_key, _HASH)
        )
        return tuple(one.public_bytes(Encoding.DER) for one in (leaf, self.certificate))


def names_issuer(certificate: bytes, issuer: str) -> bool:
    """Whether a delegated key's certificate is for the instance of that URL."""
    with warnings.catch_warnings():
        # `cryptography` warns at every long name that it reads.
        warnings.simplefilter("ignore", UserWarning)
        subject = x509.load_der_x509_certificate(certificate).subject
    return subject == named(issuer)


def _short(key: PublicKey) -> str:
    return key_id(key)[:_SHOWN_CHARACTERS]
