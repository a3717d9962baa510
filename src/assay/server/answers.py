"""Sending a body that is there as a whole."""

from __future__ import annotations

from starlette.types import Receive, Scope, Send

from assay.server.edge import JSON_CONTENT_TYPE

Header = tuple[bytes, bytes]


async def send_body(
    send: Send, body: bytes, *, status: int = 200, content_type: Header = JSON_CONTENT_TYPE
) -> None:
    """Answer with `body`."""
    length = (b"content-length", str(len(body)).encode("ascii"))
    await send({"type": "http.response.start", "status": status, "headers": [content_type, length]})
    await send({"type": "http.response.body", "body": body})


class FixedAnswer:
    """An endpoint that answers the same to everybody."""

    __slots__ = ("_body", "_content_type")

    def __init__(self, body: bytes, *, content_type: Header = JSON_CONTENT_TYPE) -> None:
        self._body = body
        self._content_type = content_type

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer."""
        await send_body(send, self._body, content_type=self._content_type)
