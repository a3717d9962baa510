"""The instant that a command judges at, as its user writes it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from assay import clock
from assay.errors import RequestError

_UNIX: Final = re.compile(r"[0-9]{1,11}")
_RFC3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def read_instant(text: str | None, option: str = "--at") -> datetime:
    """The instant that `text` names, in UTC; the present one for `None`.

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
    if not _RFC3339.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
