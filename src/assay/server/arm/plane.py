"""The management plane as a part of the application: its addresses, its errors, its headers.

Pure ASGI. It takes the addresses that begin with `/subscriptions` and `/providers`, which no
instance can be called, and leaves every other one alone.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, replace
from typing import Final

from starlette.exceptions import HTTPException
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assay.access import ANONYMOUS, Caller
from assay.audit import AuditEvent, AuditOutcome
from assay.encoding import encode_json
from assay.errors import AssayError, OperationRefusedError, RequestError, UnauthorizedError
from assay.server.arm.address import address_parts, routing_path
from assay.server.arm.errors import arm_answer, routing_refusal
from assay.server.arm.operations import (
    ARM_OPERATIONS,
    ArmAnswer,
    ArmOffer,
    ArmOperation,
    ArmRequest,
)
from assay.server.arm.versions import read_api_version
from assay.server.auth.author import request_author
from assay.server.auth.authorizer import Authorizer
from assay.server.edge import JSON_CONTENT_TYPE
from assay.server.errors import AnsweredError
from assay.server.hosting import Instances
from assay.server.maa.attest import check_json_content, read_body
from assay.service.refusals import RefusalRecord

Header = tuple[bytes, bytes]

_FIRST_PARTS: Final = frozenset({"subscriptions", "providers"})
_REFUSALS: Final = (UnauthorizedError, OperationRefusedError)
"""What ends a change that was not to be, rather than one that was badly asked for."""

_CLIENT_ID: Final = b"x-ms-client-request-id"
_CORRELATION_ID: Final = b"x-ms-correlation-request-id"
_PRINTABLE: Final = re.compile(rb"[!-~]{1,128}")
_EVERY_ANSWER: Final = (
    (b"cache-control", b"no-cache"),
    (b"pragma", b"no-cache"),
    (b"expires", b"-1"),
    (b"x-content-type-options", b"nosniff"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Management:
    """What the management plane takes."""

    offer: ArmOffer
    authorizer: Authorizer
    refusals: RefusalRecord
    instances: Instances


class ManagementPlane:
    """Serves the addresses of the management plane, and leaves the others to the application."""

    __slots__ = ("_app", "_router")

    def __init__(self, app: ASGIApp, management: Management) -> None:
        self._app = app
        self._router = Router(management_routes(management), redirect_slashes=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request.

        Raises:
            AnsweredError: It is refused.
        """
        if scope["type"] != "http" or _first_part(scope) not in _FIRST_PARTS:
            await self._app(scope, receive, send)
            return
        # The router answers for itself where it is not inside an application.
        inner = {**scope, "path": routing_path(scope), "app": self}
        headers = _headers(scope)
        try:
            await self._router(inner, receive, _with_headers(send, headers))
        except HTTPException as error:
            refused = routing_refusal(error, scope["method"], inner["path"])
            raise _answered(refused, headers) from None
        except AssayError as error:
            raise _answered(error, headers) from error
        finally:
            scope["route"] = inner.get("route")


def management_routes(management: Management) -> list[Route]:
    """Every address, with its methods."""
    return [
        Route(path, ArmEndpoint(management, operations), methods=list(operations))
        for path in dict.fromkeys(operation.path for operation in ARM_OPERATIONS)
        for operations in [{one.method: one for one in ARM_OPERATIONS if one.path == path}]
    ]


class ArmEndpoint:
    """One address, for each method that it answers."""

    __slots__ = ("_management", "_operations")

    def __init__(self, management: Management, operations: dict[str, ArmOperation]) -> None:
        self._management = management
        self._operations = operations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        # `HEAD` asks for what `GET` would answer.
        operation = self._operations.get(scope["method"]) or self._operations["GET"]
        authorizer, caller = self._management.authorizer, ANONYMOUS
        try:
            caller = await authorizer.identify(scope)
            authorizer.check_right(caller, operation.right, None)
            answer = await self._perform(operation, caller, scope, receive)
        except _REFUSALS as error:
            if operation.action:
                event = self._refusal(operation, caller, scope, error)
                await asyncio.to_thread(self._management.refusals.record, event)
            raise
        await _send_answer(answer, send)

    async def _perform(
        self, operation: ArmOperation, caller: Caller, scope: Scope, receive: Receive
    ) -> ArmAnswer:
        version = read_api_version(scope["query_string"], since=operation.since)
        parts = address_parts(scope, operation.path)
        body = b""
        if operation.has_body:
            check_json_content(scope)
            body = await read_body(receive)
        request = ArmRequest(
            parts=parts, version=version, body=body, author=request_author(caller, scope)
        )
        return await asyncio.to_thread(self._run, operation, request)

    def _run(self, operation: ArmOperation, request: ArmRequest) -> ArmAnswer:
        answer = operation.run(self._management.offer, request)
        if operation.action:
            # Whoever reads this answer may rely on it in their next request to this process.
            self._management.instances.refresh()
        return answer

    def _refusal(
        self, operation: ArmOperation, caller: Caller, scope: Scope, error: AssayError
    ) -> AuditEvent:
        author = request_author(caller, scope)
        return AuditEvent(
            at=self._management.refusals.now(),
            action=operation.action,
            outcome=AuditOutcome.REFUSED,
            actor_kind=author.kind,
            actor_name=author.name,
            actor_authority=author.authority,
            address=author.address,
            instance=self._named_instance(operation, scope),
            request=author.request,
            details={"check": error.findings[0].check} if error.findings else {},
        )

    def _named_instance(self, operation: ArmOperation, scope: Scope) -> str:
        """Only a name that there is: the rest of an address is anybody's text."""
        try:
            name = address_parts(scope, operation.path)["provider"]
        except RequestError:
            return ""
        entry = self._management.instances.named(name)
        return "" if entry is None else entry.name


async def _send_answer(answer: ArmAnswer, send: Send) -> None:
    body = b"" if answer.document is None else encode_json(answer.document)
    headers = [(b"content-length", str(len(body)).encode("ascii"))]
    if answer.document is not None:
        headers.append(JSON_CONTENT_TYPE)
    if answer.location:
        headers.append((b"location", answer.location.encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _first_part(scope: Scope) -> str:
    path: str = scope["path"]
    return path[1:].partition("/")[0].lower()


def _headers(scope: Scope) -> tuple[Header, ...]:
    """What every answer has here: no cache keeps it, and callers find it by their own names."""
    sent = {
        name: value
        for name, value in scope["headers"]
        if name in {_CLIENT_ID, _CORRELATION_ID} and _PRINTABLE.fullmatch(value)
    }
    sent.setdefault(_CORRELATION_ID, str(scope["request_id"]).encode("ascii"))
    return (*_EVERY_ANSWER, *sent.items())


def _with_headers(send: Send, headers: tuple[Header, ...]) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *headers]
        await send(message)

    return send_with_headers


def _answered(error: AssayError, headers: tuple[Header, ...]) -> AssayError:
    try:
        answer = arm_answer(error)
    except LookupError:
        # A defect, of which the outermost edge tells its caller nothing.
        return error
    return AnsweredError(replace(answer, more_headers=headers), error)
