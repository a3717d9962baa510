from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator
from typing import Final

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from assay.client import AttestationData, ClientOptions, RetryPolicy, ServiceError, telemetry
from assay.client.testing import FakeService, refusal
from tests.clients import Clients

_QUICK: Final = ClientOptions(retry=RetryPolicy(first_wait_seconds=0))


@pytest.fixture(scope="module")
def exporter() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    yield exporter
    # A process has one provider for good; from here on it keeps nothing.
    provider.shutdown()


@pytest.fixture(autouse=True)
def no_spans(exporter: InMemorySpanExporter) -> Iterator[None]:
    exporter.clear()
    yield
    exporter.clear()


def test_a_call_is_a_span_and_its_context_is_sent(
    clients: Clients, service: FakeService, exporter: InMemorySpanExporter
) -> None:
    client = clients.attestation(service.url, transport=clients.transport(service), options=_QUICK)
    service.answer_next(refusal(503))

    client.get_openid_metadata()

    [span] = exporter.get_finished_spans()
    assert (span.name, span.kind) == ("get OpenID metadata", SpanKind.CLIENT)
    assert dict(span.attributes or {}) == {
        "http.request.method": "GET",
        "url.full": f"{service.url}/.well-known/openid-configuration",
        "server.address": "fake.attest.test",
        "server.port": 443,
        "http.response.status_code": 200,
        "http.request.resend_count": 1,
    }
    assert span.context is not None
    [trace_parent] = {one.headers["traceparent"] for one in service.requests}
    identifiers = f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-"
    assert trace_parent.startswith(identifiers)


def test_a_failed_call_is_a_span_with_the_kind_of_failure(
    clients: Clients, service: FakeService, exporter: InMemorySpanExporter
) -> None:
    client = clients.attestation(service.url, transport=clients.transport(service))
    service.answer_next(refusal(400, "X", "a secret"))

    with pytest.raises(ServiceError):
        client.get_openid_metadata()

    [span] = exporter.get_finished_spans()
    assert span.attributes is not None
    assert span.attributes["error.type"] == "ServiceError"
    assert span.status.status_code is StatusCode.ERROR
    assert "a secret" not in span.to_json()


@pytest.fixture
def uninstalled(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine without OpenTelemetry."""
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    telemetry._tracer.cache_clear()  # noqa: SLF001  asked once in a process
    yield
    telemetry._tracer.cache_clear()  # noqa: SLF001


@pytest.mark.usefixtures("uninstalled")
def test_without_opentelemetry_a_trace_of_its_own_is_sent(
    clients: Clients, service: FakeService
) -> None:
    client = clients.attestation(service.url, transport=clients.transport(service))
    service.answer_next(refusal(400))

    with pytest.raises(ServiceError):
        client.get_openid_metadata()

    [request] = service.requests
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-00", request.headers["traceparent"])


def test_logs_have_no_secrets(
    clients: Clients, service: FakeService, caplog: pytest.LogCaptureFixture
) -> None:
    client = clients.attestation(
        service.url,
        clients.static_token("t0ken"),
        transport=clients.transport(service),
        options=_QUICK,
    )
    service.answer_next(refusal(503, "Busy", "m3ssage"))

    with caplog.at_level(logging.DEBUG):
        client.attest_sgx_enclave(b"qu0te", runtime_data=AttestationData.json('{"s": "h3ld"}'))

    [first, *_] = service.requests
    assert first.headers["x-ms-client-request-id"] in caplog.text
    assert "attest SgxEnclave" in caplog.text
    assert "attempt 2" in caplog.text
    for secret in ("t0ken", "cXUwdGU", "h3ld", "m3ssage", "eyJ"):
        assert secret not in caplog.text


def test_an_error_of_the_program_itself_goes_through_as_it_is(
    clients: Clients, service: FakeService, exporter: InMemorySpanExporter
) -> None:
    client = clients.attestation(service.url, transport=clients.transport(service))
    service.answer_next(LookupError("a defect"))

    with pytest.raises(LookupError):
        client.get_openid_metadata()

    assert len(exporter.get_finished_spans()) == 1
