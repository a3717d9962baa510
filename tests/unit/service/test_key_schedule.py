from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final

import pytest

from assay.errors import SettingsError
from assay.keys import SigningAlgorithm
from assay.service.key_schedule import (
    CLOCK_SKEW,
    LONGEST_TOKEN,
    KeyAction,
    KeySchedule,
    KeyStep,
    next_step,
)
from assay.store import KeyState, SigningKeyRecord
from assay.token import ATTESTATION_LIFETIME
from tests.conftest import AT

_DAY: Final = timedelta(days=1)
_HOUR: Final = timedelta(hours=1)
_SCHEDULE: Final = KeySchedule(period=30 * _DAY, overlap=_DAY)

ACTIVE: Final = SigningKeyRecord(
    kid="active",
    instance="one",
    algorithm=SigningAlgorithm.ES256,
    sealed=b"",
    state=KeyState.ACTIVE,
    created_at=AT - _DAY,
    activated_at=AT,
)
PREPARED: Final = replace(
    ACTIVE, kid="prepared", state=KeyState.PREPARED, created_at=AT, activated_at=None
)
RETIRED: Final = replace(ACTIVE, kid="retired", state=KeyState.RETIRED, retired_at=AT)


def _next(*keys: SigningKeyRecord, schedule: KeySchedule = _SCHEDULE) -> KeyStep | None:
    return next_step(keys, SigningAlgorithm.ES256, schedule)


def test_a_successor_is_prepared_so_that_it_takes_over_after_the_period() -> None:
    expected = KeyStep(action=KeyAction.PREPARE, kid="active", at=AT + 29 * _DAY)

    assert _next(ACTIVE) == expected
    assert _SCHEDULE.signs_at(replace(PREPARED, created_at=expected.at)) == AT + 30 * _DAY


def test_a_prepared_key_signs_after_the_overlap() -> None:
    assert _next(ACTIVE, PREPARED) == KeyStep(
        action=KeyAction.ACTIVATE, kid="prepared", at=AT + _DAY
    )


def test_a_retired_key_stays_until_its_last_token_has_expired() -> None:
    assert _next(RETIRED) == KeyStep(
        action=KeyAction.REMOVE, kid="retired", at=AT + LONGEST_TOKEN + _DAY + CLOCK_SKEW
    )
    assert LONGEST_TOKEN >= ATTESTATION_LIFETIME


def test_a_retired_key_of_which_nobody_knows_since_when_counts_from_its_first_use() -> None:
    assert _SCHEDULE.gone_at(replace(RETIRED, retired_at=None)) == _SCHEDULE.gone_at(RETIRED)


@pytest.mark.parametrize(
    ("retired_at", "action"),
    [(AT, KeyAction.ACTIVATE), (AT - 9 * _HOUR, KeyAction.REMOVE)],
)
def test_the_step_that_is_due_first_comes_first(retired_at: object, action: KeyAction) -> None:
    retired = replace(RETIRED, retired_at=retired_at)  # type: ignore[arg-type]

    step = _next(ACTIVE, PREPARED, retired)

    assert step is not None
    assert step.action is action


def test_without_a_period_nothing_changes() -> None:
    assert _next(ACTIVE, schedule=replace(_SCHEDULE, period=None)) is None
    assert _next() is None


def test_a_key_that_waits_is_enough() -> None:
    step = _next(ACTIVE, replace(PREPARED, created_at=AT + 100 * _DAY))

    assert step is not None
    assert step.action is KeyAction.ACTIVATE


def test_an_overlap_longer_than_the_period_prepares_at_once() -> None:
    step = _next(ACTIVE, schedule=KeySchedule(period=_HOUR, overlap=_DAY))

    assert step is not None
    assert step.at == AT


def test_a_key_for_another_algorithm_gets_a_successor_at_once_whatever_the_period() -> None:
    other = replace(ACTIVE, algorithm=SigningAlgorithm.RS256)
    never = replace(_SCHEDULE, period=None)

    assert _next(other, schedule=never) == KeyStep(action=KeyAction.PREPARE, kid="active", at=AT)


def test_a_key_that_waits_for_another_algorithm_is_removed() -> None:
    other = replace(PREPARED, algorithm=SigningAlgorithm.RS256)

    assert _next(ACTIVE, other) == KeyStep(action=KeyAction.REMOVE, kid="prepared", at=AT)


def test_keys_that_live_for_ever_are_not_certified() -> None:
    with pytest.raises(SettingsError, match="rotation_days is 0"):
        _ = KeySchedule(period=None).certified_for
