"""An event loop whose time passes only when it would sleep, and then at once."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from datetime import datetime, timedelta
from typing import Any, TypeVar, TypeVarTuple, Unpack

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")
_POLL_SECONDS = 0.01


class _Selector(selectors.DefaultSelector):
    elapsed = 0.0
    threads = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or self.threads:
            # Threads do not know virtual time: it stands still while one is at work.
            return super().select(_POLL_SECONDS if self.threads else None)
        events = super().select(0)
        if not events:
            self.elapsed += timeout
        return events


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.elapsed

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[_Ts]], _T], *args: *_Ts
    ) -> asyncio.Future[_T]:
        future = super().run_in_executor(executor, func, *args)
        self._virtual.threads += 1
        future.add_done_callback(self._thread_ended)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ARG002, ASYNC109  the signature of later Pythons
        self._virtual.threads += 1
        await super().shutdown_default_executor()

    def _thread_ended(self, _future: asyncio.Future[Any]) -> None:
        self._virtual.threads -= 1


def run(main: Coroutine[Any, Any, _T]) -> _T:
    """The result of `main` in virtual time, which begins at 0."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)


def elapsed() -> float:
    """Seconds of virtual time."""
    return asyncio.get_running_loop().time()


def clock_from(start: datetime) -> Callable[[], datetime]:
    """A clock that shows `start` at the beginning of the virtual time."""
    return lambda: start + timedelta(seconds=elapsed())
