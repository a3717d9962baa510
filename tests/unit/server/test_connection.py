from __future__ import annotations

import asyncio

import pytest
from starlette.types import Receive, Scope, Send

from assay.server.answers import send_body
from assay.server.maa.attest import read_body
from tests.servers.limited import GET, LIMITS, answers, echo_length, server, talk


async def _name_headers(scope: Scope, receive: Receive, send: Send) -> None:
    await read_body(receive)
    names = b" ".join(name for name, _ in scope["headers"])
    await send_body(send, b'"%b"' % names)


async def _refuse_unread(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send_body(send, b"{}", status=400)


def test_a_request_is_answered_and_an_idle_connection_closed() -> None:
    answer = answers(GET)

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_connection_serves_several_requests() -> None:
    post = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc"

    answer = answers(GET + post, post)

    assert answer.count(b"HTTP/1.1 200 OK") == 3
    assert answer.count(b'{"length":3}') == 2


def test_a_chunked_body_is_read_and_what_follows_it_is_dropped() -> None:
    answer = answers(
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n",
        b"3\r\nabc\r\n0\r\ntenantname: another\r\n\r\n",
        GET,
        app=_name_headers,
    )

    assert b'"host transfer-encoding"' in answer
    assert b"tenantname" not in answer
    assert answer.count(b"HTTP/1.1 200 OK") == 2


def test_a_body_that_waits_to_be_asked_for_is_asked_for() -> None:
    head = b"POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n"

    async def run() -> tuple[bytes, bytes]:
        async with server() as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head)
            interim = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), timeout=10)
            writer.write(b"abc")
            answer = await asyncio.wait_for(reader.readuntil(b"}"), timeout=10)
            writer.close()
            return interim, answer

    interim, answer = asyncio.run(run())

    assert interim == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b'{"length":3}')


def test_a_head_request_is_answered_without_a_body() -> None:
    head = b"HEAD / HTTP/1.1\r\nhost: x\r\n\r\n"

    answer = answers(head, head)

    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 2
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("first", [b"", b"GET / HTTP/1.1\r\nhost: x\r\n"])
def test_headers_that_do_not_come_are_not_waited_for(first: bytes) -> None:
    answer = answers(first) if first else answers()

    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert b'"code":"RequestTimeout"' in answer


def test_headers_that_come_by_the_byte_are_not_waited_for() -> None:
    parts = [bytes([byte]) for byte in b"GET / HTTP/1.1\r\nx-slow: " + b"y" * 50]

    answer = answers(*parts)

    assert b"408 Request Timeout" in answer


def test_slow_headers_after_a_good_request_are_not_waited_for() -> None:
    answer = answers(GET, b"GET / HT")

    assert b"200 OK" in answer
    assert b"408 Request Timeout" in answer


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    answer = answers(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nabc")

    assert b"408 Request Timeout" in answer
    assert b'"code":"RequestTimeout"' in answer
    assert b"connection: close" in answer


def test_a_body_that_comes_by_the_byte_is_not_waited_for() -> None:
    head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 99999\r\n\r\n"

    answer = answers(head, *[b"x"] * 50)

    assert answer.count(b"HTTP/1.1") == 1
    assert b"408 Request Timeout" in answer


def test_a_body_has_its_time_from_when_its_turn_comes() -> None:
    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(2 * LIMITS.body_seconds if scope["method"] == "GET" else 0)
        await echo_length(scope, receive, send)

    post = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\n"
    pause_seconds = 2.5 * LIMITS.body_seconds

    answer = answers(GET + post, b"abc", app=slow, pause_seconds=pause_seconds)

    assert b'{"length":0}' in answer
    assert b'{"length":3}' in answer


def test_endless_headers_are_refused() -> None:
    parts = [b"GET / HTTP/1.1\r\n", *[b"x-more: " + b"y" * 100 + b"\r\n"] * 12]

    answer = answers(*parts, pause_seconds=0.005)

    assert b"431 Request Header Fields Too Large" in answer
    assert b'"code":"RequestHeaderTooLarge"' in answer


def test_what_is_not_http_is_refused_in_the_protocol_s_form() -> None:
    answer = answers(b"\x16\x03\x01 not http\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b'"code":"BadRequest"' in answer


def test_nonsense_after_a_request_under_way_is_not_answered_in_between() -> None:
    answer = answers(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n")

    assert answer.count(b"HTTP/1.1") <= 1


def test_what_is_left_of_an_answered_request_is_not_waited_for() -> None:
    head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 99999\r\n\r\n"

    answer = answers(head, *[b"x"] * 100, app=_refuse_unread)

    assert answer.count(b"HTTP/1.1") == 1


def test_the_head_of_an_answer_waits_for_its_body_though_that_is_late() -> None:
    begun: list[str] = []

    async def begin(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.sleep(0.05)
        begun.append("body")
        await send({"type": "http.response.body", "body": b"late", "more_body": True})
        await send({"type": "http.response.body", "body": b"later"})

    async def run() -> tuple[bytes, bytes]:
        async with server(begin) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(GET)
            head = await reader.readuntil(b"\r\n\r\n")
            assert begun == ["body"]
            body = await reader.readuntil(b"0\r\n\r\n")
            writer.close()
            return head, body

    head, body = asyncio.run(run())

    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert body == b"4\r\nlate\r\n5\r\nlater\r\n0\r\n\r\n"


def test_what_has_been_written_goes_out_before_the_connection_ends() -> None:
    async def break_off(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    assert answers(GET, app=break_off).startswith(b"HTTP/1.1 200 OK\r\n")


def test_an_upgrade_is_ignored() -> None:
    upgrade = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"

    assert b"HTTP/1.1 200 OK" in answers(upgrade)


def test_a_connection_too_many_is_dropped() -> None:
    async def run() -> tuple[bytes, bytes]:
        async with server() as port:
            held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
            await asyncio.sleep(0.05)
            dropped = await talk(port, GET)
            for _, writer in held:
                writer.close()
            await asyncio.sleep(0.05)
            return dropped, await talk(port, GET)

    dropped, served = asyncio.run(run())

    assert dropped == b""
    assert b"200 OK" in served
