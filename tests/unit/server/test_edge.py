from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assay.errors import AssayError
from assay.server.answers import send_body
from assay.server.edge import Edge
from tests.serving import Log, call, make_telemetry

_TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
_MADE = re.compile(r"00-[0-9a-f]{32}-0000000000000000-00")


async def _answer(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send_body(send, b"{}")


def _edge(app: ASGIApp = _answer) -> tuple[Edge, Log]:
    telemetry, log = make_telemetry()
    return Edge(app, telemetry), log


def test_the_caller_s_trace_is_the_request_id() -> None:
    answer = call(_edge()[0], "GET", "/", headers={"traceparent": _TRACEPARENT})

    assert answer.headers["x-ms-request-id"] == _TRACEPARENT


@pytest.mark.parametrize("headers", [{}, {"traceparent": "x" * 129}, {"traceparent": ""}])
def test_a_request_without_a_trace_gets_an_id(headers: dict[str, str]) -> None:
    answer = call(_edge()[0], "GET", "/", headers=headers)

    assert _MADE.fullmatch(answer.headers["x-ms-request-id"])


def test_every_answer_names_the_service_version() -> None:
    assert call(_edge()[0], "GET", "/").headers["x-ms-maa-service-version"]


def test_the_log_cannot_be_forged_by_a_path() -> None:
    edge, log = _edge()

    call(edge, "GET", '/%0A{"event":"forged"}' + "x" * 1000)

    [line] = log.lines
    assert line["event"] == "request"
    assert len(line["path"]) == 200


def test_an_error_that_no_request_causes_is_a_defect() -> None:
    async def broken(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise AssayError("SECRET")

    edge, log = _edge(broken)
    answer = call(edge, "GET", "/")

    assert answer.status_code == 500
    assert [line["event"] for line in log.lines] == ["defect", "request"]
    assert b"SECRET" not in log.stream.getvalue()


def test_a_failure_after_the_answer_has_begun_sends_no_second_one() -> None:
    async def half(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ValueError

    edge, log = _edge(half)
    sent: list[Any] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError("nothing is received here")

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    asyncio.run(edge(scope, receive, send))

    assert [message["type"] for message in sent] == ["http.response.start"]
    assert [line["event"] for line in log.lines] == ["defect", "request"]
