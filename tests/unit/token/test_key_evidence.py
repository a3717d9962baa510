from __future__ import annotations

import hashlib
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from assay.errors import AssayError, MalformedEvidenceError, UntrustedEvidenceError
from assay.evidence.dcap.memory import DcapMemory
from assay.evidence.dcap.verify import DcapVerification
from assay.evidence.openenclave import parse_certificate, verify_certificate
from assay.keys import SigningAlgorithm, SigningKey, generate_key
from assay.simulator import SimulatedPlatform
from assay.simulator.openenclave import RAW_SGX_QUOTE_ECDSA, legacy_report, with_header
from assay.token import key_evidence_extension, key_report_data, signing_certificate
from tests.conftest import AT


@pytest.fixture(scope="module", params=[SigningAlgorithm.RS256, SigningAlgorithm.ES256])
def key(request: pytest.FixtureRequest) -> SigningKey:
    return generate_key(request.param, created_at=AT)


def _report(platform: SimulatedPlatform, report_data: bytes) -> bytes:
    return legacy_report(platform.quote(report_data=report_data))


def test_the_report_data_is_the_hash_of_the_pem_and_its_terminator(key: SigningKey) -> None:
    """TK-10: the formula of the original service's signing certificates."""
    pem = key.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    assert key_report_data(key) == hashlib.sha256(pem + b"\0").digest() + bytes(32)


@pytest.mark.parametrize(
    ("wrap", "identifier"),
    [
        (legacy_report, "1.3.6.1.4.1.311.105.1"),
        (lambda quote: with_header(quote, format_id=RAW_SGX_QUOTE_ECDSA), "1.3.6.1.4.1.311.105.2"),
    ],
)
def test_evidence_in_a_certificate_is_found_there_and_verifies(
    platform: SimulatedPlatform,
    key: SigningKey,
    wrap: Any,  # noqa: ANN401  a function
    identifier: str,
) -> None:
    evidence: bytes = wrap(platform.quote(report_data=key_report_data(key)))

    extension = key_evidence_extension(evidence, key)
    certificate = signing_certificate(key, issuer="https://assay.example", extensions=[extension])

    assert extension == (identifier, evidence)
    verified = verify_certificate(parse_certificate(certificate), _context(platform))
    assert verified.evidence.body.report_data == key_report_data(key)


def test_evidence_about_another_key_is_refused(
    platform: SimulatedPlatform, key: SigningKey
) -> None:
    other = generate_key(SigningAlgorithm.ES256, created_at=AT)

    with pytest.raises(UntrustedEvidenceError) as caught:
        key_evidence_extension(_report(platform, key_report_data(other)), key)

    assert [one.check for one in caught.value.findings] == ["openenclave.certificate.binding"]


def test_report_data_that_says_more_is_refused(
    platform: SimulatedPlatform, key: SigningKey
) -> None:
    more = key_report_data(key)[:-1] + b"\x01"

    with pytest.raises(UntrustedEvidenceError):
        key_evidence_extension(_report(platform, more), key)


@pytest.mark.parametrize("evidence", [b"", b"text", bytes(500)])
def test_what_is_no_evidence_is_refused(key: SigningKey, evidence: bytes) -> None:
    with pytest.raises(MalformedEvidenceError):
        key_evidence_extension(evidence, key)


def test_a_certificate_whose_evidence_is_about_another_key_does_not_verify(
    platform: SimulatedPlatform, key: SigningKey
) -> None:
    other = generate_key(SigningAlgorithm.ES256, created_at=AT)
    extension = ("1.3.6.1.4.1.311.105.1", _report(platform, key_report_data(other)))
    certificate = signing_certificate(key, issuer="https://assay.example", extensions=[extension])

    with pytest.raises(AssayError) as caught:
        verify_certificate(parse_certificate(certificate), _context(platform))

    assert [one.check for one in caught.value.findings] == ["openenclave.certificate.binding"]


def _context(platform: SimulatedPlatform) -> DcapVerification:
    return DcapVerification(
        collateral=platform.collateral(AT),
        at=AT,
        roots=platform.anchors,
        memory=DcapMemory(platform.anchors),
    )
