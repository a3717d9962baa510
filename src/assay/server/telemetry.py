"""What the service tells its operator: one log line a request, and numbers to watch.

No line and no label carries evidence, tokens or secrets. Every label has few values, whatever is
sent.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from typing import Any, BinaryIO, Final

import msgspec
import structlog
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector
from structlog.typing import FilteringBoundLogger

METRICS_CONTENT_TYPE: Final = CONTENT_TYPE_LATEST.encode("ascii")
MULTIPROCESS_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
"""Names the directory that workers share their numbers in."""

_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 20.0)


class ServedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request as it ended."""

    request_id: str
    method: str
    path: str
    """As it was asked for, shortened."""

    route: str
    """The route's pattern, or `other`: one of a few."""

    status: int
    code: str
    """The error's code, or `OK`: one of a few."""

    seconds: float
    client: str
    reason: str = ""
    """The error's sentence."""

    checks: tuple[str, ...] = ()
    """Codes of the failed checks."""


class Metrics:
    """The service's numbers, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "assay_requests",
            "Requests by route, status and error code",
            ("route", "status", "code"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "assay_request_seconds",
            "Time from a request's headers to the end of its answer",
            ("route",),
            buckets=_SECONDS,
            registry=self._registry,
        )

    def count(self, request: ServedRequest) -> None:
        """Count one request."""
        self._requests.labels(request.route, request.status, request.code).inc()
        self._seconds.labels(request.route).observe(request.seconds)

    def render(self) -> bytes:
        """All numbers, of all workers, as Prometheus reads them."""
        if MULTIPROCESS_VARIABLE not in os.environ:
            return generate_latest(self._registry)
        shared = CollectorRegistry()
        MultiProcessCollector(shared)  # type: ignore[no-untyped-call]
        return generate_latest(shared)


class Telemetry:
    """Where requests are reported to."""

    def __init__(
        self, log: FilteringBoundLogger, *, metrics: Metrics | None, access_log: bool
    ) -> None:
        self.log = log
        self.metrics = metrics
        self._access_log = access_log

    def served(self, request: ServedRequest) -> None:
        """Report a request that has been answered."""
        if self.metrics is not None:
            self.metrics.count(request)
        if not self._access_log:
            return
        fields: dict[str, Any] = {
            "request_id": request.request_id,
            "method": request.method,
            "path": request.path,
            "status": request.status,
            "code": request.code,
            "milliseconds": round(request.seconds * 1000, 3),
            "client": request.client,
        }
        if request.reason:
            fields |= {"reason": request.reason, "checks": request.checks}
        self.log.info("request", **fields)


def json_log(stream: BinaryIO | None = None) -> FilteringBoundLogger:
    """A log of one JSON object a line, to `stream` or standard error."""
    logger: FilteringBoundLogger = structlog.wrap_logger(
        structlog.BytesLogger(_LastingStream(stream or sys.stderr.buffer)),  # type: ignore[arg-type]
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=_serialize),
        ],
        wrapper_class=structlog.make_filtering_bound_logger("INFO"),
        cache_logger_on_first_use=True,
    )
    return logger


class _LastingStream:
    """A stream of which a line may be lost: a full disk is no reason to fail a request."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            self._stream.write(data)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()


class ForwardedLog(logging.Handler):
    """Brings what other modules log by the standard library into the service's log."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Log one record."""
        self._log.log(record.levelno, record.getMessage(), logger=record.name)


def _serialize(event: Any, **_options: Any) -> bytes:  # noqa: ANN401  structlog's interface
    return msgspec.json.encode(event)
