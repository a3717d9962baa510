"""Access tokens: whom they are given to, when they are got, and by how many at a time."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any, Final
from urllib.parse import parse_qs

import pytest
from azure.core.credentials import AccessToken as AzureToken
from azure.core.pipeline.transport import RequestsTransport
from azure.identity import ClientSecretCredential as AzureSecretCredential

from assay import client, clock
from assay.client import (
    AccessToken,
    AttestationClient,
    AuthenticationError,
    ClientCertificate,
    ClientOptions,
    ClientSecret,
    CredentialError,
    HttpRequest,
    HttpResponse,
    RequestError,
    StaticTokenCredential,
    TransportError,
    aio,
)
from assay.client.aio.bearer import AsyncBearerTokens
from assay.client.bearer import BearerTokens
from assay.client.testing import FakeService, FakeTransport, refusal
from tests.clients import Clients

_SCOPE: Final = "https://attest.azure.net/.default"
_SECRET: Final = "s3cret +/="  # noqa: S105  made up


def _now() -> float:
    return clock.now().timestamp()


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
        return AccessToken(f"token-{len(self.scopes)}", int(_now() + lifetime))


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
        return BearerTokens(sync, _SCOPE), sync
    asynchronous = _Async(*lifetimes)
    return AsyncBearerTokens(asynchronous, _SCOPE), asynchronous


def _tokens(clients: Clients, bearer: Any, count: int) -> list[str]:  # noqa: ANN401
    return [clients.run(bearer.token()) for _ in range(count)]


def test_a_token_is_used_while_it_is_good(clients: Clients) -> None:
    bearer, credential = _bearer(clients, 3600)

    assert _tokens(clients, bearer, 3) == ["token-1"] * 3
    assert credential.scopes == [(_SCOPE,)]


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
    bearer = BearerTokens(credential, _SCOPE)

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

    bearer = BearerTokens(Slow(3600, 3600), _SCOPE)
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
    bearer = BearerTokens(credential, _SCOPE)
    bearer.token()
    _age(bearer, seconds=3400)
    old = bearer._kept  # noqa: SLF001  as a slow thread has seen it
    assert old is not None
    bearer.token()

    assert bearer._renewed_by_one(old) == "token-2"  # noqa: SLF001
    assert len(credential.scopes) == 2


def test_tasks_share_one_renewal() -> None:
    credential = _Async(3600, 3600)
    bearer = AsyncBearerTokens(credential, _SCOPE)

    async def run() -> list[str]:
        first = await asyncio.gather(*(bearer.token() for _ in range(8)))
        _age(bearer, seconds=3400)
        return [*first, *await asyncio.gather(*(bearer.token() for _ in range(8)))]

    found = asyncio.run(run())

    assert found.count("token-1") == 15
    assert found.count("token-2") == 1
    assert len(credential.scopes) == 2


def test_the_token_goes_with_every_request(clients: Clients, service: FakeService) -> None:
    made = clients.attestation(
        service.url, clients.static_token("abc"), transport=clients.transport(service)
    )

    made.attest_sgx_enclave(b"q")

    assert [one.headers["authorization"] for one in service.requests] == ["Bearer abc"] * 2


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


@pytest.mark.parametrize(
    "url",
    [
        "http://attest.example",
        "http://10.0.0.1:8080",
        "http://localhost.example",
        "http://127.0.0.2",
    ],
)
def test_tokens_are_not_for_plain_http_to_other_machines(clients: Clients, url: str) -> None:
    with pytest.raises(RequestError, match="over https only"):
        clients.attestation(url, clients.static_token("abc"))
    assert clients.attestation(url).endpoint == url


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://[::1]:1", "http://localhost:1"])
def test_tokens_may_stay_on_this_machine(clients: Clients, url: str) -> None:
    assert clients.attestation(url, clients.static_token("abc")).endpoint == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://x",
        "https://",
        "https://x?y",
        "https://x#y",
        "https://user:pass@x",  # gitleaks:allow
        "https://[x",
        "https://x:99999",
        "x",
    ],
)
def test_addresses_that_are_none_are_refused(clients: Clients, url: str) -> None:
    with pytest.raises(RequestError) as caught:
        clients.attestation(url)

    assert "pass" not in str(caught.value)


def test_a_client_certificate_and_a_transport_of_ones_own_exclude_each_other(
    clients: Clients, service: FakeService
) -> None:
    certificate = ClientCertificate(certificate=Path("x.pem"))

    with pytest.raises(RequestError, match="got both"):
        clients.attestation(service.url, certificate, transport=clients.transport(service))
    assert clients.attestation(service.url, certificate).endpoint == service.url


@pytest.mark.parametrize("token", ["", "a\nb", "ä"])
def test_what_is_no_token_is_refused_before_it_is_sent(clients: Clients, token: str) -> None:
    with pytest.raises(RequestError) as caught:
        clients.static_token(token)

    assert not token or token not in str(caught.value)


def test_secrets_are_not_shown() -> None:
    secret = ClientSecret(token_url="https://x.test", client_id="id", client_secret=_SECRET)  # noqa: S106
    request = HttpRequest(method="GET", url="u", headers={"authorization": _SECRET})
    shown = [secret, StaticTokenCredential(_SECRET), AccessToken(_SECRET, 1), request]

    assert not any(_SECRET in repr(one) for one in shown)


class _Issuer:
    def __init__(self, answer: object = None, status: int = 200) -> None:
        default = {"access_token": "given", "token_type": "Bearer", "expires_in": 3600}
        self.answer = default if answer is None else answer
        self.status = status
        self.requests: list[HttpRequest] = []

    def send(self, request: HttpRequest) -> HttpResponse:
        self.requests.append(request)
        return HttpResponse(status=self.status, body=json.dumps(self.answer).encode())

    def close(self) -> None:
        """Nothing is open."""


class _AsyncIssuer:
    def __init__(self, issuer: _Issuer) -> None:
        self._issuer = issuer

    async def send(self, request: HttpRequest) -> HttpResponse:
        return self._issuer.send(request)

    async def close(self) -> None:
        """Nothing is open."""


def _secret(**changes: Any) -> ClientSecret:  # noqa: ANN401  fields by name
    fields = {"token_url": "https://login.test/t", "client_id": "id:1", "client_secret": _SECRET}
    return ClientSecret(**(fields | changes))


def _granted(clients: Clients, issuer: _Issuer, **changes: Any) -> AccessToken:  # noqa: ANN401
    secret = _secret(**changes)
    credential: Any = (
        client.ClientSecretCredential(secret, transport=issuer)
        if clients.kind == "sync"
        else aio.ClientSecretCredential(secret, transport=_AsyncIssuer(issuer))
    )
    try:
        found: AccessToken = clients.run(credential.get_token("scope/.default"))
    finally:
        clients.run(credential.close())
    return found


def test_client_credentials_are_granted(clients: Clients) -> None:
    issuer = _Issuer()

    token = _granted(clients, issuer)

    assert token.token == "given"  # noqa: S105  made up
    assert 3500 < token.expires_on - _now() <= 3600
    [request] = issuer.requests
    assert parse_qs(request.body.decode()) == {
        "grant_type": ["client_credentials"],
        "scope": ["scope/.default"],
        "client_id": ["id:1"],
        "client_secret": [_SECRET],
    }


def test_the_secret_can_stand_in_a_header(clients: Clients) -> None:
    issuer = _Issuer()

    _granted(clients, issuer, method="basic")

    [request] = issuer.requests
    scheme, pair = request.headers["authorization"].split()
    assert scheme == "Basic"
    assert base64.b64decode(pair) == b"id%3A1:s3cret+%2B%2F%3D"
    assert b"secret" not in request.body


@pytest.mark.parametrize(
    ("expires_in", "lifetime"), [("600", 600), (None, 300), (1200.5, 1200), ("soon", 300)]
)
def test_lifetimes_are_read_as_servers_write_them(
    clients: Clients, expires_in: object, lifetime: int
) -> None:
    answer = {"access_token": "x", "token_type": "bearer", "expires_in": expires_in}

    token = _granted(clients, _Issuer(answer))

    assert lifetime - 60 < token.expires_on - _now() <= lifetime


@pytest.mark.parametrize(
    ("answer", "status", "code", "retryable"),
    [
        ({"error": "invalid_client", "error_description": _SECRET}, 401, "invalid_client", False),
        ({"error": 1}, 503, "", True),
        ([], 200, "", False),
        ({"access_token": 1, "token_type": "Bearer"}, 200, "", False),
        ({"access_token": "x", "token_type": "mac"}, 200, "", False),
    ],
)
def test_a_refusal_of_the_issuer_is_told_without_its_text(
    clients: Clients, answer: object, status: int, code: str, *, retryable: bool
) -> None:
    with pytest.raises(CredentialError) as caught:
        _granted(clients, _Issuer(answer, status))

    assert (caught.value.status, caught.value.code) == (status, code)
    assert caught.value.retryable is retryable
    assert _SECRET not in str(caught.value)


def test_secrets_are_not_for_plain_http_to_other_machines() -> None:
    with pytest.raises(RequestError, match="over https only"):
        _secret(token_url="http://login.test/t")  # noqa: S106


class _AzureCredential:
    """As azure-identity's credentials are called: more arguments, another type of token."""

    def get_token(
        self,
        *scopes: str,
        claims: str | None = None,
        tenant_id: str | None = None,
        enable_cae: bool = False,
        **_kwargs: Any,  # noqa: ANN401  theirs
    ) -> AzureToken:
        assert (scopes, claims, tenant_id, enable_cae) == ((_SCOPE,), None, None, False)
        return AzureToken("from-azure", int(_now()) + 3600)


def test_credentials_as_azure_identity_has_them_work(service: FakeService) -> None:
    made = AttestationClient(service.url, _AzureCredential(), transport=FakeTransport(service))

    made.get_openid_metadata()

    assert service.requests[0].headers["authorization"] == "Bearer from-azure"


def test_azure_identity_itself_works_unmodified(service: FakeService) -> None:
    class Authority(RequestsTransport):  # type: ignore[misc]  # untyped
        """Entra ID, as far as the library asks it."""

        def send(self, request: Any, **_options: Any) -> Any:  # noqa: ANN401  theirs
            return _AuthorityAnswer(request)

    credential = AzureSecretCredential(
        "aaaabbbb-0000-cccc-1111-dddd2222eeee",
        "id",
        _SECRET,
        transport=Authority(),
        disable_instance_discovery=True,
    )
    made = AttestationClient(
        service.url,
        credential,
        transport=FakeTransport(service),
        options=ClientOptions(application="test"),
    )

    made.get_openid_metadata()

    [request] = service.requests
    assert request.headers["authorization"] == "Bearer of-entra"
    assert request.headers["user-agent"].startswith("test assay/")


class _AuthorityAnswer:
    """What azure-core's pipeline reads of an answer."""

    status_code = 200
    content_type = "application/json"

    def __init__(self, request: Any) -> None:  # noqa: ANN401  theirs
        self.request = request
        self.headers = {"content-type": self.content_type}
        self.reason = "OK"
        login = "https://login.microsoftonline.com/t"
        self._document = (
            {"access_token": "of-entra", "token_type": "Bearer", "expires_in": 3600}
            if request.method == "POST"
            else {
                "issuer": f"{login}/v2.0",
                "authorization_endpoint": f"{login}/authorize",
                "token_endpoint": f"{login}/token",
            }
        )

    def text(self, encoding: str | None = None) -> str:
        return self.body().decode(encoding or "utf-8")

    def body(self) -> bytes:
        return json.dumps(self._document).encode()
