"""Open Enclave reports and MAA's own signing certificates."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from assay.endorsements.anchors import intel_sgx_anchors
from assay.errors import MalformedEvidenceError, UntrustedEvidenceError
from assay.evidence.dcap.memory import DcapMemory
from assay.evidence.dcap.verify import DcapVerification
from assay.evidence.openenclave import (
    OpenEnclaveFormat,
    parse_certificate,
    parse_evidence,
    verify_certificate,
    verify_evidence,
)
from assay.evidence.sgx import quote_platform
from tests.corpus.dcap import read_collateral
from tests.vectors import vector_params

COLLATERAL = "dcap/real/sgx-v3-00906ed50000-OutOfDate-2"
"""Of the platform family that all of these come from, served in February 2025."""


@pytest.fixture(scope="module")
def context(vectors: Path) -> DcapVerification:
    folder = vectors / COLLATERAL
    seconds = json.loads((folder / "vector.json").read_text())["verification_time"]
    roots = intel_sgx_anchors()
    return DcapVerification(
        collateral=read_collateral(folder / "collateral.json"),
        at=datetime.fromtimestamp(seconds, UTC),
        roots=roots,
        memory=DcapMemory(roots),
    )


@pytest.mark.parametrize("path", vector_params("dcap/oe/oe-report-*.bin"))
def test_a_real_report_parses_as_its_sidecar_says_and_verifies(
    path: Path, context: DcapVerification
) -> None:
    sidecar = json.loads(path.with_suffix(".json").read_text())

    evidence = parse_evidence(path.read_bytes())
    verified = verify_evidence(evidence, context)

    assert evidence.format is OpenEnclaveFormat.LEGACY_REPORT
    assert evidence.custom_claims is None
    assert evidence.quote.declared_size <= sidecar["quote_declared_size"]
    assert evidence.quote.body.is_debuggable == sidecar["debug"]
    assert quote_platform(evidence.quote).fmspc.hex() == sidecar["fmspc"]
    assert verified.evidence is evidence.quote


@pytest.mark.parametrize("path", vector_params("dcap/oe/maa-signing-cert-*.der"))
def test_an_maa_signing_certificate_is_vouched_for_by_its_enclave(
    path: Path, context: DcapVerification
) -> None:
    sidecar = json.loads(path.with_suffix(".json").read_text())

    attested = parse_certificate(path.read_bytes())
    verified = verify_certificate(attested, context)

    body = verified.evidence.body
    assert attested.certificate.subject.rfc4514_string() == sidecar["subject"]
    assert body.mr_enclave.hex() == sidecar["mrenclave"]
    assert body.mr_signer.hex() == sidecar["mrsigner"]
    assert body.is_debuggable is sidecar["debug_enclave"]


def test_a_certificate_with_a_bad_signature_of_its_own_is_refused(
    vectors: Path, context: DcapVerification
) -> None:
    attested = parse_certificate((vectors / "dcap/oe/sgx_cert_rsa_bad.der").read_bytes())

    with pytest.raises(UntrustedEvidenceError) as caught:
        verify_certificate(attested, context)

    assert [finding.check for finding in caught.value.findings] == ["openenclave.certificate.chain"]


def test_a_certificate_that_does_not_parse_is_refused(vectors: Path) -> None:
    with pytest.raises(MalformedEvidenceError) as caught:
        parse_certificate((vectors / "dcap/oe/sgx_cert_ec_bad.der").read_bytes())

    assert caught.value.findings[0].check == "openenclave.certificate.oe_format"
