"""The instant that a command judges at, as its user writes it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from assay import clock
from assay.errors import RequestError

_UNIX: Final = re.compile(r"[0-9]{1,11}")
_RFC3339: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:)([0-9]{2})((?:\.[0-9]+)?"
    r"(?:Z|[+-][0-9]{2}:[0-9]{2}))"
)
_LEAP_SECOND: Final = "60"


def read_instant(text: str | None, option: str = "--at") -> datetime:
    """The instant that `text` names, in UTC, to the microsecond; the present one for `None`.

    A leap second is taken as the second after it.

    Raises:
        RequestError: Neither RFC 3339 nor seconds since 1970.
    """
    if text is None:
        return clock.now()
    moment = _parse(text)
    if moment is None:
        raise RequestError(
            f"{option}: expected RFC 3339 such as 2026-01-31T12:00:00Z or seconds since 1970, "
            f"got {text!r}"
        )
    return moment


def _parse(text: str) -> datetime | None:
    if _UNIX.fullmatch(text):
        return datetime.fromtimestamp(int(text), UTC)
    match = _RFC3339.fullmatch(text.upper())
    if match is None:
        return None
    start, second, end = match.groups()
    try:
        if second != _LEAP_SECOND:
            return datetime.fromisoformat(start + second + end).astimezone(UTC)
        return _after_leap_second(datetime.fromisoformat(f"{start}59{end}").astimezone(UTC))
    except (ValueError, OverflowError):
        return None


def _after_leap_second(before: datetime) -> datetime | None:
    """The second after the leap second that follows `before`, if one can.

    Source: RFC 3339 section 5.7: leap seconds come at the end of a day in UTC. POSIX time has none.
    """
    moment = before + timedelta(seconds=1)
    return moment if (moment.hour, moment.minute) == (0, 0) else None
