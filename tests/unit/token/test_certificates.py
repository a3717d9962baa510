from __future__ import annotations

import warnings
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID, SignatureAlgorithmOID

from assay.keys import SigningAlgorithm, generate_key
from assay.token import signing_certificate

ISSUER = "https://assay.example"


def _common_name(certificate: x509.Certificate) -> str | bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # `cryptography` warns at every long name it reads.
        assert certificate.subject == certificate.issuer
        (attribute,) = certificate.subject
    assert attribute.oid == NameOID.COMMON_NAME
    return attribute.value


@pytest.mark.parametrize("algorithm", SigningAlgorithm)
def test_a_signing_certificate_is_self_signed_and_names_the_instance(
    algorithm: SigningAlgorithm, at: datetime
) -> None:
    key = generate_key(algorithm, created_at=at)

    certificate = x509.load_der_x509_certificate(signing_certificate(key, issuer=ISSUER))

    certificate.verify_directly_issued_by(certificate)
    assert certificate.public_key() == key.public_key
    assert _common_name(certificate) == ISSUER
    assert certificate.serial_number == 1
    assert certificate.not_valid_before_utc == datetime(2019, 5, 1, tzinfo=UTC)
    assert certificate.not_valid_after_utc == datetime(2050, 12, 31, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("algorithm", "identifier"),
    [
        (SigningAlgorithm.RS256, SignatureAlgorithmOID.RSA_WITH_SHA256),
        (SigningAlgorithm.ES256, SignatureAlgorithmOID.ECDSA_WITH_SHA256),
    ],
)
def test_a_signing_certificate_is_signed_over_sha256(
    algorithm: SigningAlgorithm, identifier: x509.ObjectIdentifier, at: datetime
) -> None:
    key = generate_key(algorithm, created_at=at)

    certificate = x509.load_der_x509_certificate(signing_certificate(key, issuer=ISSUER))

    assert certificate.signature_algorithm_oid == identifier


def test_a_signing_certificate_has_three_extensions_none_critical(at: datetime) -> None:
    key = generate_key(SigningAlgorithm.ES256, created_at=at)
    assert isinstance(key.public_key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey)

    certificate = x509.load_der_x509_certificate(signing_certificate(key, issuer=ISSUER))

    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key)
    assert [extension.value for extension in certificate.extensions] == [
        x509.BasicConstraints(ca=False, path_length=None),
        identifier,
        x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
    ]
    assert not any(extension.critical for extension in certificate.extensions)


def test_more_extensions_are_kept_as_raw_bytes(at: datetime) -> None:
    key = generate_key(SigningAlgorithm.ES256, created_at=at)
    # Not DER on purpose: the original service puts a bare report there.
    extensions = [("1.3.6.1.4.1.311.105.1", b"\x01\x00not der"), ("1.2.3.4", b"")]

    certificate = x509.load_der_x509_certificate(
        signing_certificate(key, issuer=ISSUER, extensions=extensions)
    )

    added = [one.value for one in certificate.extensions if one.oid.dotted_string[:4] != "2.5."]
    assert added == [
        x509.UnrecognizedExtension(x509.ObjectIdentifier(identifier), value)
        for identifier, value in extensions
    ]


@pytest.mark.parametrize("length", [64, 65, 300])
def test_a_long_instance_url_is_the_whole_common_name(length: int, at: datetime) -> None:
    issuer = "https://".ljust(length, "a")
    key = generate_key(SigningAlgorithm.ES256, created_at=at)

    certificate = x509.load_der_x509_certificate(signing_certificate(key, issuer=issuer))

    assert _common_name(certificate) == issuer
