"""A connection with limits: on slow requests, on headers, on idling, and on how many there are.

uvicorn waits for a request as long as somebody sends it, which a single caller could use to keep
every connection for himself. A timer runs only for what is not there yet.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from assay.server.errors import Refusal, RefusedRequestError, error_answer
from assay.server.settings import LimitSettings

_INTERIM: Final = b"HTTP/1.1 100 "
"""What asks a caller for the body that he holds back (`Expect: 100-continue`), as curl does."""


class LimitedConnection(HttpToolsProtocol):
    """One connection. A subclass sets its limits."""

    limits: LimitSettings = LimitSettings()

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._timer: asyncio.TimerHandle | None = None
        self._in_headers = False
        self._in_message = False
        self._header_bytes = 0
        self._answering = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection, and give it a time for its first headers."""
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            transport.abort()
            return
        self._await_rest()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection's timer."""
        self._cancel_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, within the limit on headers that come in several parts.

        The size of all of them is checked with the request; this bounds what waits for it.
        """
        continued = self._in_headers
        super().data_received(data)
        if self._in_message and self._timer is None:
            self._await_rest()
        if not (continued and self._in_headers):
            return
        self._header_bytes += len(data)
        if self._header_bytes > self.limits.header_bytes:
            self._refuse(
                Refusal.HEADER_SIZE,
                f"the address and headers have more than the {self.limits.header_bytes} bytes "
                "that are allowed",
            )

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP."""
        self._refuse(Refusal.HTTP, f"this is not HTTP: {msg}")

    def on_message_begin(self) -> None:
        """Note that a request begins."""
        super().on_message_begin()
        self._in_message = self._in_headers = True
        self._header_bytes = 0

    def on_headers_complete(self) -> None:
        """Note that the headers are there."""
        self._cancel_timer()
        self._in_headers = False
        self._answering = True
        super().on_headers_complete()
        # What may follow the body is not among those that the application reads.
        self.headers = []
        # The cycle has not begun to run. An answer to HEAD has no body for its head to wait for.
        if self.scope["method"] != "HEAD":
            self.cycle.transport = _JoinedHead(self.transport)  # type: ignore[assignment]

    def on_message_complete(self) -> None:
        """Note that the body is there."""
        self._in_message = False
        self._cancel_timer()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Give what is left of an answered request a time to end."""
        self._answering = bool(self.pipeline)
        super().on_response_complete()
        if self._in_message and self._timer is None and not self.transport.is_closing():
            self._await_rest()

    def shutdown(self) -> None:
        """End the connection when its answer, if there is one to come, is sent."""
        super().shutdown()
        # A farewell in TLS may never be answered, and would be waited for.
        if self.scheme == "https" and not self._answering:
            self.transport.abort()

    def _await_rest(self) -> None:
        """Give what is missing of a request its time, but not while it waits for its turn."""
        if not self._in_message or self._in_headers:
            self._timer = self.loop.call_later(self.limits.header_seconds, self._headers_too_slow)
        elif not self.pipeline:
            self._timer = self.loop.call_later(self.limits.body_seconds, self._body_too_slow)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _headers_too_slow(self) -> None:
        self._timer = None
        self._refuse(
            Refusal.TIMEOUT,
            f"the headers did not arrive within {self.limits.header_seconds:g} s",
        )

    def _body_too_slow(self) -> None:
        """Answer in the application's place, which reads that the caller has left."""
        self._timer = None
        if self.cycle.response_started:
            self.transport.close()
            return
        self.cycle.disconnected = True
        self.cycle.message_event.set()
        self._answering = False
        self._refuse(
            Refusal.TIMEOUT, f"the body did not arrive within {self.limits.body_seconds:g} s"
        )

    def _refuse(self, refusal: Refusal, message: str) -> None:
        """Answer without the application, and hang up."""
        if self.transport.is_closing():
            return
        # An answer to an earlier request may be on its way; nothing may come between.
        if not self._answering:
            self.transport.write(_plain_answer(RefusedRequestError(refusal, message)))
        self.transport.close()


class _JoinedHead:
    """The transport of one answer: its head waits for its body, so that both are one packet.

    Sent apart they cost a second system call, and wake the other end twice.

    Source: ASGI, HTTP connection scope: no head before the first body event.
    """

    __slots__ = ("_begun", "_head", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._begun = False
        self._head = b""

    def write(self, data: bytes) -> None:
        """Send a part; the first one with the next."""
        if self._begun:
            head, self._head = self._head, b""
            self._transport.write(head + data if head else data)
        elif data.startswith(_INTERIM):
            self._transport.write(data)
        else:
            self._begun = True
            self._head = data

    def is_closing(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._transport.is_closing()

    def close(self) -> None:
        """Hang up after what has been written."""
        if self._head:
            self._transport.write(self._head)
        self._transport.close()


def _plain_answer(error: RefusedRequestError) -> bytes:
    answer = error_answer(error)
    body = answer.body
    lines = [
        f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}".encode("ascii"),
        b"content-type: application/json; charset=utf-8",
        b"content-length: %d" % len(body),
        *(name + b": " + value for name, value in answer.headers),
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
