from __future__ import annotations

import pytest

from assay.errors import AssayError
from assay.evidence.tpm.evidence_verify import verify_evidence
from assay.evidence.tpm.request_parse import parse_tpm_request
from assay.simulator.faults.tpm_attempt import TpmFault, tpm_attempt
from assay.simulator.faults.tpm_quotes import TPM_QUOTE_FAULTS
from assay.simulator.faults.tpm_requests import TPM_REQUEST_FAULTS
from assay.simulator.tpm.request import draft_v1, draft_v2
from tests.tpm import simulated_tpm

FAULTS = (*TPM_REQUEST_FAULTS, *TPM_QUOTE_FAULTS)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_each_fault_is_refused_for_its_reason(fault: TpmFault) -> None:
    attempt = fault.apply(simulated_tpm())

    with pytest.raises(AssayError) as refused:
        verify_evidence(parse_tpm_request(attempt.text), attempt.rules)

    assert [finding.check for finding in refused.value.findings] == [fault.check]


def test_each_fault_has_its_name() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


@pytest.mark.parametrize("make", [draft_v1, draft_v2])
def test_without_a_fault_nothing_is_refused(make: object) -> None:
    assert callable(make)
    attempt = tpm_attempt(simulated_tpm(), make(simulated_tpm()).sign())

    evidence = verify_evidence(parse_tpm_request(attempt.text), attempt.rules)

    assert evidence.verified.aik_validated
