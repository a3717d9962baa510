"""From a request's caller to the author of a change."""

from __future__ import annotations

from starlette.types import Scope

from assay.access import Caller
from assay.server.addresses import client_address
from assay.store import Author


def request_author(caller: Caller, scope: Scope) -> Author:
    """Who histories and the audit record name for what a request changes."""
    return Author(
        kind=caller.kind.value,
        name=caller.name,
        authority=caller.authority,
        address=client_address(scope),
        request=scope.get("request_id", ""),
    )
