"""Certificates with any field chosen, sound or not, for tests of what reads them."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from assay.simulator.pki import generate_key
from tests.conftest import AT

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

LEAF: Final = "Intel SGX PCK Certificate"
CA: Final = "Intel SGX PCK Platform CA"
ROOT: Final = "Intel SGX Root CA"

CA_USAGE: Final = frozenset({"key_cert_sign", "crl_sign"})
LEAF_USAGE: Final = frozenset({"digital_signature"})

_USAGES: Final = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def name(*common_names: str) -> x509.Name:
    """A name of these common names and nothing else."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text) for text in common_names])


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What a certificate says; `sign` makes it."""

    subject: x509.Name
    issuer: x509.Name
    key: PublicKey
    serial: int = 7
    ca: bool | None = False
    """`None` leaves the basic constraints out."""

    path_length: int | None = None
    usage: frozenset[str] | None = LEAF_USAGE
    """`None` leaves the key usage out."""

    extensions: tuple[tuple[x509.ExtensionType, bool], ...] = ()
    """With whether each is critical."""

    digest: hashes.SHA256 | hashes.SHA384 = field(default_factory=hashes.SHA256)

    validity: timedelta = timedelta(days=1)
    """Before and after the instant of the tests."""

    def sign(self, by: PrivateKey) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(self.subject)
            .issuer_name(self.issuer)
            .public_key(self.key)
            .serial_number(self.serial)
            .not_valid_before(AT - self.validity)
            .not_valid_after(AT + self.validity)
        )
        for value, critical in self._extensions():
            builder = builder.add_extension(value, critical=critical)
        return builder.sign(by, self.digest)

    def _extensions(self) -> Iterable[tuple[x509.ExtensionType, bool]]:
        if self.ca is not None:
            yield x509.BasicConstraints(self.ca, self.path_length), True
        if self.usage is not None:
            yield x509.KeyUsage(**{usage: usage in self.usage for usage in _USAGES}), True
        yield from self.extensions


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The keys of one chain."""

    leaf: ec.EllipticCurvePrivateKey = field(default_factory=generate_key)
    ca: ec.EllipticCurvePrivateKey = field(default_factory=generate_key)
    root: ec.EllipticCurvePrivateKey = field(default_factory=generate_key)

    @property
    def leaf_recipe(self) -> Recipe:
        return Recipe(subject=name(LEAF), issuer=name(CA), key=self.leaf.public_key())

    @property
    def ca_recipe(self) -> Recipe:
        return Recipe(
            subject=name(CA),
            issuer=name(ROOT),
            key=self.ca.public_key(),
            ca=True,
            path_length=0,
            usage=CA_USAGE,
        )

    @property
    def root_recipe(self) -> Recipe:
        return Recipe(
            subject=name(ROOT),
            issuer=name(ROOT),
            key=self.root.public_key(),
            ca=True,
            path_length=1,
            usage=CA_USAGE,
        )


def pem(*certificates: x509.Certificate) -> bytes:
    """The certificates as PEM, one after another."""
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def armoured(der: bytes) -> bytes:
    """Any bytes as PEM, as if they were a certificate."""
    text = base64.b64encode(der)
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return b"\n".join((b"-----BEGIN CERTIFICATE-----", *lines, b"-----END CERTIFICATE-----", b""))


def of_another_version() -> str:
    """A certificate in DER, base64, that calls itself X.509 version 4, which there is not."""
    keys = Keys()
    der = keys.leaf_recipe.sign(keys.ca).public_bytes(Encoding.DER)
    return base64.b64encode(
        der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x03", 1)
    ).decode()
