"""Access tokens: whom they are given to, and how they are got."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs

import pytest
from azure.core.credentials import AccessToken as AzureToken
from azure.core.pipeline.transport import RequestsTransport
from azure.identity import ClientSecretCredential as AzureSecretCredential

from assay import client
from assay.client import (
    AccessToken,
    AttestationClient,
    ClientCertificate,
    ClientOptions,
    ClientSecret,
    CredentialError,
    HttpRequest,
    HttpResponse,
    RequestError,
    StaticTokenCredential,
    aio,
)
from assay.client.testing import FakeService, FakeTransport
from tests.clients import Clients
from tests.unit.client.conftest import SCOPE, now_seconds

_SECRET: Final = "s3cret +/="  # noqa: S105  made up


def test_the_token_goes_with_every_request(clients: Clients, service: FakeService) -> None:
    made = clients.attestation(
        service.url, clients.static_token("abc"), transport=clients.transport(service)
    )

    made.attest_sgx_enclave(b"q")

    assert [one.headers["authorization"] for one in service.requests] == ["Bearer abc"] * 2


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
        "https://x/\udcff",
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
    assert 3500 < token.expires_on - now_seconds() <= 3600
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

    assert lifetime - 60 < token.expires_on - now_seconds() <= lifetime


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
        assert (scopes, claims, tenant_id, enable_cae) == ((SCOPE,), None, None, False)
        return AzureToken("from-azure", int(now_seconds()) + 3600)


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
