"""A server in a process of its own, for as long as a block of code runs."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Final

from assay.client import TransportError

_START_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 10.0
_SHOWN_LOG: Final = 3
_ENDING_SIGNALS: Final = (signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def running_server(
    options: Sequence[str],
    *,
    folder: Path,
    command: Sequence[str] = ("serve",),
    start_seconds: float = _START_SECONDS,
) -> Iterator[str]:
    """Run `assay serve` or another server with its data in `folder`; the block gets the address.

    The server ends with the block, however that ends.

    Raises:
        TransportError: The server does not start.
    """
    log = folder / f"{'-'.join(command)}.log"
    with _ended_by_signals(), log.open("wb") as errors:
        process = subprocess.Popen(  # noqa: S603  this program itself
            [
                sys.executable,
                "-m",
                "assay",
                *command,
                "--host",
                "127.0.0.1",
                "--port",
                "0",
                *options,
            ],
            env=_environment(os.environ, folder),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        try:
            yield _address(process, log, time.monotonic() + start_seconds)
        finally:
            _stop(process)


def _environment(environment: Mapping[str, str], folder: Path) -> dict[str, str]:
    # Settings of the user's own server have no place in this one.
    own = {name: value for name, value in environment.items() if not name.startswith("ASSAY_")}
    return {**own, "ASSAY_DATA_DIR": str(folder)}


def _address(process: subprocess.Popen[bytes], log: Path, deadline: float) -> str:
    assert process.stdout is not None  # noqa: S101  it is a pipe
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        ready = selector.select(max(0.0, deadline - time.monotonic()))
    line = process.stdout.readline().decode() if ready else ""
    if "://" not in line:
        said = log.read_text(errors="replace").splitlines()[-_SHOWN_LOG:]
        raise TransportError("\n".join(("the server did not start; its log ends with:", *said)))
    return line.split()[-1]


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    finally:
        if process.stdout is not None:
            process.stdout.close()


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Turn signals that would end the process on the spot into an exception, to clean up."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    previous: dict[signal.Signals, Callable[[int, FrameType | None], object] | int | None] = {
        number: signal.signal(number, end) for number in _ENDING_SIGNALS
    }
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)
