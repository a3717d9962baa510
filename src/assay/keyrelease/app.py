"""The broker over HTTP; needs the extra `server`."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from assay.encoding import encode_json
from assay.errors import (
    AssayError,
    CollateralUnavailableError,
    IssuerUnavailableError,
    ReleaseRefusedError,
    RequestError,
    SettingsError,
    StoreUnavailableError,
    TokenError,
)
from assay.keyrelease.broker import Broker
from assay.keyrelease.context import ReleaseContext
from assay.keyrelease.protocol import (
    MAX_BODY_BYTES,
    ChallengeAnswer,
    ChallengeRequest,
    ReleaseAnswer,
    ReleaseRequest,
    read_message,
)

_LOG: Final = logging.getLogger(__name__)
_BUSY: Final = "keyrelease.challenge.busy"

_STATUSES: Final[tuple[tuple[type[AssayError], HTTPStatus, str], ...]] = (
    (RequestError, HTTPStatus.BAD_REQUEST, "the request is malformed"),
    (TokenError, HTTPStatus.FORBIDDEN, "the token is not accepted"),
    (ReleaseRefusedError, HTTPStatus.FORBIDDEN, "the secret is not released"),
    (IssuerUnavailableError, HTTPStatus.SERVICE_UNAVAILABLE, "try again later"),
    (CollateralUnavailableError, HTTPStatus.SERVICE_UNAVAILABLE, "try again later"),
    (StoreUnavailableError, HTTPStatus.SERVICE_UNAVAILABLE, "try again later"),
    (SettingsError, HTTPStatus.INTERNAL_SERVER_ERROR, "the broker's operator must act"),
)
"""What callers are told: codes of findings, and a sentence that says nothing else."""


def broker_app(broker: Broker) -> Starlette:
    """The application, which closes the broker at its end."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await broker.close()

    async def challenge(request: Request) -> msgspec.Struct:
        asked = read_message(await _body(request), ChallengeRequest)
        context, until = broker.challenge(asked.secret, asked.requester)
        return ChallengeAnswer(nonce=context.nonce, expires=int(until.timestamp()))

    async def release(request: Request) -> msgspec.Struct:
        asked = read_message(await _body(request), ReleaseRequest)
        context = ReleaseContext(secret=asked.secret, requester=asked.requester, nonce=asked.nonce)
        address = request.client.host if request.client else ""
        return ReleaseAnswer(envelope=await broker.release(context, asked.token, address=address))

    return Starlette(
        routes=[
            Route("/challenge", _answered(challenge), methods=["POST"]),
            Route("/release", _answered(release), methods=["POST"]),
        ],
        lifespan=lifespan,
    )


def _answered(
    handle: Callable[[Request], Awaitable[msgspec.Struct]],
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            return _json(HTTPStatus.OK, msgspec.json.encode(await handle(request)))
        except AssayError as error:
            return _refusal(error)

    return endpoint


def _refusal(error: AssayError) -> Response:
    reasons = "; ".join(map(str, error.findings)) or error.message
    _LOG.warning("key release refused: %s", reasons)
    codes = [finding.check for finding in error.findings]
    for kind, status, message in _STATUSES:
        if isinstance(error, kind):
            if _BUSY in codes:
                status = HTTPStatus.SERVICE_UNAVAILABLE  # noqa: PLW2901  the exception to it
            body = encode_json({"error": {"message": message, "findings": [*codes]}})
            return _json(status, body)
    raise error


def _json(status: HTTPStatus, body: bytes) -> Response:
    headers = {"Cache-Control": "no-store"}
    return Response(body, status, media_type="application/json", headers=headers)


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise RequestError(f"body: need at most {MAX_BODY_BYTES} bytes, got more")
    return bytes(body)
