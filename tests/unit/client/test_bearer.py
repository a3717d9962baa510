"""Access tokens: when they are got, and by how many at a time."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest

from assay.client import AccessToken, AuthenticationError, CredentialError, TransportError
from assay.client.aio.bearer import AsyncBearerTokens
from assay.client.bearer import BearerTokens
from assay.client.testing import FakeService, refusal
from tests.clients import Clients
from tests.unit.client.conftest import SCOPE, now_seconds


class _Credential:
    """Gives tokens of chosen lifetimes; fails where one is an error."""

    def __init__(self, *lifetimes: float | Exception) -> None:
        self._lifetimes = list(lifetimes)
        self.scopes: list[tuple[str, ...]] = []

    def give(self, *scopes: str) -> AccessToken:
        self.scopes.append(scopes)
        lifetime = self._lifetimes.pop(0)
        if isinstance(lifetime, Exception):
            raise lifetime
        return AccessToken(f"token-{len(self.scopes)}", int(now_seconds() + lifetime))


class _Sync(_Credential):
    def get_token(self, *scopes: str) -> AccessToken:
        return self.give(*scopes)


class _Async(_Credential):
    async def get_token(self, *scopes: str) -> AccessToken:
        await asyncio.sleep(0)
        return self.give(*scopes)


def _bearer(clients: Clients, *lifetimes: float | Exception) -> tuple[Any, Any]:
    """Tokens of either kind, and the credential behind them."""
    if clients.kind == "sync":
        sync = _Sync(*lifetimes)
        return BearerTokens(sync, SCOPE), sync
    asynchronous = _Async(*lifetimes)
    return AsyncBearerTokens(asynchronous, SCOPE), asynchronous


def _tokens(clients: Clients, bearer: Any, count: int) -> list[str]:  # noqa: ANN401
    return [clients.run(bearer.token()) for _ in range(count)]


def test_a_token_is_used_while_it_is_good(clients: Clients) -> None:
    bearer, credential = _bearer(clients, 3600)

    assert _tokens(clients, bearer, 3) == ["token-1"] * 3
    assert credential.scopes == [(SCOPE,)]


def test_a_token_is_renewed_before_its_end(clients: Clients) -> None:
    bearer, _ = _bearer(clients, 3600, 3600)
    _tokens(clients, bearer, 1)
    _age(bearer, seconds=3400)

    assert _tokens(clients, bearer, 2) == ["token-2"] * 2


def test_a_token_that_has_ended_is_never_used(clients: Clients) -> None:
    bearer, _ = _bearer(clients, 3, 3600)

    assert _tokens(clients, bearer, 2) == ["token-1", "token-2"]


def test_a_renewal_that_fails_keeps_the_token_and_waits(
    clients: Clients, caplog: pytest.LogCaptureFixture
) -> None:
    bearer, credential = _bearer(clients, 3600, OSError("secret detail"))
    _tokens(clients, bearer, 1)
    _age(bearer, seconds=3400)

    with caplog.at_level(logging.WARNING, "assay.client"):
        assert _tokens(clients, bearer, 3) == ["token-1"] * 3

    assert len(credential.scopes) == 2
    assert "OSError" in caplog.text
    assert "secret detail" not in caplog.text


def test_no_token_is_an_error_of_ours(clients: Clients) -> None:
    bearer, _ = _bearer(clients, OSError("the agent is gone"), 3600)

    with pytest.raises(CredentialError, match="OSError: the agent is gone"):
        _tokens(clients, bearer, 1)
    assert _tokens(clients, bearer, 1) == ["token-2"]


def test_a_token_that_no_header_can_hold_is_never_shown(
    clients: Clients, service: FakeService
) -> None:
    class Wrong:
        def get_token(self, *_scopes: str) -> Any:  # noqa: ANN401  now or later
            token = AccessToken("s3cret\nline", 1 << 40)
            if clients.kind == "sync":
                return token
            later: asyncio.Future[AccessToken] = asyncio.get_running_loop().create_future()
            later.set_result(token)
            return later

    made = clients.attestation(service.url, Wrong(), transport=clients.transport(service))

    with pytest.raises(CredentialError) as caught:
        made.get_openid_metadata()

    assert "s3cret" not in str(caught.value)
    assert service.requests == []


def test_an_error_of_the_client_goes_through(clients: Clients) -> None:
    bearer, _ = _bearer(clients, TransportError("no way", retryable=True))

    with pytest.raises(TransportError):
        _tokens(clients, bearer, 1)


def test_a_token_that_was_refused_is_forgotten(clients: Clients) -> None:
    bearer, _ = _bearer(clients, 3600, 3600)
    [token] = _tokens(clients, bearer, 1)

    bearer.forget("another")
    bearer.forget(token)

    assert _tokens(clients, bearer, 1) == ["token-2"]
    bearer.forget(token)
    assert _tokens(clients, bearer, 1) == ["token-2"]


def _age(bearer: Any, *, seconds: float) -> None:  # noqa: ANN401  of either kind
    kept = bearer._kept  # noqa: SLF001  time passes
    assert kept is not None
    bearer._kept = type(kept)(kept.token, kept.ends - seconds, kept.renew - seconds)  # noqa: SLF001


def test_threads_wait_for_one_token() -> None:
    credential = _Sync(3600)
    bearer = BearerTokens(credential, SCOPE)

    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(lambda _: bearer.token(), range(64)))

    assert set(found) == {"token-1"}
    assert len(credential.scopes) == 1


def test_while_one_thread_renews_the_others_go_on_with_the_old_token() -> None:
    renewing, go_on = Event(), Event()

    class Slow(_Sync):
        def get_token(self, *scopes: str) -> AccessToken:
            if self.scopes:
                renewing.set()
                assert go_on.wait(30)
            return super().get_token(*scopes)

    bearer = BearerTokens(Slow(3600, 3600), SCOPE)
    bearer.token()
    _age(bearer, seconds=3400)
    with ThreadPoolExecutor(1) as thread:
        renewed = thread.submit(bearer.token)
        assert renewing.wait(30)
        meanwhile = bearer.token()
        go_on.set()

    assert (meanwhile, renewed.result()) == ("token-1", "token-2")


def test_a_thread_that_comes_late_takes_the_token_that_another_has_got() -> None:
    credential = _Sync(3600, 3600)
    bearer = BearerTokens(credential, SCOPE)
    bearer.token()
    _age(bearer, seconds=3400)
    old = bearer._kept  # noqa: SLF001  as a slow thread has seen it
    assert old is not None
    bearer.token()

    assert bearer._renewed_by_one(old) == "token-2"  # noqa: SLF001
    assert len(credential.scopes) == 2


def test_tasks_share_one_renewal() -> None:
    credential = _Async(3600, 3600)
    bearer = AsyncBearerTokens(credential, SCOPE)

    async def run() -> list[str]:
        first = await asyncio.gather(*(bearer.token() for _ in range(8)))
        _age(bearer, seconds=3400)
        return [*first, *await asyncio.gather(*(bearer.token() for _ in range(8)))]

    found = asyncio.run(run())

    assert found.count("token-1") == 15
    assert found.count("token-2") == 1
    assert len(credential.scopes) == 2


def test_a_refused_token_is_got_anew_for_the_next_call(
    clients: Clients, service: FakeService
) -> None:
    credential = (_Sync if clients.kind == "sync" else _Async)(3600, 3600)
    made = clients.attestation(service.url, credential, transport=clients.transport(service))
    service.answer_next(refusal(401, "Unauthorized"))

    with pytest.raises(AuthenticationError):
        made.get_openid_metadata()
    made.get_openid_metadata()

    assert [one.headers["authorization"] for one in service.requests] == [
        "Bearer token-1",
        "Bearer token-2",
    ]
