from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from assay.errors import AssayError, MalformedEvidenceError
from assay.evidence.dcap.memory import DcapMemory
from assay.evidence.dcap.verify import DcapVerification
from assay.evidence.openenclave import parse_certificate, verify_certificate
from assay.simulator import SimulatedPlatform
from assay.simulator.openenclave import legacy_report
from tests.conftest import AT

_EVIDENCE_OID = x509.ObjectIdentifier("1.3.6.1.4.1.311.105.1")


def _report_data(key: ec.EllipticCurvePrivateKey) -> bytes:
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(pem + b"\0").digest()


def _certificate(
    key: ec.EllipticCurvePrivateKey, *extensions: x509.ExtensionType, signer: object = None
) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "attested")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(AT)
        .not_valid_after(AT + timedelta(days=1))
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    signing_key = signer if isinstance(signer, ec.EllipticCurvePrivateKey) else key
    return builder.sign(signing_key, hashes.SHA256()).public_bytes(Encoding.DER)


def _evidence(platform: SimulatedPlatform, report_data: bytes) -> x509.UnrecognizedExtension:
    return x509.UnrecognizedExtension(
        _EVIDENCE_OID, legacy_report(platform.quote(report_data=report_data))
    )


@pytest.fixture
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def context(platform: SimulatedPlatform) -> DcapVerification:
    return DcapVerification(
        collateral=platform.collateral(AT),
        at=AT,
        roots=platform.anchors,
        memory=DcapMemory(platform.anchors),
    )


def _checks(der: bytes, context: DcapVerification) -> list[str]:
    with pytest.raises(AssayError) as caught:
        verify_certificate(parse_certificate(der), context)
    return [finding.check for finding in caught.value.findings]


def test_a_key_that_the_enclave_reported_verifies(
    platform: SimulatedPlatform, key: ec.EllipticCurvePrivateKey, context: DcapVerification
) -> None:
    der = _certificate(key, _evidence(platform, _report_data(key)))

    verified = verify_certificate(parse_certificate(der), context)

    assert verified.evidence.body.report_data == _report_data(key) + bytes(32)


@pytest.mark.parametrize("report_data", [b"", b"\x01" * 32])
def test_another_key_is_refused(
    platform: SimulatedPlatform,
    key: ec.EllipticCurvePrivateKey,
    context: DcapVerification,
    report_data: bytes,
) -> None:
    der = _certificate(key, _evidence(platform, report_data))

    assert _checks(der, context) == ["openenclave.certificate.binding"]


def test_anything_in_the_second_half_of_the_report_data_is_refused(
    platform: SimulatedPlatform, key: ec.EllipticCurvePrivateKey, context: DcapVerification
) -> None:
    der = _certificate(key, _evidence(platform, _report_data(key) + b"\x01" * 32))

    assert _checks(der, context) == ["openenclave.certificate.binding"]


def test_a_certificate_signed_by_another_key_is_refused(
    platform: SimulatedPlatform, key: ec.EllipticCurvePrivateKey, context: DcapVerification
) -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    der = _certificate(key, _evidence(platform, _report_data(key)), signer=other)

    assert _checks(der, context) == ["openenclave.certificate.chain"]


def test_a_certificate_whose_key_is_on_an_unknown_curve_is_refused(
    platform: SimulatedPlatform, key: ec.EllipticCurvePrivateKey, context: DcapVerification
) -> None:
    p256 = bytes.fromhex("06082a8648ce3d030107")
    der = _certificate(key, _evidence(platform, _report_data(key)))

    assert _checks(der.replace(p256, p256[:-1] + b"\x63"), context) == [
        "openenclave.certificate.chain"
    ]


def test_a_certificate_without_evidence_is_refused(key: ec.EllipticCurvePrivateKey) -> None:
    constraints = x509.BasicConstraints(ca=False, path_length=None)

    with pytest.raises(MalformedEvidenceError, match="an extension with Open Enclave evidence"):
        parse_certificate(_certificate(key, constraints))


@pytest.mark.parametrize("der", [b"", b"\x30\x00", b"no certificate"])
def test_what_is_no_certificate_is_refused(der: bytes) -> None:
    with pytest.raises(MalformedEvidenceError, match="a DER certificate"):
        parse_certificate(der)
