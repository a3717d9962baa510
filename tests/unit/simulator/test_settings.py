from __future__ import annotations

from datetime import datetime

import pytest

from assay.endorsements.tcb import TcbStatus
from assay.simulator.settings import (
    QuotingEnclave,
    evaluation_sets,
    platform_levels,
    quoting_enclave_levels,
    recovery_date,
)


@pytest.mark.parametrize("status", list(TcbStatus))
def test_the_highest_level_that_the_platform_reaches_has_the_status(
    at: datetime, status: TcbStatus
) -> None:
    own = (10, 255, *[1] * 14)

    levels = platform_levels(status, at, components=own, pcesvn=9, advisory_ids=("SA-1",))

    reached = [
        level
        for level in levels
        if level.pcesvn <= 9
        and all(need <= have for need, have in zip(level.components, own, strict=True))
    ]
    assert reached[0].status is status
    assert reached[0].advisory_ids == ("SA-1",)
    assert levels[0].status is TcbStatus.UP_TO_DATE or levels[0] == reached[0]


def test_a_shortfall_is_one_in_the_first_component_that_can_grow(at: datetime) -> None:
    own = (255, 3, *[0] * 14)

    higher, *_ = platform_levels(TcbStatus.OUT_OF_DATE, at, components=own)

    assert higher.components == (255, 4, *[0] * 14)


@pytest.mark.parametrize("status", list(TcbStatus))
def test_the_highest_level_that_the_quoting_enclave_reaches_has_the_status(
    at: datetime, status: TcbStatus
) -> None:
    levels = quoting_enclave_levels(status, at, isv_svn=6, advisory_ids=("SA-2",))

    reached = next(level for level in levels if level.isv_svn <= 6)
    assert reached.status is status
    assert reached.advisory_ids == ("SA-2",)


def test_the_standard_evaluation_number_is_a_year_old(at: datetime) -> None:
    early, standard = evaluation_sets(at, [21, 20])

    assert standard.recovery_date == recovery_date(at)
    assert early.recovery_date > standard.recovery_date
    assert standard.tcb_date > standard.recovery_date


def test_a_quoting_enclave_is_intel_s_by_default() -> None:
    enclave = QuotingEnclave()

    assert enclave.mr_signer.hex().startswith("8c4f5775")
    assert enclave.isv_prod_id == 1
    assert enclave.auth_data == bytes(range(32))
