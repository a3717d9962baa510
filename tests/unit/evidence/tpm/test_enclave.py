from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest

from assay.errors import AssayError, MalformedEvidenceError
from assay.evidence.tpm.claims import extract_tpm_claims
from assay.evidence.tpm.enclave import parse_enclave_report
from assay.evidence.tpm.evidence_verify import verify_evidence
from assay.evidence.tpm.request_parse import parse_tpm_request
from assay.simulator.faults.tpm_attempt import tpm_attempt
from assay.simulator.tpm.enclave import EnclaveDraft, enclave_request, module
from assay.simulator.tpm.request import Measurements, RequestDraft, draft_v1, draft_v2
from assay.simulator.windows_boot import WindowsState, windows_boot
from tests.tpm import simulated_tpm

_KEY = simulated_tpm().root_key
_DRAFT = EnclaveDraft(data=bytes(64))
_PACKAGE = _DRAFT.sign(_KEY)


@cache
def _measured() -> Measurements:
    boot = windows_boot(WindowsState(identity_key=_KEY.public_key()))
    return Measurements(pcrs=boot.registers(), logs=(("TCG", boot.encode()),))


def _findings(draft: RequestDraft) -> list[str]:
    attempt = tpm_attempt(simulated_tpm(), draft.sign())
    with pytest.raises(AssayError) as refused:
        verify_evidence(parse_tpm_request(attempt.text), attempt.rules)
    return [finding.check for finding in refused.value.findings]


@pytest.mark.parametrize("make", [draft_v1, draft_v2])
def test_an_enclave_in_a_measured_boot_says_what_it_is(make: Callable[..., RequestDraft]) -> None:
    draft = enclave_request(make(simulated_tpm(), measured=_measured()), _KEY)
    attempt = tpm_attempt(simulated_tpm(), draft.sign())

    evidence = verify_evidence(parse_tpm_request(attempt.text), attempt.rules)

    claims = {claim.type: claim.value for claim in extract_tpm_claims(evidence)}
    assert claims["vbsReportPresent"] is True
    assert claims["enclaveSvn"] == 7
    assert claims["x-assay-enclave-secure-kernel-svn"] == 2


def test_a_report_by_another_key_is_refused() -> None:
    draft = draft_v2(simulated_tpm(), measured=_measured())

    assert _findings(enclave_request(draft, simulated_tpm().aik)) == [
        "tpm.enclave_report.signature"
    ]


def test_a_report_about_another_request_is_refused() -> None:
    draft = draft_v2(simulated_tpm(), measured=_measured())

    assert _findings(enclave_request(draft, _KEY, data=bytes(64))) == ["tpm.enclave_report.binding"]


def test_a_report_of_a_boot_without_a_secure_kernel_is_refused() -> None:
    assert _findings(enclave_request(draft_v2(simulated_tpm()), _KEY)) == ["tpm.idks.measured_key"]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(_PACKAGE + b"\0", id="a byte left"),
        pytest.param(_PACKAGE[:-1], id="a byte missing"),
        pytest.param(bytes(100_000), id="too large"),
        pytest.param(replace(_DRAFT, version=2).sign(_KEY), id="another version"),
        pytest.param(replace(_DRAFT, scheme=2).sign(_KEY), id="another scheme"),
        pytest.param(replace(_DRAFT, report_version=2).sign(_KEY), id="another report"),
        pytest.param(replace(_DRAFT, modules=module(2, b"")).sign(_KEY), id="no module"),
        pytest.param(replace(_DRAFT, modules=bytes([1, 0, 0, 0, 4, 0, 0, 0])).sign(_KEY), id="4"),
        pytest.param(replace(_DRAFT, modules=65 * module(1, b"")).sign(_KEY), id="65 modules"),
    ],
)
def test_what_is_no_report_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedEvidenceError):
        parse_enclave_report(data)


def test_a_report_without_modules_and_one_with_as_many_as_may_be_are_read() -> None:
    for modules in (b"", 64 * module(1, b"")):
        assert parse_enclave_report(replace(_DRAFT, modules=modules).sign(_KEY)).flags == 0
