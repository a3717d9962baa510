from __future__ import annotations

import pytest

from assay.errors import SettingsError
from assay.evidence.openenclave import parse_certificate
from assay.keys import SigningAlgorithm
from assay.service.key_certificates import KeyCertificates
from assay.simulator.openenclave import legacy_report
from assay.token import key_report_data
from tests.serving import signing_key, simulated_platform

_ISSUER = "https://assay.example"
_KEY = signing_key(SigningAlgorithm.ES256)


class _Enclave:
    """Vouches for what it is asked, and counts how often."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    def __call__(self, report_data: bytes) -> bytes:
        self.asked.append(report_data)
        return legacy_report(simulated_platform().quote(report_data=report_data))


def test_a_certificate_is_made_once_for_each_key_and_issuer() -> None:
    enclave = _Enclave()
    certificates = KeyCertificates(enclave)

    first = certificates.certify(_KEY, _ISSUER)

    assert certificates.certify(_KEY, _ISSUER) is first
    assert certificates.certify(_KEY, "https://other.example") != first
    assert enclave.asked == [key_report_data(_KEY)] * 2


def test_the_evidence_in_it_is_about_its_key() -> None:
    certificate = KeyCertificates(_Enclave()).certify(_KEY, _ISSUER)

    evidence = parse_certificate(certificate).evidence
    assert evidence.quote.body.report_data == key_report_data(_KEY)


@pytest.mark.parametrize("evidence", [b"no evidence", _Enclave()(bytes(64))])
def test_evidence_that_is_none_is_the_operators_fault(evidence: bytes) -> None:
    certificates = KeyCertificates(lambda _report_data: evidence)

    with pytest.raises(SettingsError, match="is no evidence about signing key"):
        certificates.certify(_KEY, _ISSUER)
