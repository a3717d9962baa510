from __future__ import annotations

from datetime import UTC, datetime

from assay import clock


def test_now_is_aware_and_in_utc() -> None:
    assert clock.now().tzinfo is UTC


def test_now_lies_between_two_readings_of_the_system_clock() -> None:
    before = datetime.now(UTC)  # noqa: TID251  the clock is what this test is about
    present = clock.now()

    assert before <= present <= datetime.now(UTC)  # noqa: TID251  likewise
