from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from assay.server.errors import Refusal, RefusedRequestError
from assay.server.limits import Limits
from assay.server.maa.attest import read_body
from assay.server.settings import LimitSettings

_LIMITS = LimitSettings(body_bytes=1024, header_bytes=1024, requests=1)


async def _serve(
    parts: Iterable[bytes] = (b"",),
    *,
    headers: Iterable[tuple[bytes, bytes]] = (),
    path: bytes = b"/",
) -> bytes:
    """The body that an application inside the limits sees."""
    seen: list[bytes] = []
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    messages[-1]["more_body"] = False

    async def app(_scope: Scope, receive: Receive, _send: Send) -> None:
        seen.append(await read_body(receive))

    async def receive() -> Message:
        return messages.pop(0)

    async def send(_message: Message) -> None:
        raise AssertionError("nothing is sent here")

    scope = {"type": "http", "headers": list(headers), "raw_path": path, "query_string": b""}
    await Limits(app, _LIMITS)(scope, receive, send)
    return seen[0]


def _refusal(**options: Any) -> Refusal:  # noqa: ANN401  those of `_serve`
    with pytest.raises(RefusedRequestError) as caught:
        asyncio.run(_serve(**options))
    return caught.value.refusal


def test_a_body_of_the_limit_passes_in_one_part_or_several() -> None:
    assert asyncio.run(_serve([b"x" * 1024])) == b"x" * 1024
    assert asyncio.run(_serve([b"x" * 512, b"", b"y" * 512])) == b"x" * 512 + b"y" * 512


def test_a_body_over_the_limit_is_refused_while_it_comes() -> None:
    assert _refusal(parts=[b"x" * 1024, b"y"]) is Refusal.BODY_SIZE


def test_a_declared_body_of_the_limit_passes() -> None:
    body = asyncio.run(_serve([b"x"], headers=[(b"content-length", b"1024")]))

    assert body == b"x"


@pytest.mark.parametrize("length", [b"1025", b"9" * 19, b"9" * 20, b"-1", b"1e3", b"", b"\xb2"])
def test_a_declared_body_over_the_limit_is_refused_before_it_comes(length: bytes) -> None:
    assert _refusal(headers=[(b"content-length", length)]) is Refusal.BODY_SIZE


def test_headers_of_the_limit_pass() -> None:
    headers = [(b"x" * 10, b"y" * (1024 - 10 - 4 - 1))]

    assert asyncio.run(_serve(headers=headers)) == b""


def test_headers_over_the_limit_are_refused() -> None:
    headers = [(b"x" * 10, b"y" * (1024 - 10 - 4))]

    assert _refusal(headers=headers) is Refusal.HEADER_SIZE


def test_a_long_address_counts_as_header() -> None:
    assert _refusal(path=b"/" * 1025) is Refusal.HEADER_SIZE


def test_a_request_too_many_is_refused_and_the_next_one_is_not() -> None:
    release = asyncio.Event()

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        await release.wait()

    async def run() -> Refusal:
        limits = Limits(app, _LIMITS)
        scope = {"type": "http", "headers": [], "query_string": b""}
        first = asyncio.create_task(limits(scope, _nothing, _nothing))
        await asyncio.sleep(0)
        with pytest.raises(RefusedRequestError) as caught:
            await limits(scope, _nothing, _nothing)
        release.set()
        await first
        await limits(scope, _nothing, _nothing)
        return caught.value.refusal

    assert asyncio.run(run()) is Refusal.BUSY


def test_a_refused_request_does_not_count_on() -> None:
    for _ in range(3):
        assert _refusal(headers=[(b"content-length", b"9999")]) is Refusal.BODY_SIZE


def test_what_is_no_request_passes() -> None:
    seen: list[str] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(scope["type"])

    asyncio.run(Limits(app, _LIMITS)({"type": "lifespan"}, _nothing, _nothing))

    assert seen == ["lifespan"]


def test_a_caller_who_leaves_is_noticed() -> None:
    async def left() -> Message:
        return {"type": "http.disconnect"}

    with pytest.raises(RefusedRequestError, match="left before"):
        asyncio.run(read_body(left))


async def _nothing(*_arguments: object) -> Any:  # noqa: ANN401  to receive or to send
    raise AssertionError("nothing is received or sent here")
