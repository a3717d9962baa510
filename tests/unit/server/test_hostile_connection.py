"""Callers who take what they can: of the memory, of the time, of each other's answers."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from starlette.types import Receive, Scope, Send

from assay.server.answers import send_body
from assay.server.maa.attest import read_body
from tests.servers.limited import GET, LIMITS, answers, server

_CHUNKED = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
_OTHER_PROTOCOL = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AA\r\n"
_LARGE = 50_000_000
_LATE = 8_000_000


async def _name_host(scope: Scope, receive: Receive, send: Send) -> None:
    await read_body(receive)
    hosts = b" ".join(value for name, value in scope["headers"] if name == b"host")
    await send_body(send, b'"%b"' % hosts)


async def _refuse_unread(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send_body(send, b"{}", status=404)


async def _answer_at_length(_scope: Scope, receive: Receive, send: Send) -> None:
    await read_body(receive)
    await send_body(send, bytes(_LARGE))


async def _answer_in_parts(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(_LATE // 10_000):
        await send({"type": "http.response.body", "body": b"y" * 10_000, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _never_answer(_scope: Scope, _receive: Receive, _send: Send) -> None:
    await asyncio.Event().wait()


def _post(body: bytes, *headers: bytes) -> bytes:
    head = b"POST / HTTP/1.1\r\nhost: x\r\n%bcontent-length: %d\r\n\r\n"
    return head % (b"".join(headers), len(body)) + body


def _statuses(received: bytes) -> list[int]:
    return [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:]]


# Requests for another protocol


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize(
    "request_",
    [
        _post(b"abc", _OTHER_PROTOCOL),
        _CHUNKED.replace(b"\r\n\r\n", b"\r\n" + _OTHER_PROTOCOL + b"\r\n")
        + b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n",
    ],
    ids=["with its length", "in chunks"],
)
def test_a_request_for_another_protocol_is_served_in_this_one(request_: bytes, size: int) -> None:
    sent = request_ * 2 + GET
    parts = [sent[at : at + size] for at in range(0, len(sent), size)]

    received = answers(*parts, pause_seconds=0)

    assert _statuses(received)[:3] == [200] * 3
    assert received.count(b'{"length":3}') == 2


def test_the_body_of_a_request_for_another_protocol_is_no_request() -> None:
    head, body = _post(GET, _OTHER_PROTOCOL).split(b"\r\n\r\n", 1)

    received = answers(head + b"\r\n\r\n", body)

    assert _statuses(received) == [200]
    assert b'{"length":%d}' % len(GET) in received


def test_a_request_for_another_protocol_may_have_no_body() -> None:
    request = GET.replace(b"\r\n\r\n", b"\r\n" + _OTHER_PROTOCOL + b"\r\n")

    assert _statuses(answers(request, request)) == [200, 200]


# What surrounds a body


@pytest.mark.parametrize(
    "part",
    [b"x-more: " + b"y" * 100 + b"\r\n", b"y" * 100],
    ids=["many trailers", "one long trailer"],
)
def test_endless_trailers_are_refused(part: bytes) -> None:
    received = answers(_CHUNKED, b"3\r\nabc\r\n0\r\nx-first: ", *[part] * 30, pause_seconds=0.002)

    assert _statuses(received) == [431]
    assert b'"code":"RequestHeaderTooLarge"' in received


def test_endless_extensions_of_a_chunk_are_refused() -> None:
    received = answers(_CHUNKED, b"3;x=", *[b"y" * 100] * 30, pause_seconds=0.002)

    assert _statuses(received) == [431]


def test_the_smallest_chunks_are_read() -> None:
    received = answers(_CHUNKED, *[b"1\r\nx\r\n" * 100] * 10, b"0\r\n\r\n", pause_seconds=0.005)

    assert b'{"length":1000}' in received


def test_headers_in_two_parts_are_not_measured_by_what_follows_them() -> None:
    head, body = _post(bytes(4 * LIMITS.header_bytes)).split(b"\r\n\r\n", 1)

    received = answers(head, b"\r\n\r\n" + body + GET[:10], GET[10:])

    assert _statuses(received) == [200, 200]


# What is not HTTP, at any place


@pytest.mark.parametrize(
    "request_",
    [
        b"GET http://localhost HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET http://localhost:99999/ HTTP/1.1\r\nhost: x\r\n\r\n",
        b"CONNECT host:443 HTTP/1.1\r\nhost: x\r\n\r\n",
        _CHUNKED.replace(b"chunked", b"gzip"),
        _CHUNKED.replace(b"chunked", b"identity"),
        _CHUNKED + b"zz\r\n",
        _CHUNKED + b"3\r\nabcdef",
    ],
)
def test_what_is_not_http_gets_one_answer(request_: bytes) -> None:
    received = answers(request_)

    assert _statuses(received) == [400]
    assert b'"code":"BadRequest"' in received
    for header in (b"date: ", b"x-ms-request-id: 00-", b"x-ms-maa-service-version: "):
        assert received.count(header) == 1


def test_nonsense_after_a_request_does_not_cost_its_answer() -> None:
    received = answers(_post(b"abc") + b"\x00")

    assert _statuses(received) == [200, 400]
    assert b'{"length":3}' in received


def test_a_bad_body_in_line_does_not_cost_the_answers_before_it() -> None:
    received = answers(GET + _post(b"abc") + _CHUNKED + b"zz\r\n", GET)

    assert _statuses(received) == [200, 200, 400]
    assert b'{"length":3}' in received


def test_a_bad_body_whose_request_has_been_answered_is_not_answered_again() -> None:
    received = answers(_CHUNKED, b"zz\r\n", app=_refuse_unread)

    assert _statuses(received) == [404]


# Time


def test_blank_lines_do_not_keep_a_connection() -> None:
    assert _statuses(answers(GET, *[b"\r\n"] * 3)) == [200]


@pytest.mark.parametrize("ending", [b"", b"connection: close\r\n"])
def test_a_caller_who_does_not_read_is_not_waited_for(ending: bytes) -> None:
    async def run() -> int:
        async with server(_answer_at_length) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
            writer.write(_post(b"", ending) * 3)
            await asyncio.sleep(4 * LIMITS.body_seconds)
            received = 0
            with suppress(ConnectionError):
                while part := await asyncio.wait_for(reader.read(1 << 20), timeout=10):
                    received += len(part)
            writer.close()
            return received

    assert asyncio.run(run()) < _LARGE


def test_a_caller_who_reads_late_gets_everything() -> None:
    async def run() -> tuple[bytes, bytes]:
        async with server(_answer_in_parts) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2 * _LATE)
            parts = []
            for _ in range(2):
                writer.write(GET)
                await asyncio.sleep(LIMITS.body_seconds / 6)
                parts.append(await asyncio.wait_for(reader.readuntil(b"0\r\n\r\n"), timeout=10))
            await asyncio.sleep(2 * LIMITS.body_seconds)
            assert not reader.at_eof()
            writer.close()
            return parts[0], parts[1]

    for received in asyncio.run(run()):
        assert received.count(b"y") == _LATE


def test_a_request_that_a_server_cannot_wait_for_any_more_is_told() -> None:
    async def run() -> bytes:
        async with server(_never_answer) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(GET)
            await asyncio.sleep(0.05)
        received = await reader.read()
        writer.close()
        return received

    received = asyncio.run(run())

    assert _statuses(received) == [503]
    assert b'"code":"ServerBusy"' in received
    assert b"x-ms-request-id: " in received
    assert b"connection: close" in received


# Taking turns


async def _as_asked(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer after the milliseconds of the address, having read no body of /early and /unread."""
    first, milliseconds = scope["path"].rsplit("/", 1)
    if first not in {"/early", "/unread"}:
        await read_body(receive)
    await asyncio.sleep(int(milliseconds) / 1000)
    await send_body(send, scope["path"].encode())


def _get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode()


@pytest.mark.parametrize(
    "tail", [_CHUNKED + b"zz\r\n", b"GET / HTTP/1.1\r\nho st: x\r\n\r\n"], ids=["body", "head"]
)
def test_a_refusal_waits_for_slow_answers_before_it(tail: bytes) -> None:
    received = answers(_get("/one/50") + _get("/two/600") + tail, app=_as_asked)

    assert _statuses(received) == [200, 200, 400]
    assert b"/two/600" in received


def test_a_connection_is_not_idle_while_its_next_request_is_served() -> None:
    slow = _get(f"/two/{LIMITS.idle_seconds * 1300}")

    received = answers(_get("/one/0") + slow[:10], slow[10:], app=_as_asked, pause_seconds=0.1)

    assert _statuses(received) == [200, 200]


def test_a_connection_is_idle_from_the_end_of_a_body_whose_answer_came_early() -> None:
    late = b"POST /early/0 HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\na"

    received = answers(late, b"bc", b"", b"", _get("/two/0"), app=_as_asked, pause_seconds=0.25)

    assert _statuses(received) == [200, 200]


def test_headers_are_not_late_while_the_server_does_not_read() -> None:
    sent = _get("/unread/500") + _get("/two/0") + _get("/three/0")

    received = answers(sent[:-20], sent[-20:], app=_as_asked)

    assert _statuses(received) == [200, 200, 200]


# Whom a request is for


def test_the_host_of_a_target_may_be_an_address() -> None:
    received = answers(b"GET http://[::1]:8080/ HTTP/1.1\r\nhost: x\r\n\r\n", app=_name_host)

    assert b'"[::1]:8080"' in received


def test_white_space_around_a_value_is_not_of_it() -> None:
    request = b"POST / HTTP/1.1\r\nhost:  x \t\r\ncontent-length: 3 \r\n\r\nabc"

    assert b'"x"' in answers(request, app=_name_host)


def test_the_host_of_a_target_goes_before_that_of_the_header() -> None:
    received = answers(
        b"GET http://other.example:8080/ HTTP/1.1\r\nhost: x\r\n\r\n", app=_name_host
    )

    assert b'"other.example:8080"' in received


def test_a_target_without_a_host_leaves_the_header() -> None:
    received = answers(
        b"OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n", GET, app=_name_host, pause_seconds=0.05
    )

    assert received.count(b'"x"') == 2
