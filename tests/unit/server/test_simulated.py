from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from assay.endorsements.source import EvaluationSelection
from assay.errors import CollateralUnavailableError
from assay.server.simulated import SimulatedSource
from tests.conftest import AT
from tests.serving import simulated_platform

_PLATFORM = simulated_platform().dcap_platform


class _Clock:
    def __init__(self) -> None:
        self.time = AT

    def __call__(self) -> datetime:
        return self.time


def test_collateral_is_the_same_for_a_day() -> None:
    clock = _Clock()
    source = SimulatedSource(simulated_platform(), clock)

    first = asyncio.run(source.gather(_PLATFORM))
    clock.time += timedelta(hours=1)
    later = asyncio.run(source.gather(_PLATFORM))
    clock.time += timedelta(days=1)
    next_day = asyncio.run(source.gather(_PLATFORM))

    assert first is later
    assert next_day.collateral.digest != first.collateral.digest


@pytest.mark.parametrize(("name", "number"), [("early", 21), ("19", 19), ("standard", 20)])
def test_the_evaluation_data_set_is_the_one_asked_for(name: str, number: int) -> None:
    source = SimulatedSource(simulated_platform(), lambda: AT)

    gathered = asyncio.run(source.gather(_PLATFORM, evaluation=EvaluationSelection.parse(name)))

    wanted = f'"tcbEvaluationDataNumber":{number}'.encode()
    assert wanted in gathered.collateral.tcb_info


def test_another_platform_has_no_collateral_here() -> None:
    source = SimulatedSource(simulated_platform(), lambda: AT)

    with pytest.raises(CollateralUnavailableError, match="simulated platform"):
        asyncio.run(source.gather(replace(_PLATFORM, fmspc=bytes(6))))


def test_an_evaluation_data_set_that_is_not_there_is_refused() -> None:
    source = SimulatedSource(simulated_platform(), lambda: AT)

    with pytest.raises(CollateralUnavailableError, match="evaluation data numbers"):
        asyncio.run(source.gather(_PLATFORM, evaluation=EvaluationSelection.parse("3")))
