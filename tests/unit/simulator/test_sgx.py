from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import dcap_qvl
import pytest
from cryptography import x509

from assay.endorsements.collateral import DcapCollateral
from assay.endorsements.platform import DcapPlatform, PckCa, Tee
from assay.endorsements.tcb import TcbStatus
from assay.evidence.sgx import parse_quote, quote_platform
from assay.simulator import SimulatedPlatform
from assay.simulator.settings import QuotingEnclave
from assay.simulator.sgx import SAMPLE_MR_ENCLAVE, SAMPLE_MR_SIGNER


def judged_elsewhere(
    platform: SimulatedPlatform, at: datetime, quote: bytes | None = None
) -> tuple[str, list[str]]:
    """Status and advisories by an independent verifier."""
    collateral = platform.collateral(at)
    report = dcap_qvl.verify_with_root_ca(
        quote or platform.quote(),
        _foreign_collateral(collateral),
        platform.pki.root_ca.der,
        int(at.timestamp()),
    )
    return report.status, report.advisory_ids


def _foreign_collateral(collateral: DcapCollateral) -> Any:  # noqa: ANN401
    return dcap_qvl.QuoteCollateralV3(
        collateral.pck_crl_issuer_chain.decode(),
        collateral.root_ca_crl,
        collateral.pck_crl,
        collateral.tcb_info_issuer_chain.decode(),
        collateral.tcb_info.decode(),
        collateral.tcb_info_signature,
        collateral.qe_identity_issuer_chain.decode(),
        collateral.qe_identity.decode(),
        collateral.qe_identity_signature,
    )


@pytest.mark.parametrize("ca", list(PckCa))
def test_another_verifier_accepts_what_a_platform_makes(at: datetime, ca: PckCa) -> None:
    platform = SimulatedPlatform.create(at, ca=ca)

    assert judged_elsewhere(platform, at) == ("UpToDate", [])


@pytest.mark.parametrize("status", [status for status in TcbStatus if status != "Revoked"])
def test_another_verifier_sees_the_status_that_was_chosen(at: datetime, status: TcbStatus) -> None:
    platform = SimulatedPlatform.create(at, status=status, advisory_ids=("INTEL-SA-00001",))

    assert judged_elsewhere(platform, at) == (status.value, ["INTEL-SA-00001"])


def test_another_verifier_refuses_a_revoked_platform(
    platform: SimulatedPlatform, at: datetime
) -> None:
    with pytest.raises(ValueError, match="Revoked"):
        judged_elsewhere(platform.with_status(TcbStatus.REVOKED), at)


def test_another_verifier_refuses_a_platform_under_another_root(
    platform: SimulatedPlatform, at: datetime
) -> None:
    other = SimulatedPlatform.from_settings(platform.settings)

    with pytest.raises(ValueError, match="Verification failed"):
        judged_elsewhere(platform, at, quote=other.quote())


def test_a_quote_carries_the_enclave_that_was_asked_for(platform: SimulatedPlatform) -> None:
    body = parse_quote(
        platform.quote(
            report_data=b"data",
            mr_enclave=b"e" * 32,
            mr_signer=b"s" * 32,
            isv_prod_id=7,
            isv_svn=9,
            config_id=b"c" * 64,
            debug=True,
        )
    ).body

    assert body.report_data == b"data" + bytes(60)
    assert body.mr_enclave == b"e" * 32
    assert body.mr_signer == b"s" * 32
    assert (body.isv_prod_id, body.isv_svn) == (7, 9)
    assert body.config_id == b"c" * 64
    assert body.is_debuggable


def test_an_enclave_is_a_sample_in_production_mode_unless_asked_otherwise(
    platform: SimulatedPlatform,
) -> None:
    body = parse_quote(platform.quote()).body

    assert body.mr_enclave == SAMPLE_MR_ENCLAVE
    assert body.mr_signer == SAMPLE_MR_SIGNER
    assert body.cpu_svn == platform.settings.cpu_svn
    assert not body.is_debuggable


@pytest.mark.parametrize(("version", "svns"), [(3, (8, 13)), (4, (0, 0)), (5, (0, 0))])
def test_only_version_3_repeats_the_svns_in_its_header(
    platform: SimulatedPlatform, version: int, svns: tuple[int, int]
) -> None:
    header = parse_quote(platform.quote(version=version)).header

    assert (header.version, header.qe_svn, header.pce_svn) == (version, *svns)


@pytest.mark.parametrize("ca", list(PckCa))
def test_a_quote_names_the_platform_that_collateral_is_gathered_for(
    at: datetime, ca: PckCa
) -> None:
    platform = SimulatedPlatform.create(at, ca=ca, fmspc=b"fmspc1", pceid=b"p1")

    named = quote_platform(parse_quote(platform.quote()))

    assert named == platform.dcap_platform
    assert named == DcapPlatform(tee=Tee.SGX, fmspc=b"fmspc1", pceid=b"p1", ca=ca)


@pytest.mark.parametrize(("ca", "sgx_type"), [(PckCa.PLATFORM, 1), (PckCa.PROCESSOR, 0)])
def test_the_sgx_type_follows_the_ca_unless_it_is_chosen(
    at: datetime, ca: PckCa, sgx_type: int
) -> None:
    for chosen, expected in ((None, sgx_type), (2, 2)):
        platform = SimulatedPlatform.create(at, ca=ca, sgx_type=chosen)
        parsed = dcap_qvl.parse_pck_extension_from_pem(platform.pck.pem)
        assert parsed.sgx_type == expected


def test_collateral_is_the_same_all_day_and_another_the_next(
    platform: SimulatedPlatform, at: datetime
) -> None:
    today = platform.collateral(at)

    assert platform.collateral(at + timedelta(hours=11)).digest == today.digest
    assert platform.collateral(at + timedelta(hours=12)).digest != today.digest


def test_collateral_carries_the_evaluation_number_that_was_asked_for(
    platform: SimulatedPlatform, at: datetime
) -> None:
    collateral = platform.collateral(at, number=18)

    assert b'"tcbEvaluationDataNumber":18' in collateral.tcb_info
    assert b'"tcbEvaluationDataNumber":18' in collateral.qe_identity


def test_only_the_platform_s_own_ca_revokes_its_certificates(
    platform: SimulatedPlatform, at: datetime
) -> None:
    revoking = platform.with_settings(pck_crl_revoked=(4711,))

    own = x509.load_der_x509_crl(revoking.pck_crl(at))
    other = x509.load_der_x509_crl(revoking.pck_crl(at, PckCa.PROCESSOR))

    assert [entry.serial_number for entry in own] == [4711]
    assert list(other) == []


def test_the_anchor_says_that_it_is_simulated(platform: SimulatedPlatform) -> None:
    (anchor,) = platform.anchors

    assert anchor.simulated
    assert anchor.issued(platform.root_certificate)


def test_other_settings_leave_keys_and_root_alone(platform: SimulatedPlatform) -> None:
    changed = platform.with_settings(fmspc=b"other1")

    assert changed.pki is platform.pki
    assert changed.pck.key is platform.pck.key
    assert changed.pck.der != platform.pck.der
    assert changed.attestation_key is platform.attestation_key


def test_levels_follow_versions_that_are_chosen(at: datetime) -> None:
    platform = SimulatedPlatform.create(
        at,
        components=(3,) * 16,
        pcesvn=4,
        quoting_enclave=replace(QuotingEnclave(), isv_svn=2),
        status=TcbStatus.OUT_OF_DATE,
        qe_status=TcbStatus.OUT_OF_DATE,
    )

    assert judged_elsewhere(platform, at)[0] == "OutOfDate"


def test_a_platform_is_made_in_an_instant(at: datetime) -> None:
    started = time.perf_counter()
    for _ in range(5):
        SimulatedPlatform.create(at).quote()

    # 150 ms each is the limit on an idle machine; a loaded one gets five times that.
    assert time.perf_counter() - started < 5 * 5 * 0.150
