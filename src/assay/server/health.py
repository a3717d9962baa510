"""Whether the service lives, and whether it is ready to attest."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final, Protocol

from starlette.types import Receive, Scope, Send

from assay.encoding import JsonValue, encode_json
from assay.errors import AssayError, StoreUnavailableError
from assay.server.answers import send_body
from assay.server.hosting import Instances

_OK: Final = "ok"
_UNAVAILABLE: Final = "unavailable"
_READY: Final = 200
_NOT_READY: Final = 503


class CheckedStore(Protocol):
    """What is asked of the store here."""

    def check(self) -> None:
        """Raise `StoreUnavailableError` where it cannot be used."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """`GET /health/ready`: 200 when requests can be served, else 503, with each part's state."""

    store: CheckedStore
    instances: Instances
    instance: str
    """The name of the instance whose signing key has to be there."""

    collateral: str
    """The source's name; whether it answers shows in requests, since asking costs it."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer."""
        store = await asyncio.to_thread(self._store_state)
        key = await self._key()
        ready = store == _OK and key != _UNAVAILABLE
        document: dict[str, JsonValue] = {
            "status": "ready" if ready else "not ready",
            "checks": {"key": key, "store": store, "collateral": self.collateral},
        }
        await send_body(send, encode_json(document), status=_READY if ready else _NOT_READY)

    def _store_state(self) -> str:
        try:
            self.store.check()
        except StoreUnavailableError:
            # What the database said is for the log and names paths.
            return _UNAVAILABLE
        return _OK

    async def _key(self) -> str:
        entry = self.instances.named(self.instance)
        if entry is None:
            return _UNAVAILABLE
        try:
            return (await self.instances.get(entry)).keys.active.kid
        except AssayError:
            return _UNAVAILABLE
