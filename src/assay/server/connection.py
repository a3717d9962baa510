"""A connection with limits: on slow requests, on headers, on idling, and on how many there are.

uvicorn waits for a request as long as somebody sends it, and for an answer to be taken as long as
the connection stays, which a single caller could use to keep everything for himself. A timer runs
only for what is not there yet, or not taken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from assay.server.edge import JSON_CONTENT_TYPE, VERSION_HEADER, new_request_id
from assay.server.errors import Refusal, RefusedRequestError, error_answer
from assay.server.settings import LimitSettings

_INTERIM: Final = b"HTTP/1.1 100 "
"""What asks a caller for the body that he holds back (`Expect: 100-continue`), as curl does."""

_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding"})
_WRAPPING: Final = 8
"""Bytes around each byte of a body at most: chunks of one byte are legal."""


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
        self._unread: asyncio.TimerHandle | None = None
        self._in_headers = False
        self._in_message = False
        self._is_new = False
        self._header_bytes = 0
        self._body_bytes = 0
        self._wrapping_bytes = 0
        self._answering = False
        self._resumes = False
        self._farewell = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection, and give it a time for its first headers."""
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            transport.abort()
            return
        self._await_rest()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection's timers."""
        self._cancel_timer()
        self._cancel_unread()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, within the limits on headers and on all that is around a body.

        The size of all headers is checked with the request; this bounds what waits for it.
        """
        if self._farewell or self.transport.is_closing():
            return
        was_in_headers, self._is_new = self._in_headers, False
        body_bytes = self._body_bytes
        try:
            self._parse(data)
        except httptools.HttpParserError:
            self._refuse(Refusal.HTTP, "this is not HTTP: Invalid HTTP request received.")
            return
        if self._in_message and self._timer is None:
            self._await_rest()
        if self._is_new or was_in_headers != self._in_headers:
            return
        if self._in_headers:
            self._header_bytes += len(data)
        elif self._in_message:
            self._wrapping_bytes += len(data) - (self._body_bytes - body_bytes)
        self._check_sizes()

    def pause_writing(self) -> None:
        """Give the caller a time to read his answers."""
        super().pause_writing()
        self._await_reader()

    def resume_writing(self) -> None:
        """Note that he does."""
        # Of a connection that ends, everything must be read.
        if not self.transport.is_closing():
            self._cancel_unread()
        super().resume_writing()

    def on_message_begin(self) -> None:
        """Note that a request begins."""
        if self._resumes:
            return
        # Not for a blank line, which begins nothing.
        self._unset_keepalive_if_required()
        super().on_message_begin()
        self._in_message = self._in_headers = self._is_new = True
        self._header_bytes = self._body_bytes = self._wrapping_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, and leave what follows a body: the application reads no trailers."""
        if self._in_headers:
            # RFC 9110 section 5.5: white space around a value is not of it.
            super().on_header(name, value.rstrip(b" \t"))

    def on_headers_complete(self) -> None:
        """Note that the headers are there."""
        if self._resumes:
            return
        self._cancel_timer()
        super().on_headers_complete()
        self._in_headers = False
        self._answering = True
        self._prefer_target()
        # The cycle has not begun to run. An answer to HEAD has no body for its head to wait for.
        if self.scope["method"] != "HEAD":
            self.cycle.transport = _JoinedHead(self.transport)  # type: ignore[assignment]

    def on_body(self, body: bytes) -> None:
        """Count a part of the body."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the body is there."""
        if self.parser.should_upgrade():
            return  # The parser stops before the body.
        self._in_message = False
        self._cancel_timer()
        super().on_message_complete()
        if self.cycle.response_complete and not self.transport.is_closing():
            self._await_request()

    def on_response_complete(self) -> None:
        """Give what is left of an answered request a time to end."""
        self._answering = bool(self.pipeline)
        super().on_response_complete()
        if self._farewell:
            if not self._answering:
                self._hang_up(self._farewell)
        elif self.transport.is_closing():
            self._await_reader()
        elif self._in_message:
            # The next request has begun, or what is left of this one is still to come.
            self._unset_keepalive_if_required()
            if self._timer is None:
                self._await_rest()

    def timeout_keep_alive_handler(self) -> None:
        """End a connection on which nothing comes."""
        self._hang_up()

    def shutdown(self) -> None:
        """End the connection when its answer, if there is one to come, is sent."""
        super().shutdown()
        # A farewell in TLS may never be answered, and would be waited for.
        if self.scheme == "https" and not self._answering:
            self.transport.abort()

    def _parse(self, data: bytes) -> None:
        """Feed the parser, which stops at a request for another protocol.

        Such a request may be taken for one of this protocol. Its body is parsed as that of one
        that asks for nothing else.

        Source: RFC 9110 section 7.8.
        """
        while True:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = data[upgrade.args[0] :]
            else:
                return
            framing = [
                name + b": " + value for name, value in self.scope["headers"] if name in _FRAMING
            ]
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            self._resumes = True
            try:
                head = b"\r\n".join([b"POST / HTTP/1.1", *framing])
                self.parser.feed_data(head + b"\r\n\r\n")
            finally:
                self._resumes = False

    def _prefer_target(self) -> None:
        """Take the host of a target that names one, whatever the header says.

        Source: RFC 9112 section 3.2.2.
        """
        if self.url.startswith(b"/"):
            return
        target = httptools.parse_url(self.url)
        if target.host:
            address = b"[%b]" % target.host if b":" in target.host else target.host
            host = address + (b":%d" % target.port if target.port else b"")
            self.scope["headers"] = [
                (name, host if name == b"host" else value) for name, value in self.scope["headers"]
            ]

    def _check_sizes(self) -> None:
        limit = self.limits.header_bytes
        if self._header_bytes > limit:
            self._refuse(
                Refusal.HEADER_SIZE,
                f"the address and headers have more than the {limit} bytes that are allowed",
            )
        elif self._wrapping_bytes > limit + _WRAPPING * self._body_bytes:
            self._refuse(
                Refusal.HEADER_SIZE,
                f"there are more than the {limit} bytes around the body that are allowed",
            )

    def _await_request(self) -> None:
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def _await_rest(self) -> None:
        """Give what is missing of a request its time, but not while it waits for its turn."""
        if self.pipeline:
            return
        if not self._in_message or self._in_headers:
            self._timer = self.loop.call_later(self.limits.header_seconds, self._headers_too_slow)
        else:
            self._timer = self.loop.call_later(self.limits.body_seconds, self._body_too_slow)

    def _await_reader(self) -> None:
        if self._unread is None:
            self._unread = self.loop.call_later(self.limits.body_seconds, self.transport.abort)

    def _cancel_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

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
        self._timer = None
        self._refuse(
            Refusal.TIMEOUT, f"the body did not arrive within {self.limits.body_seconds:g} s"
        )

    def _refuse(self, refusal: Refusal, message: str) -> None:
        """Answer without the application, after what is still to be answered, and hang up."""
        if self.transport.is_closing():
            return
        self._cancel_timer()
        if self._in_message and not self._in_headers and not self._give_up():
            self._hang_up()
            return
        answer = _plain_answer(
            RefusedRequestError(refusal, message), self.server_state.default_headers
        )
        if self._answering:
            self._farewell = answer
        else:
            self._hang_up(answer)

    def _give_up(self) -> bool:
        """Take the request whose body is wrong from the application; whether it wants an answer.

        To the application its caller has left.
        """
        broken = self.cycle
        if broken.response_started:
            return False
        waiting = [cycle for cycle, _ in self.pipeline]
        if broken in waiting:
            self.pipeline.popleft()
        else:
            broken.disconnected = True
            broken.message_event.set()
            self._answering = False
        return True

    def _hang_up(self, answer: bytes = b"") -> None:
        """Close the connection, at last also before its caller has read everything."""
        if answer:
            self.transport.write(answer)
        self.transport.close()
        self._await_reader()


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


def _plain_answer(
    error: RefusedRequestError, server_headers: Sequence[tuple[bytes, bytes]]
) -> bytes:
    answer = error_answer(error)
    body = answer.body
    headers = (
        *server_headers,
        JSON_CONTENT_TYPE,
        (b"content-length", b"%d" % len(body)),
        *answer.headers,
        (b"x-ms-request-id", new_request_id().encode("ascii")),
        VERSION_HEADER,
    )
    lines = [
        f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}".encode("ascii"),
        *(name + b": " + value for name, value in headers),
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
