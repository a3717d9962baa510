"""A made public key infrastructure of the shape that Intel's has: names, extensions, validity.

The common names are Intel's, because a verifier demands them. Everything else in the names says
that the authority is simulated, and its root is trusted nowhere by default.

Source: Intel SGX PCK Certificate and Certificate Revocation List Profile Specification.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from assay.endorsements.platform import PckCa

PrivateKey = ec.EllipticCurvePrivateKey

ORGANIZATION: Final = "Assay Simulator"
PCK_COMMON_NAME: Final = "Intel SGX PCK Certificate"

_HOST: Final = "https://simulator.invalid"
"""Of the CRL distribution points. RFC 6761 keeps `.invalid` from ever resolving."""

_ROOT_CRL_URL: Final = f"{_HOST}/IntelSGXRootCA.der"
_PCK_CRL_URL: Final = f"{_HOST}/sgx/certification/v4/pckcrl?ca={{ca}}&encoding=der"

_YEAR: Final = timedelta(days=365)
_BACKDATED: Final = _YEAR
_ROOT_LIFETIME: Final = 31 * _YEAR
_CA_LIFETIME: Final = 15 * _YEAR
_SIGNER_LIFETIME: Final = 7 * _YEAR
_COORDINATE_BYTES: Final = 32

EARLIEST: Final = datetime(1950, 1, 1, tzinfo=UTC) + _BACKDATED
"""The first day that authorities can be made at. Source: RFC 5280, section 4.1.2.5, by which no
certificate has a time before 1950."""

LATEST: Final = datetime(9999, 12, 31, tzinfo=UTC) - (_ROOT_LIFETIME - _BACKDATED)
"""The last one: the year 9999 ends all calendars here."""


class Authority(StrEnum):
    """The four certificates that Intel itself keeps the keys of."""

    ROOT_CA = "root_ca"
    PLATFORM_CA = "platform_ca"
    PROCESSOR_CA = "processor_ca"
    TCB_SIGNING = "tcb_signing"

    @property
    def common_name(self) -> str:
        """The subject's common name, as verifiers compare it."""
        return _COMMON_NAMES[self]


_COMMON_NAMES: Final = {
    Authority.ROOT_CA: "Intel SGX Root CA",
    Authority.PLATFORM_CA: "Intel SGX PCK Platform CA",
    Authority.PROCESSOR_CA: "Intel SGX PCK Processor CA",
    Authority.TCB_SIGNING: "Intel SGX TCB Signing",
}
_LIFETIMES: Final = {
    Authority.ROOT_CA: _ROOT_LIFETIME,
    Authority.PLATFORM_CA: _CA_LIFETIME,
    Authority.PROCESSOR_CA: _CA_LIFETIME,
    Authority.TCB_SIGNING: _SIGNER_LIFETIME,
}
_PATH_LENGTHS: Final = {
    Authority.ROOT_CA: 1,
    Authority.PLATFORM_CA: 0,
    Authority.PROCESSOR_CA: 0,
    Authority.TCB_SIGNING: None,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateProfile:
    """What a certificate says, before somebody signs it."""

    subject: str
    """Common name."""

    issuer: str
    """Common name."""

    serial_number: int
    not_before: datetime
    not_after: datetime
    ca: bool = False
    path_length: int | None = None
    key_cert_sign: bool = False
    crl_url: str = _ROOT_CRL_URL
    extensions: tuple[x509.Extension[x509.ExtensionType], ...] = ()
    """Added after the usual ones."""

    digest: type[hashes.SHA256 | hashes.SHA384] = hashes.SHA256

    def sign(self, subject_key: ec.EllipticCurvePublicKey, issuer_key: PrivateKey) -> Certificate:
        """The certificate for `subject_key`; the same arguments give the same bytes."""
        builder = (
            x509.CertificateBuilder()
            .subject_name(distinguished_name(self.subject))
            .issuer_name(distinguished_name(self.issuer))
            .public_key(subject_key)
            .serial_number(self.serial_number)
            .not_valid_before(self.not_before)
            .not_valid_after(self.not_after)
        )
        for extension in (*self._usual_extensions(subject_key, issuer_key), *self.extensions):
            builder = builder.add_extension(extension.value, critical=extension.critical)
        return builder.sign(issuer_key, self.digest(), ecdsa_deterministic=True)

    def _usual_extensions(
        self, subject_key: ec.EllipticCurvePublicKey, issuer_key: PrivateKey
    ) -> Iterable[x509.Extension[x509.ExtensionType]]:
        values: tuple[tuple[x509.ExtensionType, bool], ...] = (
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False),
            (
                x509.CRLDistributionPoints(
                    [
                        x509.DistributionPoint(
                            [x509.UniformResourceIdentifier(self.crl_url)], None, None, None
                        )
                    ]
                ),
                False,
            ),
            (x509.SubjectKeyIdentifier.from_public_key(subject_key), False),
            (_key_usage(signs_certificates=self.key_cert_sign, ca=self.ca), True),
            (x509.BasicConstraints(self.ca, self.path_length if self.ca else None), True),
        )
        return (x509.Extension(value.oid, critical, value) for value, critical in values)


Certificate = x509.Certificate


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A private key with the certificate that was issued for it."""

    key: PrivateKey
    certificate: Certificate

    @property
    def pem(self) -> bytes:
        """The certificate as PEM, with its final line feed."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def der(self) -> bytes:
        """The certificate as DER."""
        return self.certificate.public_bytes(Encoding.DER)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedPki:
    """The four authorities. Values do not change: each method that alters gives a new one."""

    created_at: datetime
    root_ca: Holder
    platform_ca: Holder
    processor_ca: Holder
    tcb_signing: Holder

    @classmethod
    def create(cls, created_at: datetime) -> SimulatedPki:
        """New keys; certificates valid from a year before `created_at` on."""
        return cls.from_keys(created_at, {authority: generate_key() for authority in Authority})

    @classmethod
    def from_keys(cls, created_at: datetime, keys: dict[Authority, PrivateKey]) -> SimulatedPki:
        """The certificates of `keys`; the same arguments give the same bytes."""
        root_key = keys[Authority.ROOT_CA]
        holders = {
            authority.value: Holder(
                key=key,
                certificate=authority_profile(authority, key, created_at).sign(
                    key.public_key(), root_key
                ),
            )
            for authority, key in keys.items()
        }
        return cls(created_at=created_at, **holders)

    def holder(self, authority: Authority) -> Holder:
        """Key and certificate of `authority`."""
        holder: Holder = getattr(self, authority.value)
        return holder

    def pck_ca(self, ca: PckCa) -> Holder:
        """The authority that issues PCK certificates for `ca`."""
        return self.platform_ca if ca is PckCa.PLATFORM else self.processor_ca

    def chain(self, authority: Authority) -> bytes:
        """PEM of the certificate of `authority`, then of the root."""
        return self.holder(authority).pem + self.root_ca.pem

    def profile(self, authority: Authority) -> CertificateProfile:
        """What the certificate of `authority` says unless somebody alters it."""
        return authority_profile(authority, self.holder(authority).key, self.created_at)

    def reissue(
        self, authority: Authority, profile: CertificateProfile, *, by: PrivateKey | None = None
    ) -> SimulatedPki:
        """With another certificate for the same key, signed by the root unless `by` another."""
        key = self.holder(authority).key
        certificate = profile.sign(key.public_key(), by or self.root_ca.key)
        changed: dict[str, Any] = {authority.value: Holder(key=key, certificate=certificate)}
        return dataclasses.replace(self, **changed)


@dataclass(frozen=True, slots=True, kw_only=True)
class CrlProfile:
    """What a certificate revocation list says, before somebody signs it."""

    issuer: str
    """Common name."""

    this_update: datetime
    next_update: datetime
    number: int = 1
    """Intel has never raised it for PCK certificates."""

    revoked: tuple[int, ...] = ()
    """Serial numbers."""

    extensions: tuple[x509.Extension[x509.ExtensionType], ...] = ()
    digest: type[hashes.SHA256 | hashes.SHA384] = hashes.SHA256

    def sign(self, key: PrivateKey) -> bytes:
        """The list as DER; the same arguments give the same bytes."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(distinguished_name(self.issuer))
            .last_update(self.this_update)
            .next_update(self.next_update)
            .add_extension(x509.CRLNumber(self.number), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()),
                critical=False,
            )
        )
        for extension in self.extensions:
            builder = builder.add_extension(extension.value, critical=extension.critical)
        for serial_number in self.revoked:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(serial_number)
                .revocation_date(self.this_update)
                .add_extension(x509.CRLReason(x509.ReasonFlags.key_compromise), critical=False)
                .build()
            )
        crl = builder.sign(key, self.digest(), ecdsa_deterministic=True)
        return crl.public_bytes(Encoding.DER)


def authority_profile(
    authority: Authority, key: PrivateKey, created_at: datetime
) -> CertificateProfile:
    """The certificate profile of `authority`, whose serial number is its key's, as Intel does."""
    path_length = _PATH_LENGTHS[authority]
    not_before = _midnight(created_at) - _BACKDATED
    return CertificateProfile(
        subject=authority.common_name,
        issuer=Authority.ROOT_CA.common_name,
        serial_number=serial_number_of(key.public_key()),
        not_before=not_before,
        not_after=not_before + _LIFETIMES[authority],
        ca=path_length is not None,
        path_length=path_length,
        key_cert_sign=path_length is not None,
    )


def pck_profile(
    key: PrivateKey, ca: PckCa, created_at: datetime, sgx_extension: x509.UnrecognizedExtension
) -> CertificateProfile:
    """The certificate profile of a provisioning certification key."""
    authority = Authority.PLATFORM_CA if ca is PckCa.PLATFORM else Authority.PROCESSOR_CA
    not_before = _midnight(created_at) - _BACKDATED
    return CertificateProfile(
        subject=PCK_COMMON_NAME,
        issuer=authority.common_name,
        serial_number=serial_number_of(key.public_key()),
        not_before=not_before,
        not_after=not_before + _SIGNER_LIFETIME,
        crl_url=_PCK_CRL_URL.format(ca=ca.value),
        extensions=(x509.Extension(sgx_extension.oid, critical=False, value=sgx_extension),),
    )


def generate_key() -> PrivateKey:
    """A new key on P-256."""
    return ec.generate_private_key(ec.SECP256R1())


def distinguished_name(common_name: str) -> x509.Name:
    """A name with the five attributes that Intel's names have, in their order."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANIZATION),
            x509.NameAttribute(NameOID.LOCALITY_NAME, "Nowhere"),
            x509.NameAttribute(NameOID.STATE_OR_PROVINCE_NAME, "None"),
            # ISO 3166 leaves ZZ to its users: no country.
            x509.NameAttribute(NameOID.COUNTRY_NAME, "ZZ"),
        ]
    )


def serial_number_of(key: ec.EllipticCurvePublicKey) -> int:
    """A positive serial number of 20 bytes at most, the same for the same key."""
    point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return int.from_bytes(hashlib.sha256(point).digest()[:20], "big") >> 1


def raw_point(key: ec.EllipticCurvePublicKey) -> bytes:
    """x‖y, big-endian, without the leading 04."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]


def raw_signature(
    key: PrivateKey,
    data: bytes,
    digest: type[hashes.SHA256 | hashes.SHA384] = hashes.SHA256,
) -> bytes:
    """r‖s of ECDSA over `data`, big-endian; the same arguments give the same bytes."""
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(digest(), deterministic_signing=True)))
    return r.to_bytes(_COORDINATE_BYTES, "big") + s.to_bytes(_COORDINATE_BYTES, "big")


def _midnight(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _key_usage(*, signs_certificates: bool, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=not ca,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )
