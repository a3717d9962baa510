from __future__ import annotations

import asyncio

import pytest
from starlette.types import Scope

from assay.server.authorizer import ClosedAuthorizer, LoopbackAuthorizer, Right
from assay.server.errors import Refusal, RefusedRequestError
from assay.store import Author


def _scope(address: str | None) -> Scope:
    return {"type": "http", "client": None if address is None else (address, 1234)}


@pytest.mark.parametrize("right", Right)
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_in_development_this_machine_may_do_everything(right: Right, address: str) -> None:
    author = asyncio.run(LoopbackAuthorizer().authorize(_scope(address), instance="a", right=right))

    assert author == Author(name="dev", address=address)


@pytest.mark.parametrize("right", Right)
@pytest.mark.parametrize("address", ["192.0.2.1", "", None, "::ffff:192.0.2.1"])
def test_in_development_nobody_else_may(right: Right, address: str | None) -> None:
    with pytest.raises(RefusedRequestError, match="only this machine may") as caught:
        asyncio.run(LoopbackAuthorizer().authorize(_scope(address), instance="a", right=right))

    assert caught.value.refusal is Refusal.UNAUTHORIZED


@pytest.mark.parametrize("right", Right)
def test_without_authentication_nobody_may(right: Right) -> None:
    with pytest.raises(RefusedRequestError, match="has no authentication") as caught:
        asyncio.run(ClosedAuthorizer().authorize(_scope("127.0.0.1"), instance="a", right=right))

    assert caught.value.refusal is Refusal.UNAUTHORIZED
    assert caught.value.challenge == "Bearer"
