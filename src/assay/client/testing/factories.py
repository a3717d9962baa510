"""Results of every type, for tests of what is done with them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from assay import clock
from assay.client.attestation_result import AttestationResult, read_attestation
from assay.client.attestation_token import AttestationToken
from assay.client.attestation_type import AttestationType
from assay.client.openid_metadata import OpenIdMetadata
from assay.client.policy_result import (
    CertificateModification,
    PolicyCertificatesModificationResult,
    PolicyModification,
    PolicyResult,
)
from assay.client.response import AttestationResponse
from assay.client.signer import AttestationSigner
from assay.client.signing_key import AttestationSigningKey
from assay.client.testing.example_claims import EXAMPLE_CLAIMS, EXAMPLE_POLICY_HASH
from assay.client.testing.fake_service import DEFAULT_URL
from assay.encoding import JsonValue
from assay.token import thumbprint

_LIFETIME: Final = timedelta(hours=8)


def make_attestation_token(
    kind: AttestationType = AttestationType.SGX_ENCLAVE,
    claims: Mapping[str, JsonValue] | None = None,
) -> AttestationToken:
    """An unsecured token about evidence of a kind.

    Args:
        kind: One of the kinds whose claims are known: all but TPM and those after Azure guests.
        claims: By their names in tokens, in place of the examples.
    """
    now = int(clock.now().timestamp())
    return AttestationToken.create(
        {
            "iss": DEFAULT_URL,
            "iat": now,
            "nbf": now,
            "exp": now + int(_LIFETIME.total_seconds()),
            "jti": secrets.token_hex(32),
            "x-ms-ver": "1.0",
            "x-ms-policy-hash": EXAMPLE_POLICY_HASH,
            **EXAMPLE_CLAIMS[kind],
            **(claims or {}),
        }
    )


def make_attestation_result(
    kind: AttestationType = AttestationType.SGX_ENCLAVE,
    claims: Mapping[str, JsonValue] | None = None,
) -> AttestationResult:
    """What `AttestationClient` would read from `make_attestation_token`."""
    return read_attestation(make_attestation_token(kind, claims))


def make_attestation_response(
    kind: AttestationType = AttestationType.SGX_ENCLAVE,
    claims: Mapping[str, JsonValue] | None = None,
) -> AttestationResponse[AttestationResult]:
    """The same with its token."""
    token = make_attestation_token(kind, claims)
    return AttestationResponse(read_attestation(token), token)


def make_policy_result(
    resolution: PolicyModification = PolicyModification.UPDATED,
    *,
    signer: AttestationSigner | None = None,
) -> PolicyResult:
    """What became of a policy."""
    updated = resolution is PolicyModification.UPDATED
    return PolicyResult(
        resolution=resolution, signer=signer, token_hash=bytes(32) if updated else None
    )


def make_certificates_modification_result(
    resolution: CertificateModification = CertificateModification.IS_PRESENT,
    *,
    certificate: x509.Certificate | None = None,
) -> PolicyCertificatesModificationResult:
    """What became of a policy signer."""
    return PolicyCertificatesModificationResult(
        resolution=resolution,
        thumbprint=thumbprint(certificate or make_signing_key().certificate),
    )


def make_attestation_signer() -> AttestationSigner:
    """A signer with a certificate of its own."""
    return AttestationSigner.from_certificates([make_signing_key().certificate], "example")


def make_openid_metadata() -> OpenIdMetadata:
    """Metadata of the fake service."""
    return OpenIdMetadata(issuer=DEFAULT_URL, jwks_uri=f"{DEFAULT_URL}/certs")


@lru_cache(maxsize=8)
def make_signing_key(name: str = "policy signer") -> AttestationSigningKey:
    """A key with a certificate that it signed itself: the same one for each name."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = clock.now()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return AttestationSigningKey(key, certificate)
