from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from msgspec import structs

from assay.errors import AssayError, CollateralUnavailableError
from assay.evidence.dcap.memory import DcapMemory
from assay.evidence.dcap.verify import DcapVerification
from assay.evidence.openenclave import parse_evidence, verify_evidence
from assay.simulator import SimulatedPlatform
from assay.simulator.openenclave import evidence, legacy_report, with_header
from tests.conftest import AT


@pytest.fixture
def context(platform: SimulatedPlatform) -> DcapVerification:
    return DcapVerification(
        collateral=platform.collateral(AT),
        at=AT,
        roots=platform.anchors,
        memory=DcapMemory(platform.anchors),
    )


def _checks(data: bytes, context: DcapVerification) -> list[str]:
    with pytest.raises(AssayError) as caught:
        verify_evidence(parse_evidence(data), context)
    return [finding.check for finding in caught.value.findings]


@pytest.mark.parametrize("claims", [b"", b"x", bytes(5000)])
def test_custom_claims_that_the_enclave_reported_verify(
    platform: SimulatedPlatform, context: DcapVerification, claims: bytes
) -> None:
    verified = verify_evidence(parse_evidence(evidence(platform, claims)), context)

    assert verified.evidence.body.report_data[:32] == hashlib.sha256(claims).digest()


def test_a_legacy_report_binds_no_custom_claims(
    platform: SimulatedPlatform, context: DcapVerification
) -> None:
    report = legacy_report(platform.quote(report_data=b"anything"))

    assert verify_evidence(parse_evidence(report), context).tcb.status == "UpToDate"


def test_other_custom_claims_are_refused(
    platform: SimulatedPlatform, context: DcapVerification
) -> None:
    quote = platform.quote(report_data=hashlib.sha256(b"reported").digest())

    assert _checks(with_header(quote + b"sent"), context) == ["openenclave.custom_claims.binding"]


def test_custom_claims_are_judged_although_the_quote_fails(
    platform: SimulatedPlatform, context: DcapVerification
) -> None:
    quote = bytearray(platform.quote())
    quote[48] ^= 1

    assert _checks(with_header(bytes(quote) + b"sent"), context) == [
        "dcap.quote.quote_signature",
        "openenclave.custom_claims.binding",
    ]


def test_expired_collateral_stays_the_collaterals_fault(
    platform: SimulatedPlatform, context: DcapVerification
) -> None:
    late = structs.replace(context, at=AT + timedelta(days=60))

    with pytest.raises(CollateralUnavailableError):
        verify_evidence(parse_evidence(evidence(platform, b"claims")), late)
