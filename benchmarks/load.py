"""A load of prepared requests over kept connections; every answer is looked at.

It shares the machine with the server, so it is a bare protocol: what it spends, the server lacks.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import uvloop

from benchmarks.server import RunningServer

_ANSWER_SECONDS = 10
_WARM_UP_SECONDS = 0.5
_HEAD_END = b"\r\n\r\n"


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
        BadAnswerError: An answer was not 200 with a token, or did not come.
    """
    return uvloop.run(_run(server, itertools.cycle(requests), connections, seconds))


async def _run(
    server: RunningServer, requests: Iterator[bytes], connections: int, seconds: float
) -> Load:
    await _call(server, requests, connections, _WARM_UP_SECONDS)
    start = time.perf_counter()
    latencies = await _call(server, requests, connections, seconds)
    elapsed = time.perf_counter() - start
    latencies.sort()
    return Load(
        per_second=len(latencies) / elapsed,
        p50_milliseconds=latencies[len(latencies) // 2] * 1000,
        p99_milliseconds=latencies[len(latencies) * 99 // 100] * 1000,
    )


async def _call(
    server: RunningServer, requests: Iterator[bytes], connections: int, seconds: float
) -> list[float]:
    """The latencies of what `connections` callers get answered within `seconds`."""
    loop = asyncio.get_running_loop()
    stop = time.perf_counter() + seconds
    callers: list[_Caller] = []
    for _ in range(connections):
        _, caller = await loop.create_connection(
            lambda: _Caller(requests, stop, loop.create_future()), server.host, server.port
        )
        callers.append(caller)
    try:
        async with asyncio.timeout(seconds + _ANSWER_SECONDS):
            await asyncio.gather(*(caller.done for caller in callers))
    except TimeoutError as error:
        raise BadAnswerError(f"an answer took more than {_ANSWER_SECONDS} s") from error
    return [latency for caller in callers for latency in caller.latencies]


class _Caller(asyncio.Protocol):
    """One connection: a request, its answer, the next request."""

    def __init__(self, requests: Iterator[bytes], stop: float, done: asyncio.Future[None]) -> None:
        self.latencies: list[float] = []
        self.done = done
        self._requests = requests
        self._stop = stop
        self._answer = b""
        self._size = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Send the first request."""
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        """Take a part of an answer."""
        answer = self._answer = self._answer + data if self._answer else data
        if not self._size and _HEAD_END in answer:
            self._size = _size(answer)
        if self._size and len(answer) >= self._size:
            self._end(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note an answer that will not come."""
        if not self.done.done():
            self.done.set_exception(BadAnswerError(f"the connection was closed: {exc}"))

    def _send(self) -> None:
        self._answer, self._size = b"", 0
        self._sent = time.perf_counter()
        self._transport.write(next(self._requests))

    def _end(self, answer: bytes) -> None:
        now = time.perf_counter()
        self.latencies.append(now - self._sent)
        if not answer.startswith(b"HTTP/1.1 200 ") or b'\r\n\r\n{"token":"' not in answer:
            self.done.set_exception(BadAnswerError(answer[:600].decode("utf-8", "replace")))
        elif now < self._stop:
            self._send()
            return
        else:
            self.done.set_result(None)
        self._transport.close()


def _size(answer: bytes) -> int:
    """The size of an answer with its head, once that is there."""
    head, _, _ = answer.partition(_HEAD_END)
    length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
    return len(head) + len(_HEAD_END) + int(length)
