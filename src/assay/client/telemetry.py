"""What others see of a call: correlation headers, log lines, and spans where OpenTelemetry is.

Logged are names, addresses, statuses, times and identifiers, never a header's value, a body or a
query: evidence and tokens do not belong into logs.
"""

from __future__ import annotations

import logging
import secrets
import time
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Final

from assay.client.call import Call
from assay.client.endpoint import Endpoint
from assay.client.errors import AttestationError
from assay.client.http import HttpResponse

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

LOGGER: Final = logging.getLogger("assay.client")


@dataclass(slots=True)
class Observation:
    """One call while it runs."""

    call: Call
    headers: dict[str, str]
    """The same for each attempt, so that the service's log has them under one name."""

    span: Span | None
    attempts: int = 0
    status: int | None = None
    started: float = field(default_factory=time.monotonic)

    @property
    def request_id(self) -> str:
        """What the client calls the request."""
        return self.headers["x-ms-client-request-id"]

    def attempt(self) -> None:
        """Another one begins."""
        self.attempts += 1
        if self.attempts > 1:
            LOGGER.info(
                "%s: attempt %d, request %s", self.call.name, self.attempts, self.request_id
            )

    def answered(self, response: HttpResponse) -> None:
        """An answer came."""
        self.status = response.status


@contextmanager
def observed(call: Call, endpoint: Endpoint) -> Iterator[Observation]:
    """Observe a call, and complete the errors that it ends with."""
    with _span(call, endpoint) as span:
        observation = Observation(call=call, headers=_correlation(span), span=span)
        try:
            yield observation
        except AttestationError as error:
            error.request_id = error.request_id or observation.request_id
            _finish(observation, endpoint, type(error).__name__)
            raise
        _finish(observation, endpoint, None)


def _finish(observation: Observation, endpoint: Endpoint, failure: str | None) -> None:
    LOGGER.log(
        logging.DEBUG if failure is None else logging.INFO,
        "%s at %s: %s, status %s after %d ms, request %s",
        observation.call.name,
        endpoint.url,
        failure or "done",
        observation.status,
        (time.monotonic() - observation.started) * 1000,
        observation.request_id,
    )
    span = observation.span
    if span is not None:
        if observation.status is not None:
            span.set_attribute("http.response.status_code", observation.status)
        if observation.attempts > 1:
            span.set_attribute("http.request.resend_count", observation.attempts - 1)
        if failure is not None:
            from opentelemetry.trace import StatusCode

            span.set_attribute("error.type", failure)
            span.set_status(StatusCode.ERROR)


def _correlation(span: Span | None) -> dict[str, str]:
    headers = {"x-ms-client-request-id": str(uuid.uuid4())}
    if span is not None:
        from opentelemetry import propagate

        propagate.inject(headers)
    if "traceparent" not in headers:
        # W3C Trace Context, section 3.2: a trace of its own, which nobody samples.
        headers["traceparent"] = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"
    return headers


def _span(call: Call, endpoint: Endpoint) -> AbstractContextManager[Span | None]:
    tracer = _tracer()
    if tracer is None:
        return nullcontext()
    from opentelemetry.trace import SpanKind

    return tracer.start_as_current_span(
        call.name,
        kind=SpanKind.CLIENT,
        attributes={
            "http.request.method": call.method,
            "url.full": endpoint.url + call.path,
            "server.address": endpoint.host,
            "server.port": endpoint.port,
        },
        # Messages of errors hold what evidence says; their type is enough.
        record_exception=False,
        set_status_on_exception=False,
    )


@cache
def _tracer() -> Tracer | None:
    try:
        from opentelemetry import trace
    except ImportError:
        return None
    return trace.get_tracer("assay.client")
