"""A server whose connections have small limits, and what is said to it byte by byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from assay.server.answers import send_body
from assay.server.auth.peer_certificate import identified_connection
from assay.server.edge import Edge
from assay.server.limits import Limits
from assay.server.maa.attest import read_body
from assay.server.settings import LimitSettings
from tests.serving import make_telemetry

LIMITS = LimitSettings(
    header_bytes=1024, header_seconds=0.3, body_seconds=0.3, idle_seconds=1, connections=3
)
GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


async def echo_length(_scope: Scope, receive: Receive, send: Send) -> None:
    body = await read_body(receive)
    await send_body(send, b'{"length":%d}' % len(body))


@asynccontextmanager
async def server(app: ASGIApp = echo_length) -> AsyncIterator[int]:
    config = uvicorn.Config(
        Edge(Limits(app, LIMITS), make_telemetry()[0]),
        port=0,
        http=identified_connection(LIMITS),
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        timeout_keep_alive=LIMITS.idle_seconds,
        timeout_graceful_shutdown=1,
    )
    running = uvicorn.Server(config)
    task = asyncio.create_task(running.serve())
    while not running.started:  # noqa: ASYNC110  uvicorn has no event for it
        await asyncio.sleep(0.01)
    yield running.servers[0].sockets[0].getsockname()[1]
    running.should_exit = True
    await task


async def talk(port: int, *parts: bytes, pause_seconds: float = 0.02) -> bytes:
    """Everything that comes back until the server hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    received = bytearray()

    async def read() -> None:
        with suppress(ConnectionError):
            while part := await reader.read(65536):
                received.extend(part)

    reading = asyncio.create_task(read())
    for part in parts:
        if reading.done():
            break
        writer.write(part)
        await asyncio.sleep(pause_seconds)
    await asyncio.wait_for(reading, timeout=10)
    writer.close()
    return bytes(received)


def answers(*parts: bytes, app: ASGIApp = echo_length, pause_seconds: float = 0.02) -> bytes:
    async def run() -> bytes:
        async with server(app) as port:
            return await talk(port, *parts, pause_seconds=pause_seconds)

    return asyncio.run(run())
