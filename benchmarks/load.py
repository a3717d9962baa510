"""A load of prepared requests over kept connections; every answer is looked at.

It shares the machine with the server, so it is bare sockets and nothing else: what it spends, the
server lacks.
"""

from __future__ import annotations

import itertools
import select
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.server import RunningServer

_ANSWER_SECONDS = 10
_WARM_UP_SECONDS = 0.5
_STRETCHES = 5
_BATCH_SECONDS = 0.002
_HEAD_END = b"\r\n\r\n"
_PART_BYTES = 65536


class BadAnswerError(Exception):
    """The server refused a request of the load: its rate would mean nothing."""


@dataclass(frozen=True, slots=True)
class Load:
    """What came of a load."""

    per_second: float
    """In the best of five stretches, as floors are measured."""

    p50_milliseconds: float
    p99_milliseconds: float
    own_microseconds: float
    """Of a core's time that the load itself took for one request."""


def run_load(
    server: RunningServer, requests: Sequence[bytes], *, connections: int, seconds: float
) -> Load:
    """Send `requests` in turn, over and over, and count the tokens that come back.

    Raises:
        BadAnswerError: An answer was not 200 with a token, or did not come.
    """
    turns = itertools.cycle(requests)
    _call(server, turns, connections, _WARM_UP_SECONDS)
    stretches = []
    latencies: list[float] = []
    own = time.process_time()
    for _ in range(_STRETCHES):
        start = time.perf_counter()
        answered = _call(server, turns, connections, seconds / _STRETCHES)
        stretches.append(len(answered) / (time.perf_counter() - start))
        latencies += answered
    own = time.process_time() - own
    latencies.sort()
    return Load(
        per_second=max(stretches),
        p50_milliseconds=latencies[len(latencies) // 2] * 1000,
        p99_milliseconds=latencies[len(latencies) * 99 // 100] * 1000,
        own_microseconds=own / len(latencies) * 1e6,
    )


def _call(
    server: RunningServer, requests: Iterator[bytes], connections: int, seconds: float
) -> list[float]:
    """The latencies of what `connections` callers get answered within `seconds`."""
    stop = time.perf_counter() + seconds
    callers: dict[int, _Caller] = {}
    with select.epoll() as poll:
        for _ in range(connections):
            caller = _Caller(server, requests)
            callers[caller.number] = caller
            poll.register(caller.number, select.EPOLLIN)
            caller.ask()
        waiting = connections
        while waiting:
            # Answers are taken in batches, as from a network: waking this process for each one is a
            # cost that the server would pay.
            time.sleep(_BATCH_SECONDS)
            ready = poll.poll(_ANSWER_SECONDS)
            if not ready:
                raise BadAnswerError(f"no answer within {_ANSWER_SECONDS} s")
            for number, _ in ready:
                answered_at = callers[number].hear()
                if answered_at is None:
                    continue
                if answered_at < stop:
                    callers[number].ask()
                else:
                    waiting -= 1
    return [latency for caller in callers.values() for latency in caller.end()]


class _Caller:
    """One connection: a request, its answer, the next request."""

    def __init__(self, server: RunningServer, requests: Iterator[bytes]) -> None:
        self._socket = socket.create_connection((server.host, server.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._requests = requests
        self._latencies: list[float] = []
        self._answer = b""
        self._asked_at = 0.0
        self.number = self._socket.fileno()

    def ask(self) -> None:
        """Send the next request."""
        self._answer = b""
        self._asked_at = time.perf_counter()
        self._socket.sendall(next(self._requests))

    def hear(self) -> float | None:
        """Take what has come; when the answer became whole, if it did."""
        part = self._socket.recv(_PART_BYTES)
        answer = self._answer = self._answer + part if self._answer else part
        if not part:
            raise BadAnswerError("the server has closed the connection")
        if len(answer) < _size(answer):
            return None
        if not answer.startswith(b"HTTP/1.1 200 ") or b'\r\n\r\n{"token":"' not in answer:
            raise BadAnswerError(answer[:600].decode("utf-8", "replace"))
        now = time.perf_counter()
        self._latencies.append(now - self._asked_at)
        return now

    def end(self) -> list[float]:
        """Hang up; the latencies of all answers."""
        self._socket.close()
        return self._latencies


def _size(answer: bytes) -> int:
    """The size of an answer with its head, or more than there is as long as that is not known."""
    end = answer.find(_HEAD_END)
    if end < 0:
        return len(answer) + 1
    _, _, length = answer[:end].lower().partition(b"content-length:")
    return end + len(_HEAD_END) + int(length.partition(b"\r\n")[0])
