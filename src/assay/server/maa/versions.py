"""API versions: which ones there are, and what a request says of it.

All of them mean the same here; what differs between them is which operations exist.

Source: MAA protocol, section 2.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl

from assay.server.errors import Refusal, RefusedRequestError

API_VERSIONS: Final = (
    "2018-09-01-preview",
    "2020-10-01",
    "2022-08-01",
    "2022-09-01-preview",
    "2023-04-01-preview",
    "2025-06-01",
    "2026-03-11-preview",
)

_NAME: Final = "api-version"
_ACCEPTED: Final = frozenset(API_VERSIONS)
_PLAIN_QUERIES: Final = frozenset(f"{_NAME}={version}".encode() for version in API_VERSIONS)
_EXAMPLE: Final = "?api-version=2022-08-01"
_SHOWN_CHARACTERS: Final = 64


def check_api_version(query: bytes) -> None:
    """Check the API version in a query string.

    Raises:
        RefusedRequestError: There is none, several, or one that is not known.
    """
    if query in _PLAIN_QUERIES:
        return
    given = [
        value
        for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True)
        if name.lower() == _NAME
    ]
    if not given:
        raise RefusedRequestError(
            Refusal.API_VERSION_MISSING,
            f"the address says no api-version; add one, for example {_EXAMPLE}",
            target=_NAME,
        )
    if len(given) > 1:
        raise RefusedRequestError(
            Refusal.API_VERSION_AMBIGUOUS,
            f"the address says {len(given)} api-versions; leave one",
            target=_NAME,
        )
    if given[0] not in _ACCEPTED:
        raise RefusedRequestError(
            Refusal.API_VERSION_UNKNOWN,
            f"there is no api-version {given[0][:_SHOWN_CHARACTERS]!r}; there are "
            f"{', '.join(API_VERSIONS)}",
            target=_NAME,
        )
