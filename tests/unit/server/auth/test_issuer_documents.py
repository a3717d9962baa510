from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx2
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from starlette.types import Receive, Scope, Send

from assay.encoding import JsonValue
from assay.errors import IssuerUnavailableError, SettingsError
from assay.server.answers import send_body
from assay.server.auth.issuer_documents import IssuerDocuments
from assay.token import KeySet
from tests.conftest import AT
from tests.issuers import ISSUER, FakeIssuer, issuer_key, jwk, served
from tests.servers.loopback import loopback
from tests.servers.tls import tls_identity
from tests.servers.virtual_time import run

_METADATA = f"{ISSUER}/.well-known/openid-configuration"


async def _fetch(
    transport: httpx2.AsyncBaseTransport | None,
    issuer: str = ISSUER,
    *,
    discovery_url: str | None = None,
    ca_file: Path | None = None,
) -> KeySet:
    documents = IssuerDocuments(
        issuer, discovery_url=discovery_url, ca_file=ca_file, transport=transport
    )
    try:
        return await documents.fetch_keys()
    finally:
        await documents.close()


def _refusal(server: FakeIssuer | httpx2.AsyncBaseTransport) -> str:
    transport = server.transport if isinstance(server, FakeIssuer) else server
    with pytest.raises(IssuerUnavailableError) as caught:
        run(_fetch(transport))
    assert caught.value.message.startswith(f"the keys of issuer {ISSUER} cannot be had: ")
    return caught.value.message


def test_keys_are_fetched_where_the_metadata_says() -> None:
    server = FakeIssuer()

    keys = asyncio.run(_fetch(server.transport))

    assert list(keys.keys) == [issuer_key().kid]
    assert server.asked == [_METADATA, "https://keys.example/jwks"]


def test_an_issuer_that_ends_in_a_slash_has_metadata_below_it() -> None:
    """Entra ID's first form of `iss`."""
    issuer = "https://sts.windows.net/tenant/"
    server = FakeIssuer(metadata={"issuer": issuer, "jwks_uri": "https://keys.example/jwks"})

    asyncio.run(_fetch(server.transport, issuer))

    assert server.asked[0] == "https://sts.windows.net/tenant/.well-known/openid-configuration"


def test_metadata_may_be_elsewhere() -> None:
    server = FakeIssuer()
    url = "https://inside.example/.well-known/openid-configuration"

    asyncio.run(_fetch(server.transport, discovery_url=url))

    assert server.asked[0] == url


@pytest.mark.parametrize("issuer", [f"{ISSUER}/", "https://login.example/{tenantid}/v2.0", None, 1])
def test_metadata_of_another_issuer_are_refused(issuer: JsonValue) -> None:
    server = FakeIssuer()
    server.metadata["issuer"] = issuer

    assert "metadata of the issuer" in _refusal(server)
    assert server.fetches == 0


@pytest.mark.parametrize(
    "address",
    [
        None,
        1,
        "",
        "keys",
        "http://keys.example/jwks",
        "http://127.0.0.1/jwks",
        "file:///etc/passwd",
        "https://[",
        "https://",
    ],
)
def test_keys_are_fetched_by_https_only(address: JsonValue) -> None:
    """TK-06."""
    server = FakeIssuer()
    server.metadata["jwks_uri"] = address

    assert "the jwks_uri" in _refusal(server)
    assert server.asked == [_METADATA]


def test_an_issuer_on_this_machine_may_do_without_tls() -> None:
    issuer = "http://127.0.0.1:5556/dex"
    server = FakeIssuer(metadata={"issuer": issuer, "jwks_uri": "http://127.0.0.1:5556/dex/keys"})

    with pytest.raises(IssuerUnavailableError, match=r"/dex/keys gives status 404"):
        asyncio.run(_fetch(server.transport, issuer))


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"issuer":"a","issuer":"b"}', b"[" * 100_000, b"\xff"]
)
def test_metadata_that_are_not_strict_json_are_refused(body: bytes) -> None:
    """PA-10."""
    assert "metadata: " in _refusal(FakeIssuer(fault=served(body)))


def test_two_keys_of_one_name_are_refused() -> None:
    server = FakeIssuer(keys=[jwk(issuer_key()), jwk(issuer_key())])

    assert "two for" in _refusal(server)


def test_secret_and_foreign_keys_are_passed_over() -> None:
    """TK-01: a shared secret in the set never becomes a key."""
    odd: list[dict[str, JsonValue]] = [
        {"kid": "secret", "kty": "oct", "k": "c2VjcmV0", "alg": "HS256"},
        {"kid": "ed", "kty": "OKP", "crv": "Ed25519", "x": "AA"},
        jwk(issuer_key(1), use="enc"),
        jwk(issuer_key(2), key_ops=["encrypt"]),
    ]
    server = FakeIssuer(keys=[*odd, jwk(issuer_key())])

    keys = asyncio.run(_fetch(server.transport))

    assert list(keys.keys) == [issuer_key().kid]
    assert len(keys.passed_over) == 4


@pytest.mark.parametrize(
    ("response", "shown"),
    [
        (served(b"{}", status=404), "status 404"),
        (served(b"{}", status=500), "status 500"),
        (served(b"{}", status=302, location="https://other.example"), "status 302"),
        (httpx2.Response(200, headers={"content-encoding": "br"}), "a content coding"),
        (served(b" " * ((1 << 20) + 1)), "more than 1048576 bytes"),
    ],
    ids=["not found", "broken", "redirect", "coding", "size"],
)
def test_an_answer_that_is_none_is_refused(response: httpx2.Response, shown: str) -> None:
    assert shown in _refusal(FakeIssuer(fault=response))


@pytest.mark.parametrize(
    "error", [httpx2.ConnectError("refused"), httpx2.ReadTimeout("late"), httpx2.InvalidURL("odd")]
)
def test_an_issuer_that_cannot_be_reached_is_unavailable(error: Exception) -> None:
    assert "check the" in _refusal(FakeIssuer(fault=error))


def test_an_issuer_that_never_ends_is_not_waited_for() -> None:
    async def wait(_request: httpx2.Request) -> httpx2.Response:
        await asyncio.sleep(3600)
        raise AssertionError

    assert "no complete answer within 5 s" in _refusal(httpx2.MockTransport(wait))


def test_an_issuer_is_reached_over_tls_with_a_ca_of_its_own(tmp_path: Path) -> None:
    certificate, key = tls_identity("127.0.0.1", at=AT)
    ca_file, key_file = tmp_path / "ca.pem", tmp_path / "key.pem"
    ca_file.write_bytes(certificate.public_bytes(Encoding.PEM))
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        own = f"https://127.0.0.1:{scope['server'][1]}"
        document: dict[str, JsonValue] = {"issuer": own, "jwks_uri": f"{own}/keys"}
        if scope["path"] == "/keys":
            document = {"keys": [jwk(issuer_key())]}
        await send_body(send, json.dumps(document).encode())

    with loopback(app, certificate=ca_file, key=key_file) as address:
        keys = asyncio.run(_fetch(None, address, ca_file=ca_file))
        with pytest.raises(IssuerUnavailableError, match="ca_file"):
            asyncio.run(_fetch(None, address))

    assert list(keys.keys) == [issuer_key().kid]


def test_a_ca_file_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError):
        IssuerDocuments(ISSUER, ca_file=tmp_path / "missing.pem")
