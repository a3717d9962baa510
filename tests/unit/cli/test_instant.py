from __future__ import annotations

from datetime import UTC, datetime

import pytest

from assay.cli.instant import read_instant
from assay.errors import RequestError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", datetime(1970, 1, 1, tzinfo=UTC)),
        ("1756530546", datetime(2025, 8, 30, 5, 9, 6, tzinfo=UTC)),
        ("2025-08-30T05:09:06Z", datetime(2025, 8, 30, 5, 9, 6, tzinfo=UTC)),
        ("2025-08-30t05:09:06z", datetime(2025, 8, 30, 5, 9, 6, tzinfo=UTC)),
        ("2025-08-30 07:09:06+02:00", datetime(2025, 8, 30, 5, 9, 6, tzinfo=UTC)),
        ("2025-08-30T05:09:06.5Z", datetime(2025, 8, 30, 5, 9, 6, 500_000, tzinfo=UTC)),
        (
            "2025-08-30T05:09:06.123456789Z",
            datetime(2025, 8, 30, 5, 9, 6, 123_456, tzinfo=UTC),
        ),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2016-12-31t23:59:60.25z", datetime(2017, 1, 1, 0, 0, 0, 250_000, tzinfo=UTC)),
        ("2016-12-31T15:59:60-08:00", datetime(2017, 1, 1, tzinfo=UTC)),
    ],
)
def test_an_instant_is_rfc_3339_or_unix_time(text: str, expected: datetime) -> None:
    instant = read_instant(text)

    assert instant == expected
    assert instant.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "-1",
        "1.5",
        "2025-08-30",
        "2025-08-30T05:09:06",
        "20250830T050906Z",
        "2025-13-30T05:09:06Z",
        "999999999999",
        "0001-01-01T00:00:00+23:59",
        "2025-08-30T05:09:06.Z",
        "2016-12-31T22:59:60Z",  # no leap second is there
        "2016-12-31T23:59:60-08:00",
        "2016-12-31T23:59:61Z",
        "9999-12-31T23:59:60Z",
    ],
)
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(RequestError, match=r"--at: expected RFC 3339 such as"):
        read_instant(text)


def test_the_option_is_named_in_the_refusal() -> None:
    with pytest.raises(RequestError, match="--verify-at"):
        read_instant("soon", "--verify-at")


def test_without_a_text_it_is_now() -> None:
    before = datetime.now(UTC)  # noqa: TID251  the clock is what is tested

    assert before <= read_instant(None)
