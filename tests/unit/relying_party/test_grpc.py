"""The gRPC interceptor before a real server on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import grpc
import grpc.aio
import pytest

from assay.relying_party import require
from assay.relying_party.aio import AsyncTokenVerifier
from assay.relying_party.grpc import AttestationInterceptor, attested
from tests.attestation_tokens import ISSUER, AsyncKeys, key_set, service_key, token
from tests.conftest import AT

_KINDS: Final = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")


def _svn() -> bytes:
    return str(attested().claims["x-ms-sgx-svn"]).encode()


async def _answer(_request: object, _context: object) -> bytes:
    return _svn()


async def _answers(_request: object, _context: object) -> AsyncIterator[bytes]:
    yield _svn()


_METHODS: Final = {
    "unary_unary": grpc.unary_unary_rpc_method_handler(_answer),
    "unary_stream": grpc.unary_stream_rpc_method_handler(_answers),
    "stream_unary": grpc.stream_unary_rpc_method_handler(_answer),
    "stream_stream": grpc.stream_stream_rpc_method_handler(_answers),
}


def _with_server(play: Callable[[Any], Awaitable[None]], *, fails: bool = False) -> None:
    async def main() -> None:
        source = AsyncKeys(service_key())
        source.source.fails = fails
        verifier = AsyncTokenVerifier(
            ISSUER, require(svn__ge=3), keys=source if fails else key_set(), now=lambda: AT
        )
        server = grpc.aio.server(interceptors=[AttestationInterceptor(verifier)])
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("s", _METHODS)])
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                await play(channel)
        finally:
            await server.stop(None)

    asyncio.run(main())


async def _call(channel: Any, kind: str, metadata: list[tuple[str, str]]) -> bytes:  # noqa: ANN401
    method = getattr(channel, kind)(f"/s/{kind}")
    streams_in, _, streams_out = kind.partition("_")
    call = method(iter([b""]) if streams_in == "stream" else b"", metadata=metadata)
    if streams_out == "stream":
        return b"".join([part async for part in call])
    answer: bytes = await call
    return answer


def test_a_good_token_reaches_a_method_of_every_kind() -> None:
    async def play(channel: Any) -> None:  # noqa: ANN401  untyped
        for kind in _KINDS:
            assert await _call(channel, kind, [("authorization", f"Bearer {token()}")]) == b"3"

    _with_server(play)


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        ([], "send one attestation token"),
        ([("authorization", "Basic x")], "send one attestation token"),
        ([("authorization", f"Bearer {token()}")] * 2, "send one attestation token"),
        ([("authorization", f"Bearer {token(x_ms_sgx_svn=1)}")], "token.claims.requirement"),
    ],
)
def test_a_call_without_a_good_token_is_refused(metadata: list[tuple[str, str]], told: str) -> None:
    async def play(channel: Any) -> None:  # noqa: ANN401  untyped
        for kind in _KINDS:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await _call(channel, kind, metadata)
            assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
            assert told in str(caught.value.details())

    _with_server(play)


def test_a_token_that_cannot_be_judged_now_may_come_again() -> None:
    async def play(channel: Any) -> None:  # noqa: ANN401  untyped
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await _call(channel, "unary_unary", [("authorization", f"Bearer {token()}")])
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE

    _with_server(play, fails=True)


def test_a_method_that_is_not_there_stays_unknown() -> None:
    async def play(channel: Any) -> None:  # noqa: ANN401  untyped
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary("/s/nothing")(b"")
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED

    _with_server(play)


def test_there_is_no_token_outside_a_call() -> None:
    with pytest.raises(LookupError):
        attested()
