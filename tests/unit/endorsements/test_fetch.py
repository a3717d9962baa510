from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx2
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.responses import Response

from assay.endorsements.fetch import (
    DocumentFetcher,
    DocumentRequest,
    FetchLimits,
    ServedDocument,
    read_retry_after,
)
from assay.endorsements.http_client import open_http_client
from assay.errors import CollateralUnavailableError, SettingsError
from tests.conftest import AT
from tests.servers.loopback import loopback, raw_server
from tests.servers.recorder import Recorder
from tests.servers.tls import tls_identity
from tests.servers.virtual_time import clock_from, elapsed, run

REQUEST = DocumentRequest(url="https://pcs.example/a/document", query=(("fmspc", "00"),))


def ok() -> Response:
    return Response(b"a document", headers={"Chain": "a chain"})


@pytest.fixture
def server() -> Recorder:
    recorder = Recorder(Starlette())
    recorder.always["/document"] = ok()
    return recorder


async def fetch(
    transport: httpx2.AsyncBaseTransport | None,
    request: DocumentRequest = REQUEST,
    limits: FetchLimits | None = None,
) -> ServedDocument:
    chosen = limits or FetchLimits()
    client = open_http_client(limits=chosen, transport=transport)
    fetcher = DocumentFetcher("a service", client, limits=chosen, now=clock_from(AT))
    try:
        return await fetcher.fetch(request)
    finally:
        await fetcher.close()


def take(server: Recorder) -> tuple[ServedDocument, float]:
    async def timed() -> tuple[ServedDocument, float]:
        return await fetch(httpx2.ASGITransport(server)), elapsed()

    return run(timed())


def refuse(transport: httpx2.AsyncBaseTransport) -> tuple[str, float]:
    async def timed() -> tuple[str, float]:
        with pytest.raises(CollateralUnavailableError) as caught:
            await fetch(transport)
        (finding,) = caught.value.findings
        assert finding.check == "appraisal.collateral.unavailable"
        assert finding.expected == "a document from a service at /a/document?fmspc=00"
        assert finding.hint
        return finding.actual, elapsed()

    return run(timed())


def refuse_answer(response: Response) -> str:
    server = Recorder(Starlette(), always={"/document": response})
    actual, _ = refuse(httpx2.ASGITransport(server))
    assert len(server.asked) == 1
    return actual


def test_a_document_comes_with_its_headers(server: Recorder) -> None:
    served, seconds = take(server)

    assert served.body == b"a document"
    assert served.headers["chain"] == "a chain"
    assert seconds == 0
    assert server.find("/a/document").query == {"fmspc": "00"}


def test_neither_documents_nor_headers_are_shown_by_accident(server: Recorder) -> None:
    served, _ = take(server)

    assert repr(served) == "ServedDocument()"


# Trying again


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_passing_failure_is_tried_again(server: Recorder, status: int) -> None:
    server.instead["/document"] = [Response(status_code=status)] * 3

    served, seconds = take(server)

    assert served.body == b"a document"
    assert len(server.asked) == 4
    assert seconds >= 0.2 + 0.4 + 0.8


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_failure_that_lasts_is_told(status: int) -> None:
    server = Recorder(Starlette(), always={"/document": Response(status_code=status)})

    actual, seconds = refuse(httpx2.ASGITransport(server))

    assert actual == f"status {status}"
    assert len(server.asked) == 4
    assert 1.4 <= seconds <= 1.4 + 3 * 0.5


@pytest.mark.parametrize("status", [201, 204, 400, 401, 403, 404, 410, 418, 460, 461, 462])
def test_other_statuses_are_final(status: int) -> None:
    assert refuse_answer(Response(status_code=status)) == f"status {status}"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    headers = {"Location": "https://elsewhere.example/document"}

    actual = refuse_answer(Response(status_code=status, headers=headers))

    assert actual == f"status {status}, a redirect, and redirects are not followed"


@pytest.mark.parametrize("status", [429, 503])
def test_the_service_says_how_long_to_wait(server: Recorder, status: int) -> None:
    server.instead["/document"] = [Response(status_code=status, headers={"Retry-After": "4"})]

    _, seconds = take(server)

    assert seconds == pytest.approx(4)


def test_the_service_may_name_the_instant_to_wait_for(server: Recorder) -> None:
    until = format_datetime(AT + timedelta(seconds=3), usegmt=True)
    server.instead["/document"] = [Response(status_code=503, headers={"Retry-After": until})]

    _, seconds = take(server)

    assert seconds == pytest.approx(3)


@pytest.mark.parametrize("patience", ["6", "86400", format_datetime(AT + timedelta(days=1))])
def test_a_service_that_wants_more_patience_is_not_asked_again(patience: str) -> None:
    actual = refuse_answer(Response(status_code=429, headers={"Retry-After": patience}))

    assert actual.startswith("status 429, Retry-After ")


@pytest.mark.parametrize("patience", ["soon", "-1", "1.5", "²", ""])
def test_a_wait_that_cannot_be_read_is_none(patience: str) -> None:
    assert read_retry_after(patience, at=AT) is None


def test_an_instant_in_the_past_is_no_wait() -> None:
    assert read_retry_after("Mon, 23 Nov 2026 11:00:00 -0000", at=AT) == 0


@given(st.text(max_size=40))
def test_any_wait_is_none_or_not_negative(text: str) -> None:
    seconds = read_retry_after(text, at=AT)

    assert seconds is None or seconds >= 0


def test_a_connection_that_fails_is_tried_again(server: Recorder) -> None:
    class Unsteady(httpx2.ASGITransport):
        failures = 2

        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            if self.failures:
                self.failures -= 1
                raise httpx2.ConnectError("refused")
            return await super().handle_async_request(request)

    served = run(fetch(Unsteady(server)))

    assert served.body == b"a document"


def test_nobody_listening_is_named() -> None:
    def fail(_request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("connection refused")

    actual, _ = refuse(httpx2.MockTransport(fail))

    assert actual == "ConnectError: connection refused"


def test_a_service_that_never_answers_is_given_up_on() -> None:
    async def wait(_request: httpx2.Request) -> httpx2.Response:
        await asyncio.sleep(3600)
        raise AssertionError

    actual, seconds = refuse(httpx2.MockTransport(wait))

    assert actual == "no complete answer within 6 s"
    assert 4 * 6 <= seconds <= 4 * 6 + 3


def test_a_time_out_of_the_connection_is_a_time_out() -> None:
    def late(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectTimeout("late", request=request)

    actual, _ = refuse(httpx2.MockTransport(late))

    assert actual == "no complete answer within 6 s"


def test_a_body_that_drips_is_given_up_on() -> None:
    class Drip(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            while True:
                await asyncio.sleep(1)
                yield b"."

    actual, _ = refuse(httpx2.MockTransport(lambda _: httpx2.Response(200, stream=Drip())))

    assert actual == "no complete answer within 6 s"


# Limits


def test_a_body_of_the_limit_is_taken(server: Recorder) -> None:
    server.always["/document"] = Response(bytes(FetchLimits().body_bytes))

    served, _ = take(server)

    assert len(served.body) == 1 << 20


def test_a_body_over_the_limit_is_refused() -> None:
    assert refuse_answer(Response(bytes((1 << 20) + 1))) == "more than 1048576 bytes"


def test_a_body_without_end_is_read_no_further_than_the_limit() -> None:
    class Endless(httpx2.AsyncByteStream):
        read = 0

        async def __aiter__(self) -> AsyncIterator[bytes]:
            while True:
                self.read += 1 << 16
                yield bytes(1 << 16)

    endless = Endless()
    actual, _ = refuse(httpx2.MockTransport(lambda _: httpx2.Response(200, stream=endless)))

    assert actual == "more than 1048576 bytes"
    assert endless.read <= (1 << 20) + (1 << 16)


def test_headers_over_the_limit_are_refused() -> None:
    actual = refuse_answer(Response(headers={"Chain": "x" * 33_000}))

    assert actual.endswith("bytes of headers, more than 32768")


def test_a_content_coding_is_refused() -> None:
    actual = refuse_answer(Response(b"\x1f\x8b", headers={"Content-Encoding": "gzip"}))

    assert actual == "content coding 'gzip', which was not asked for"


def test_the_body_of_a_refusal_is_not_read() -> None:
    class Counted(httpx2.AsyncByteStream):
        reads = 0

        async def __aiter__(self) -> AsyncIterator[bytes]:
            self.reads += 1
            yield b"sorry"

    body = Counted()
    actual, _ = refuse(httpx2.MockTransport(lambda _: httpx2.Response(404, stream=body)))

    assert actual == "status 404"
    assert body.reads == 0


# Over a socket

QUICK = FetchLimits(attempts=1, request_seconds=0.2)


def refuse_raw(answer: Callable[[asyncio.StreamWriter], Awaitable[None]]) -> str:
    async def ask() -> str:
        async with raw_server(answer) as url:
            with pytest.raises(CollateralUnavailableError) as caught:
                await fetch(None, DocumentRequest(url=f"{url}/document"), QUICK)
        (finding,) = caught.value.findings
        return finding.actual

    return asyncio.run(ask())


def test_a_truncated_body_is_no_document() -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")

    assert refuse_raw(answer).startswith("RemoteProtocolError: ")


def test_what_is_not_http_is_no_answer() -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n\r\n")

    assert refuse_raw(answer).startswith("RemoteProtocolError: ")


def test_headers_without_end_are_cut_off() -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nChain: ")
        for _ in range(64):
            writer.write(b"x" * 65536)
            await writer.drain()

    assert refuse_raw(answer).startswith("RemoteProtocolError: ")


def test_a_silent_server_is_given_up_on() -> None:
    async def answer(_writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(1)

    assert refuse_raw(answer) == "no complete answer within 0.2 s"


# TLS


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    certificate, key = tls_identity("127.0.0.1", at=AT)
    folder = tmp_path_factory.mktemp("tls")
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


async def fetch_over_tls(url: str, ca_file: Path | None) -> ServedDocument:
    limits = FetchLimits()
    client = open_http_client(limits=limits, ca_file=ca_file)
    fetcher = DocumentFetcher("a service", client, limits=limits, now=lambda: AT)
    try:
        return await fetcher.fetch(DocumentRequest(url=f"{url}/document"))
    finally:
        await fetcher.close()


def test_a_certificate_from_the_ca_file_is_trusted(
    server: Recorder, identity: tuple[Path, Path]
) -> None:
    certificate, key = identity

    with loopback(server, certificate=certificate, key=key) as url:
        served = asyncio.run(fetch_over_tls(url, certificate))

    assert served.body == b"a document"


def test_another_certificate_is_refused_at_once(
    server: Recorder, identity: tuple[Path, Path]
) -> None:
    certificate, key = identity

    with (
        loopback(server, certificate=certificate, key=key) as url,
        pytest.raises(CollateralUnavailableError) as caught,
    ):
        asyncio.run(fetch_over_tls(url, None))

    (finding,) = caught.value.findings
    assert finding.actual == "a TLS certificate that this machine does not trust"
    assert "CA file" in finding.hint
    assert server.asked == []


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_ca_file_of_no_use_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "roots.pem"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(SettingsError, match=r"roots\.pem.*name a PEM file"):
        open_http_client(limits=FetchLimits(), ca_file=file)


def test_certificates_are_always_verified(identity: tuple[Path, Path]) -> None:
    contexts: list[ssl.SSLContext] = []
    for ca_file in (None, identity[0]):
        client = open_http_client(limits=FetchLimits(), ca_file=ca_file)
        contexts.append(client._transport._pool._ssl_context)  # type: ignore[attr-defined]  # noqa: SLF001
        asyncio.run(client.aclose())

    for context in contexts:
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
