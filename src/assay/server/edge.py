"""The outermost layer: every request gets an answer of the protocol's form, an id and a report.

Pure ASGI. What is raised inside ends here: an `AssayError` as the protocol's error, anything else
as an internal error of which only an id goes out.
"""

from __future__ import annotations

import asyncio
import os
import re
import traceback
from contextlib import suppress
from importlib.metadata import version
from time import perf_counter
from typing import Final

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assay.errors import AssayError
from assay.server.errors import (
    ErrorAnswer,
    Refusal,
    RefusedRequestError,
    error_answer,
    internal_answer,
)
from assay.server.operator_reason import operator_reason
from assay.server.telemetry import ServedRequest, Telemetry

JSON_CONTENT_TYPE: Final = (b"content-type", b"application/json; charset=utf-8")

_TRACEPARENT: Final = b"traceparent"
_PRINTABLE: Final = re.compile(rb"[!-~]{1,128}")
VERSION_HEADER: Final = (b"x-ms-maa-service-version", version("assay").encode("ascii"))
_MAX_SHOWN_PATH: Final = 200


class Edge:
    """Serves one application as the protocol wants it."""

    __slots__ = ("_app", "_telemetry")

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        self._app = app
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the application's start and end."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        exchange = _Exchange(scope, send)
        scope["request_id"] = exchange.request_id
        path: str = scope["path"]
        # Paths match in any case. Beyond ASCII, lower case may turn one letter into another.
        if path.isascii():
            scope["path"] = path.lower()
        answer: ErrorAnswer | None = None
        reason = ""
        try:
            _check_printable(path)
            await self._app(scope, receive, exchange.send)
        except asyncio.CancelledError:
            # The server ends and has waited for as long as it may.
            ending = RefusedRequestError(Refusal.BUSY, "the service is being stopped; try again")
            answer, reason = error_answer(ending), ending.message
            await exchange.refuse(answer)
        except Exception as error:  # noqa: BLE001  the outermost edge
            answer, reason = self._answer(error, scope, exchange.request_id)
            await exchange.refuse(answer)
        client = scope.get("client")
        self._telemetry.served(
            ServedRequest(
                request_id=exchange.request_id,
                method=scope["method"],
                path=path[:_MAX_SHOWN_PATH],
                route=getattr(scope.get("route"), "path", "other"),
                status=exchange.status,
                code="OK" if answer is None else answer.code,
                seconds=perf_counter() - started,
                client=client[0] if client else "",
                reason=reason,
                checks=() if answer is None else tuple(detail.code for detail in answer.details),
            )
        )

    def _answer(self, error: Exception, scope: Scope, request_id: str) -> tuple[ErrorAnswer, str]:
        """The answer, and what the operator reads as its reason."""
        known = _routing_refusal(error, scope) if isinstance(error, HTTPException) else error
        if isinstance(known, AssayError):
            with suppress(LookupError):
                return error_answer(known), operator_reason(known)
        # Where it happened, not what was said: messages may repeat what was sent.
        frames = traceback.extract_tb(error.__traceback__)
        self._telemetry.log.error(
            "defect",
            request_id=request_id,
            error=type(error).__name__,
            stack=[f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
        )
        return internal_answer(request_id), "defect"


class _Exchange:
    """One answer on its way out, with the headers that all of them have."""

    __slots__ = ("_send", "request_id", "status")

    def __init__(self, scope: Scope, send: Send) -> None:
        self._send = send
        self.request_id = _request_id(scope)
        self.status = 0

    async def send(self, message: Message) -> None:
        """Pass one part on."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [
                *message["headers"],
                (b"x-ms-request-id", self.request_id.encode("ascii")),
                VERSION_HEADER,
            ]
        await self._send(message)

    async def refuse(self, answer: ErrorAnswer) -> None:
        """Answer with an error, unless an answer has begun: the caller then sees it break off."""
        if self.status:
            return
        body = answer.body
        length = (b"content-length", str(len(body)).encode("ascii"))
        headers = [JSON_CONTENT_TYPE, length, *answer.headers]
        await self.send(
            {"type": "http.response.start", "status": answer.status, "headers": headers}
        )
        await self.send({"type": "http.response.body", "body": body})


def new_request_id() -> str:
    """An id for a request that brings none, in the form of a `traceparent`."""
    return f"00-{os.urandom(16).hex()}-0000000000000000-00"


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == _TRACEPARENT and _PRINTABLE.fullmatch(value):
            return str(value, "ascii")
    return new_request_id()


def _check_printable(path: str) -> None:
    # No address has control characters; to the router's patterns a line may end before one.
    if not path.isprintable():
        raise HTTPException(Refusal.NOT_FOUND.value[0])


def _routing_refusal(error: HTTPException, scope: Scope) -> RefusedRequestError:
    """What the router found no route for."""
    if error.status_code == Refusal.METHOD.value[0]:
        allowed = (error.headers or {}).get("Allow", "")
        return RefusedRequestError(
            Refusal.METHOD,
            f"this address answers {allowed}, not {scope['method'][:16]}",
            allow=allowed,
        )
    return RefusedRequestError(
        Refusal.NOT_FOUND, f"there is nothing at {scope['path'][:_MAX_SHOWN_PATH]!r}"
    )
