"""The ASGI middleware and the FastAPI dependency, in real applications of this process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

import pytest
from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message

from assay.errors import CollateralUnavailableError
from assay.relying_party import VerifiedToken, require
from assay.relying_party.aio import AsyncTokenVerifier
from assay.relying_party.asgi import AttestationMiddleware
from assay.relying_party.fastapi import attestation
from tests.attestation_tokens import ISSUER, AsyncKeys, key_set, service_key, token
from tests.conftest import AT
from tests.serving import call

_BAD: Final = [
    [],
    [("authorization", "")],
    [("authorization", "Bearer")],
    [("authorization", "Bearer ")],
    [("authorization", "Basic eA==")],
    [("authorization", token())],
    [("authorization", f"Bearer {token()}"), ("authorization", f"Bearer {token()}")],
]


def _verifier(**options: Any) -> AsyncTokenVerifier:  # noqa: ANN401  of the verifier
    chosen: dict[str, Any] = {"keys": key_set(), "now": lambda: AT, **options}
    return AsyncTokenVerifier(ISSUER, require(svn__ge=3), **chosen)


async def _secret(request: Request) -> JSONResponse:
    return JSONResponse({"svn": request.state.attestation.claims["x-ms-sgx-svn"]})


async def _health(_request: Request) -> JSONResponse:
    return JSONResponse({})


def _starlette(verifier: AsyncTokenVerifier) -> ASGIApp:
    inner = Starlette(routes=[Route("/secret", _secret), Route("/health", _health)])
    return AttestationMiddleware(inner, verifier, is_open=lambda path: path == "/health")


def _fastapi(verifier: AsyncTokenVerifier) -> ASGIApp:
    app = FastAPI()
    dependency: Any = Depends(attestation(verifier))

    @app.get("/secret")
    async def secret(attested: VerifiedToken = dependency) -> dict[str, Any]:
        return {"svn": attested.claims["x-ms-sgx-svn"]}

    @app.get("/health")
    async def health() -> dict[str, Any]:
        return {}

    return app


@pytest.fixture(params=[_starlette, _fastapi], ids=["middleware", "dependency"])
def make(request: pytest.FixtureRequest) -> Callable[[AsyncTokenVerifier], ASGIApp]:
    chosen: Callable[[AsyncTokenVerifier], ASGIApp] = request.param
    return chosen


Make = Callable[[AsyncTokenVerifier], ASGIApp]


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_a_good_token_reaches_the_application(make: Make, scheme: str) -> None:
    answer = call(
        make(_verifier()), "GET", "/secret", headers={"authorization": f"{scheme} {token()}"}
    )

    assert (answer.status_code, answer.json()) == (200, {"svn": 3})


@pytest.mark.parametrize("headers", _BAD)
def test_a_request_without_exactly_one_token_is_asked_for_it(
    make: Make, headers: list[tuple[str, str]]
) -> None:
    answer = call(make(_verifier()), "GET", "/secret", headers=headers)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_bad_token_is_refused_and_the_reason_logged(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    bad = token(x_ms_sgx_svn=1)

    with caplog.at_level(logging.WARNING):
        answer = call(
            make(_verifier()), "GET", "/secret", headers={"authorization": f"Bearer {bad}"}
        )

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert "at least 3" not in answer.text
    assert "x-ms-sgx-svn at least 3" in caplog.text
    assert bad not in caplog.text


@pytest.mark.parametrize("what", ["keys", "collateral"])
def test_a_token_that_cannot_be_judged_now_may_come_again(make: Make, what: str) -> None:
    class Signer:
        def check(self, _key: object, *, at: object) -> None:
            raise CollateralUnavailableError(f"nothing for {at}")

    source = AsyncKeys(service_key())
    source.source.fails = True
    verifier = _verifier(keys=source) if what == "keys" else _verifier(signer=Signer())

    answer = call(make(verifier), "GET", "/secret", headers={"authorization": f"Bearer {token()}"})

    assert answer.status_code == 503
    assert "www-authenticate" not in answer.headers


def test_a_path_may_be_open(make: Make) -> None:
    assert call(make(_verifier()), "GET", "/health").status_code == 200


def test_the_middleware_tells_callers_codes_and_nothing_else() -> None:
    answer = call(
        _starlette(_verifier()),
        "GET",
        "/secret",
        headers={"authorization": f"Bearer {token(x_ms_sgx_svn=1)}"},
    )

    assert answer.json() == {
        "error": {
            "message": "the attestation token is not accepted",
            "findings": ["token.claims.requirement"],
        }
    }
    assert answer.headers["cache-control"] == "no-store"


def _socket(*headers: tuple[bytes, bytes]) -> tuple[list[Message], list[str]]:
    """What a WebSocket is told, and what of it reaches the application."""
    sent: list[Message] = []
    reached: list[str] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:  # noqa: ANN401  ASGI's
        reached.append(scope["type"])

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:  # noqa: ANN401  as above
        sent.append(message)

    scope = {"type": "websocket", "path": "/secret", "headers": list(headers)}
    asyncio.run(AttestationMiddleware(app, _verifier())(scope, receive, send))
    return sent, reached


def test_a_websocket_needs_a_token_too() -> None:
    good = (b"authorization", f"Bearer {token()}".encode())

    assert _socket(good) == ([], ["websocket"])
    assert _socket() == ([{"type": "websocket.close", "code": 1008}], [])


def test_what_is_no_request_passes() -> None:
    reached: list[str] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:  # noqa: ANN401  ASGI's
        reached.append(scope["type"])

    async def nothing(*_: Any) -> Any:  # noqa: ANN401  as above
        raise AssertionError("not called")

    asyncio.run(AttestationMiddleware(app, _verifier())({"type": "lifespan"}, nothing, nothing))

    assert reached == ["lifespan"]
