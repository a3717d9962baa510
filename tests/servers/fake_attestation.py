"""The client library's fake service behind a socket, with what it saw of connections."""

from __future__ import annotations

from typing import Any

from assay.client import HttpRequest
from assay.client.testing import FakeService


class FakeAttestationApp:
    """An ASGI application."""

    def __init__(self) -> None:
        self.service: FakeService | None = None
        """Set once the address is known."""
        self.peers: set[tuple[str, int]] = set()
        """The other ends of all connections that were used."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401
        assert self.service is not None
        self.peers.add(tuple(scope["client"]))
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        query = scope["query_string"].decode()
        answer = self.service.answer(
            HttpRequest(
                method=scope["method"],
                url=f"{self.service.url}{scope['path']}{f'?{query}' if query else ''}",
                headers={name.decode(): value.decode() for name, value in scope["headers"]},
                body=body,
            )
        )
        headers = [(name.encode(), value.encode()) for name, value in answer.headers.items()]
        headers.append((b"content-length", str(len(answer.body)).encode()))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})
