"""Running the server: one or several processes at one address, and a clean end.

With several workers the parent only supervises: it binds a socket for each, prepares what workers
rely on, starts them, replaces one that dies, and stops them all when it is told to stop.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import multiprocessing
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from threading import Thread
from types import FrameType
from typing import Final

import uvicorn
from prometheus_client.multiprocess import mark_process_dead

from assay.errors import SettingsError
from assay.server.addresses import is_loopback
from assay.server.app import create_app
from assay.server.assembly import open_services, prepare
from assay.server.auth.peer_certificate import client_certificate_context, identified_connection
from assay.server.settings import Settings
from assay.server.telemetry import (
    MULTIPROCESS_VARIABLE,
    ForwardedLog,
    Metrics,
    Telemetry,
    json_log,
)

_BACKLOG: Final = 2048
_MAX_REPLACEMENTS: Final = 10
"""Workers that die one after the other die for a reason that a new one will not cure."""

_YOUNG_OBJECTS: Final = 10_000
"""More than what a few hundred requests under way are made of."""

_WAIT_SECONDS: Final = 0.2
_STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


def serve(settings: Settings, *, announce: Callable[[str], None] = lambda _url: None) -> int:
    """Serve until SIGTERM or SIGINT; the exit code: 0, or 1 where workers kept dying.

    To be called from the main thread.

    Args:
        settings: As `load_settings` gives them.
        announce: Called with the address once it can be called; with port 0 this is how to know.

    Raises:
        SettingsError: The address cannot be had, or a setting names what is not there or not fit.
        StoreUnavailableError: The database cannot be used.
    """
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(listener) for listener in _bind(settings)]
        port: int = listeners[0].getsockname()[1]
        prepare(settings, port=port)
        _warn(settings, port)
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        announce(f"{settings.scheme}://{host}:{port}")
        if settings.workers == 1:
            _work(settings, listeners[0])
            return 0
        with _shared_metrics(settings):
            return _supervise(settings, listeners)


def _bind(settings: Settings) -> list[socket.socket]:
    """A socket for each worker, all at one address.

    The kernel spreads connections over them. At one socket for all, the worker that is awake takes
    whatever has come, and keeps it for as long as connections live.
    """
    first = open_listener(settings, settings.port)
    if settings.workers == 1:
        return [first]
    # Bound alone first: a socket that shares its address would join another server's unasked.
    port = first.getsockname()[1]
    first.close()
    return [open_listener(settings, port, shared=True) for _ in range(settings.workers)]


def open_listener(settings: Settings, port: int, *, shared: bool = False) -> socket.socket:
    """A socket that listens at the address of the settings; its owner closes it.

    Raises:
        SettingsError: The address cannot be had.
    """
    try:
        found = socket.getaddrinfo(
            settings.host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, kind, protocol, _, address = found[0]
        with contextlib.ExitStack() as unless_listening:
            listener = unless_listening.enter_context(socket.socket(family, kind, protocol))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if shared:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listener.bind(address)
            # Callers who come before the first worker wait instead of being turned away.
            listener.listen(_BACKLOG)
            unless_listening.pop_all()
    except OSError as error:
        raise SettingsError(
            f"cannot listen at {settings.host} port {settings.port}: {error.strerror}; stop what "
            "uses it, or set another host or port"
        ) from error
    return listener


def _warn(settings: Settings, port: int) -> None:
    log = json_log()
    if settings.dev:
        log.warning(
            "DEVELOPMENT MODE: nothing that this server signs means anything",
            simulator=settings.simulator is not None,
            verify_at=settings.verify_at is not None,
        )
    if settings.instance.public_url is None and not is_loopback(settings.host):
        log.warning(
            "instance.public_url is not set: tokens name an address that other machines cannot "
            "call",
            issuer=settings.issuer(port),
        )


def _work(settings: Settings, listener: socket.socket) -> None:
    """Serve in this process until it is told to stop."""
    log = json_log()
    metrics = Metrics() if settings.metrics else None
    telemetry = Telemetry(log, metrics=metrics, access_log=settings.access_log)
    services = open_services(settings, telemetry)
    limits, tls = settings.limits, settings.tls
    ca_file = settings.auth.client_certificates.ca_file
    config = uvicorn.Config(
        create_app(services),
        loop="uvloop",
        http=identified_connection(limits),
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=limits.idle_seconds,
        timeout_graceful_shutdown=limits.shutdown_seconds,
        ssl_certfile=tls.certificate,
        ssl_keyfile=tls.key,
        ssl_context_factory=None if ca_file is None else client_certificate_context(ca_file),
    )
    # uvicorn raises the signal again when it has shut down, for whoever was there before.
    with (
        _handled(lambda _signal, _frame: None),
        _forwarded(ForwardedLog(log)),
        _rarely_collected(),
    ):
        uvicorn.Server(config).run(sockets=[listener])


def _work_for_parent(settings: Settings, listener: socket.socket) -> None:
    """Serve as one of several; a parent that is gone is a reason to stop."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        Thread(target=_stop_after, args=(parent,), daemon=True).start()
    _work(settings, listener)


def _stop_after(parent: BaseProcess) -> None:
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def _supervise(settings: Settings, listeners: list[socket.socket]) -> int:
    stopping = False

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    # Workers start afresh: they inherit this environment, and no thread, lock or connection.
    context = multiprocessing.get_context("spawn")

    def start(listener: socket.socket) -> BaseProcess:
        worker = context.Process(target=_work_for_parent, args=(settings, listener))
        worker.start()
        return worker

    replacements = 0
    with _handled(stop):
        workers = [start(listener) for listener in listeners]
        while not stopping and replacements <= _MAX_REPLACEMENTS:
            for position, worker in enumerate(workers):
                worker.join(_WAIT_SECONDS / len(workers))
                if worker.exitcode is None or stopping:
                    continue
                json_log().error("worker died", pid=worker.pid, exit_code=worker.exitcode)
                _forget(worker)
                replacements += 1
                # Who waits at the dead one's socket is served by its successor.
                workers[position] = start(listeners[position])
        _stop(workers, seconds=settings.limits.shutdown_seconds + 5)
    return 0 if stopping else 1


def _stop(workers: list[BaseProcess], *, seconds: float) -> None:
    for worker in workers:
        worker.terminate()
    for worker in workers:
        worker.join(seconds)
        if worker.exitcode is None:
            worker.kill()
            worker.join()


def _forget(worker: BaseProcess) -> None:
    if MULTIPROCESS_VARIABLE in os.environ and worker.pid is not None:
        mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


@contextlib.contextmanager
def _handled(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    previous = {number: signal.signal(number, handler) for number in _STOP_SIGNALS}
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)


@contextlib.contextmanager
def _rarely_collected() -> Iterator[None]:
    """Spare callers the garbage collector, which would look at everything while they wait.

    What is there by now stays: looking at it once more takes 45 ms. Requests leave no garbage
    when they have been answered, so that there is no need to look at those under way.
    """
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


@contextlib.contextmanager
def _forwarded(handler: logging.Handler) -> Iterator[None]:
    logger = logging.getLogger("assay")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


@contextlib.contextmanager
def _shared_metrics(settings: Settings) -> Iterator[None]:
    """A directory in which workers share their numbers, where they are asked for."""
    if not settings.metrics:
        yield
        return
    folder = tempfile.mkdtemp(prefix="assay-metrics-")
    os.environ[MULTIPROCESS_VARIABLE] = folder
    try:
        yield
    finally:
        del os.environ[MULTIPROCESS_VARIABLE]
        shutil.rmtree(folder, ignore_errors=True)
