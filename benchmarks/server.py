"""A server in its own processes, as `assay serve` starts it."""

from __future__ import annotations

import contextlib
import http.client
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

_STOP_SECONDS = 20
_QUESTIONS = 16
"""Connections for each worker before a load: the kernel spreads them, so that none is left out."""


class NotReadyError(Exception):
    """The server cannot serve: what a load would measure means nothing."""


@dataclass(frozen=True, slots=True)
class RunningServer:
    """Its address, its processes, and how long it took to answer."""

    host: str
    port: int
    pid: int
    start_seconds: float

    def memory_per_worker(self) -> float:
        """Resident memory of its largest process, MiB."""
        return max(_resident(pid) for pid in (self.pid, *_children(self.pid)))


@contextlib.contextmanager
def running_server(
    data: Path,
    platform: Path,
    *,
    workers: int = 1,
    algorithm: str = "ES256",
    database: str | None = None,
) -> Iterator[RunningServer]:
    """Start a server on a free port with its data in a folder, and stop it.

    Raises:
        NotReadyError: It has started, and cannot serve.
    """
    environment = os.environ | {
        "ASSAY_INSTANCE_TOKEN_ALGORITHM": algorithm,
        "ASSAY_DATA_DIR": str(data),
        "ASSAY_ACCESS_LOG": "false",
    }
    if database is not None:
        environment["ASSAY_DATABASE"] = database
        environment["ASSAY_INSTANCE_PUBLIC_URL"] = "https://attest.example"
    command = [sys.executable, "-m", "assay", "serve", "--dev", "--port", "0"]
    command += ["--workers", str(workers), "--simulator", str(platform)]
    started = time.perf_counter()
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            address = urlsplit(next(word for word in line.split() if "://" in word))
            host, port = address.hostname or "127.0.0.1", address.port or 0
            for _ in range(_QUESTIONS * workers):
                _ask(host, port)
            yield RunningServer(
                host=host,
                port=port,
                pid=process.pid,
                start_seconds=time.perf_counter() - started,
            )
        finally:
            process.terminate()
            process.wait(timeout=_STOP_SECONDS)


def _ask(host: str, port: int) -> None:
    """Wait until the worker that this connection comes to is there.

    Raises:
        NotReadyError: It is, and says that it cannot serve.
    """
    connection = http.client.HTTPConnection(host, port, timeout=_STOP_SECONDS)
    with contextlib.closing(connection):
        connection.request("GET", "/health/ready")
        answer = connection.getresponse()
        state = answer.read()
    if answer.status != HTTPStatus.OK:
        raise NotReadyError(f"the server is not ready: {state[:600].decode('utf-8', 'replace')}")


def _resident(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def _children(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text(encoding="ascii").split():
            yield int(child)
            yield from _children(int(child))
