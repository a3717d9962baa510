"""ASGI middleware: requests with a good attestation token go on, the others do not.

```python
app = AttestationMiddleware(app, verifier)
```

The verified token is `request.state.attestation` in Starlette and FastAPI, and
`scope["state"]["attestation"]` in any ASGI application.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from assay.relying_party.aio import AsyncTokenVerifier
from assay.relying_party.bearer import Refusal, RefusedError, authenticate

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_POLICY_VIOLATION = 1008


def _nothing(_path: str) -> bool:
    return False


class AttestationMiddleware:
    """Demands an attestation token of every HTTP request and WebSocket."""

    __slots__ = ("_app", "_open", "_verifier")

    def __init__(
        self,
        app: Application,
        verifier: AsyncTokenVerifier,
        *,
        is_open: Callable[[str], bool] = _nothing,
    ) -> None:
        """Middleware.

        Args:
            app: What requests are for.
            verifier: What verifies their tokens; whoever made it closes it.
            is_open: Says of a path whether it is open to requests without a token.
        """
        self._app = app
        self._verifier = verifier
        self._open = is_open

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] in {"http", "websocket"} and not self._open(scope["path"]):
            headers = [
                value.decode("latin-1")
                for name, value in scope["headers"]
                if name == b"authorization"
            ]
            try:
                verified = await authenticate(self._verifier, headers)
            except RefusedError as error:
                await _refuse(scope, send, error.refusal)
                return
            scope.setdefault("state", {})["attestation"] = verified
        await self._app(scope, receive, send)


async def _refuse(scope: Scope, send: Send, refusal: Refusal) -> None:
    if scope["type"] == "websocket":
        # Before it is accepted; servers answer with status 403.
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
        return
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    if refusal.challenge:
        headers.append((b"www-authenticate", refusal.challenge.encode("ascii")))
    await send({"type": "http.response.start", "status": int(refusal.status), "headers": headers})
    await send({"type": "http.response.body", "body": refusal.body})
