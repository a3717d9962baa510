from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy.dialects.sqlite import dialect

from assay.store.tables import UtcDateTime

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ELSEWHERE = NOON.astimezone(timezone(timedelta(hours=-8)))


@pytest.mark.parametrize(
    ("kept", "returned"),
    [
        (None, None),
        (NOON.replace(tzinfo=None), NOON),
        (NOON, NOON),
        (ELSEWHERE, NOON),
    ],
)
def test_an_instant_is_returned_in_utc_from_any_database(
    kept: datetime | None, returned: datetime | None
) -> None:
    result = UtcDateTime().process_result_value(kept, dialect())

    assert result == returned
    assert result is None or result.tzinfo is UTC


@pytest.mark.parametrize(("given", "bound"), [(None, None), (NOON, NOON), (ELSEWHERE, NOON)])
def test_an_instant_is_bound_in_utc(given: datetime | None, bound: datetime | None) -> None:
    result = UtcDateTime().process_bind_param(given, dialect())

    assert result == bound
    assert result is None or result.tzinfo is UTC


def test_an_instant_without_time_zone_is_not_bound() -> None:
    with pytest.raises(ValueError, match="time zone"):
        UtcDateTime().process_bind_param(NOON.replace(tzinfo=None), dialect())
