"""What a request may cost, enforced before anything is parsed. Pure ASGI.

The connection's own limits (slow headers and bodies, header size while they arrive, idle
connections) are in `assay.server.connection`.
"""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assay.server.errors import Refusal, RefusedRequestError
from assay.server.settings import LimitSettings

_CONTENT_LENGTH: Final = b"content-length"
_MAX_LENGTH_DIGITS: Final = 19
_SEPARATORS: Final = len(": \r\n")


class Limits:
    """Refuses requests that are too large or too many. Raises `RefusedRequestError`."""

    __slots__ = ("_active", "_app", "_limits")

    def __init__(self, app: ASGIApp, limits: LimitSettings) -> None:
        self._app = app
        self._limits = limits
        self._active = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request within the limits."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limits = self._limits
        if self._active >= limits.requests:
            raise RefusedRequestError(
                Refusal.BUSY, f"the service works on {limits.requests} requests already; try again"
            )
        self._active += 1
        try:
            _check_headers(scope, limits)
            await self._app(scope, _Body(receive, limits).receive, send)
        finally:
            self._active -= 1


class _Body:
    """The body of one request, counted as it comes."""

    __slots__ = ("_limits", "_receive", "_size")

    def __init__(self, receive: Receive, limits: LimitSettings) -> None:
        self._receive = receive
        self._limits = limits
        self._size = 0

    async def receive(self) -> Message:
        """The next part.

        Raises:
            RefusedRequestError: The body is over its size.
        """
        message = await self._receive()
        self._size += len(message.get("body", b""))
        if self._size > self._limits.body_bytes:
            raise _too_large(self._limits)
        return message


def _check_headers(scope: Scope, limits: LimitSettings) -> None:
    size = len(scope.get("raw_path") or b"") + len(scope["query_string"])
    for name, value in scope["headers"]:
        size += len(name) + len(value) + _SEPARATORS
        # Refused before a byte of it is read.
        if name == _CONTENT_LENGTH and _length(value) > limits.body_bytes:
            raise _too_large(limits)
    if size > limits.header_bytes:
        raise RefusedRequestError(
            Refusal.HEADER_SIZE,
            f"the address and headers have {size} bytes, and {limits.header_bytes} are allowed",
        )


def _length(value: bytes) -> int:
    if not value.isdigit() or len(value) > _MAX_LENGTH_DIGITS:
        raise RefusedRequestError(Refusal.BODY_SIZE, "content-length is not a number of bytes")
    return int(value)


def _too_large(limits: LimitSettings) -> RefusedRequestError:
    return RefusedRequestError(
        Refusal.BODY_SIZE, f"the body has more than the {limits.body_bytes} bytes that are allowed"
    )
