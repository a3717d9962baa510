"""A load of prepared requests over kept connections; every answer is looked at."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.server import RunningServer

_ANSWER_SECONDS = 10


class BadAnswerError(Exception):
    """The server refused a request of the load: its rate would mean nothing."""


@dataclass(frozen=True, slots=True)
class Load:
    """What came of a load."""

    per_second: float
    p50_milliseconds: float
    p99_milliseconds: float


def run_load(
    server: RunningServer, requests: Sequence[bytes], *, connections: int, seconds: float
) -> Load:
    """Send `requests` in turn, over and over, and count the tokens that come back.

    Raises:
        BadAnswerError: An answer was not 200 with a token.
    """
    return asyncio.run(_run(server, itertools.cycle(requests), connections, seconds))


async def _run(
    server: RunningServer, requests: Iterator[bytes], connections: int, seconds: float
) -> Load:
    latencies: list[float] = []
    await asyncio.gather(*(_caller(server, requests, 0.5, []) for _ in range(connections)))
    start = time.perf_counter()
    await asyncio.gather(
        *(_caller(server, requests, seconds, latencies) for _ in range(connections))
    )
    elapsed = time.perf_counter() - start
    latencies.sort()
    return Load(
        per_second=len(latencies) / elapsed,
        p50_milliseconds=latencies[len(latencies) // 2] * 1000,
        p99_milliseconds=latencies[len(latencies) * 99 // 100] * 1000,
    )


async def _caller(
    server: RunningServer, requests: Iterator[bytes], seconds: float, latencies: list[float]
) -> None:
    reader, writer = await asyncio.open_connection(server.host, server.port)
    stop = time.perf_counter() + seconds
    while (start := time.perf_counter()) < stop:
        writer.write(next(requests))
        await asyncio.wait_for(_answer(reader), _ANSWER_SECONDS)
        latencies.append(time.perf_counter() - start)
    writer.close()


async def _answer(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    lowered = head.lower()
    length = int(lowered.partition(b"content-length:")[2].partition(b"\r\n")[0])
    body = await reader.readexactly(length)
    if not head.startswith(b"HTTP/1.1 200 ") or not body.startswith(b'{"token":"'):
        raise BadAnswerError((head + body)[:600].decode("utf-8", "replace"))
