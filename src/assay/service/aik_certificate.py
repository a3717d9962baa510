"""Certificates of the service's own authority for attestation keys.

Modelled on those that Microsoft's authorities issue: no subject, the TPM in a critical alternative
name, one purpose.

Source: TCG EK Credential Profile, section 3.1.2 (the TPM's names); recorded certificates.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from assay.evidence.tpm.signature import PublicKey
from assay.evidence.tpm.verify import AIK_PROFILE

AIK_LIFETIME: Final = timedelta(days=365)
_AUTHORITY_LIFETIME: Final = timedelta(days=20 * 365)
_BACKDATED: Final = timedelta(hours=1)
"""For attesters whose clocks are behind."""

_SERIAL_BITS: Final = 159
_MODEL: Final = "2.23.133.2.2"
_TPM_NAMES: Final = frozenset({"2.23.133.2.1", _MODEL, "2.23.133.2.3"})
"""Manufacturer, model, version."""

_MAX_NAME: Final = 128
_POLICY: Final = x509.ObjectIdentifier("2.25.81672178956287363342486361682667443230")
"""The key was activated in the TPM of an endorsement key that the instance trusts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AikAuthority:
    """An authority that can issue."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def create_authority(instance: str, *, at: datetime) -> AikAuthority:
    """A new authority for an instance."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Assay"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, instance[:64]),
            x509.NameAttribute(NameOID.COMMON_NAME, "Assay Attestation Key CA"),
        ]
    )
    certificate = (
        _builder(name, key.public_key(), at=at, lifetime=_AUTHORITY_LIFETIME)
        .subject_name(name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return AikAuthority(certificate=certificate, key=key)


def issue_aik_certificate(
    authority: AikAuthority, key: PublicKey, tpm: Mapping[str, str], *, at: datetime
) -> bytes:
    """A certificate of an attestation key, in DER.

    Args:
        authority: The issuer.
        key: The attestation key.
        tpm: Maker, model and version of its TPM, by object identifier.
        at: The instant of issue.
    """
    issuer = authority.certificate
    name = x509.Name(
        [x509.NameAttribute(x509.ObjectIdentifier(oid), text) for oid, text in tpm.items()]
    )
    certificate = (
        _builder(issuer.subject, key, at=at, lifetime=AIK_LIFETIME)
        .subject_name(x509.Name([]))
        .add_extension(x509.SubjectAlternativeName([x509.DirectoryName(name)]), critical=True)
        .add_extension(x509.ExtendedKeyUsage([AIK_PROFILE.usage]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(
            x509.CertificatePolicies([x509.PolicyInformation(_POLICY, None)]), critical=True
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()),
            critical=False,
        )
        .sign(authority.key, hashes.SHA256())
    )
    return certificate.public_bytes(Encoding.DER)


def tpm_names(certificate: x509.Certificate | None) -> dict[str, str]:
    """Maker, model and version, by object identifier, as an endorsement key's certificate has them.

    Where there is no certificate, or it names nothing, that it is unknown.
    """
    found = {} if certificate is None else _named(certificate)
    return found or {_MODEL: "unknown"}


def _named(certificate: x509.Certificate) -> dict[str, str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return {}
    return {
        attribute.oid.dotted_string: attribute.value[:_MAX_NAME]
        for name in names.get_values_for_type(x509.DirectoryName)
        for attribute in name
        if attribute.oid.dotted_string in _TPM_NAMES and isinstance(attribute.value, str)
    }


def _builder(
    issuer: x509.Name, key: PublicKey, *, at: datetime, lifetime: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(secrets.randbits(_SERIAL_BITS) | 1)
        .not_valid_before(at - _BACKDATED)
        .not_valid_after(at + lifetime)
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )
