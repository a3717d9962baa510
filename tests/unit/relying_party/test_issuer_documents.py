"""Fetching keys: the source of threads and that of event loops, in the same tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from assay.errors import IssuerUnavailableError, SettingsError
from assay.relying_party.issuer_documents import AsyncHttpKeySource, HttpKeySource
from assay.token import KeySet
from tests.attestation_tokens import ISSUER, FakeService, served, service_key

Fetch = Callable[..., KeySet]


def _blocking(transport: Any, *, issuer: str = ISSUER, **options: Any) -> KeySet:  # noqa: ANN401
    source = HttpKeySource(issuer, transport=transport, **options)
    try:
        assert source.issuer == issuer
        return source.fetch_keys()
    finally:
        source.close()


def _async(transport: Any, *, issuer: str = ISSUER, **options: Any) -> KeySet:  # noqa: ANN401
    async def main() -> KeySet:
        source = AsyncHttpKeySource(issuer, transport=transport, **options)
        try:
            assert source.issuer == issuer
            return await source.fetch_keys()
        finally:
            await source.close()

    return asyncio.run(main())


@pytest.fixture(params=[_blocking, _async], ids=["threads", "event loop"])
def fetch(request: pytest.FixtureRequest) -> Fetch:
    chosen: Fetch = request.param
    return chosen


def _failure(fetch: Fetch, service: FakeService) -> str:
    with pytest.raises(IssuerUnavailableError) as caught:
        fetch(service.transport)
    assert ISSUER in caught.value.message
    return caught.value.message


def test_keys_are_those_that_the_metadata_leads_to(fetch: Fetch) -> None:
    service = FakeService()

    assert list(fetch(service.transport).keys) == [service_key().kid]
    assert service.asked == [f"{ISSUER}/.well-known/openid-configuration", f"{ISSUER}/certs"]


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/certs",
        "https://attest.example.evil.example/certs",
        "https://attest.example:8443/certs",
        "https://user@attest.example/certs",
        "http://attest.example/certs",
        "http://127.0.0.1/certs",
        "https://attest.example/certs?x=1",
        "https://attest.example/certs#x",
        "https://[",
        "file:///etc/passwd",
        "/certs",
        7,
        None,
    ],
)
def test_keys_of_another_origin_are_never_asked_for(fetch: Fetch, address: Any) -> None:  # noqa: ANN401
    """TK-06."""
    service = FakeService()
    service.metadata = service.metadata | {"jwks_uri": address}

    assert "own origin" in _failure(fetch, service)
    assert len(service.asked) == 1


def test_an_origin_may_name_its_port(fetch: Fetch) -> None:
    service = FakeService()
    service.metadata = service.metadata | {"jwks_uri": "https://attest.example:443/certs"}

    assert list(fetch(service.transport).keys) == [service_key().kid]


def test_metadata_of_another_issuer_is_refused(fetch: Fetch) -> None:
    service = FakeService()
    service.metadata = service.metadata | {"issuer": "https://other.example"}

    assert "other.example" in _failure(fetch, service)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (lambda: served(b"[]"), "JSON object"),
        (lambda: served(b"not json"), "not valid JSON"),
        (lambda: served(b"{}", status=404), "status 404"),
        (
            lambda: served(b"{}", status=302, location="https://evil.example"),
            "redirects are not followed",
        ),
        (lambda: served(b"{}", content_encoding="gzip"), "content coding"),
        (lambda: served(b" " * ((1 << 20) + 1)), "more than 1048576 bytes"),
        (httpx2.ConnectError("refused"), "ConnectError: refused"),
        (httpx2.ReadTimeout("slow"), "within 5 s"),
        (httpx2.InvalidURL("bad"), "InvalidURL"),
    ],
    ids=["array", "text", "404", "redirect", "gzip", "huge", "down", "slow", "address"],
)
def test_what_is_not_the_document_is_told(
    fetch: Fetch, fault: Exception | Callable[[], httpx2.Response], told: str
) -> None:
    assert told in _failure(fetch, FakeService(fault=fault))


def test_a_document_that_is_no_key_set_is_told(fetch: Fetch) -> None:
    assert "the key set needs" in _failure(fetch, FakeService(keys=b'{"keys":1}'))


def test_a_body_that_takes_too_long_as_a_whole_is_not_waited_for(fetch: Fetch) -> None:
    """ST-07."""
    with pytest.raises(IssuerUnavailableError, match="no complete answer within 0 s"):
        fetch(FakeService().transport, seconds=0)


@pytest.mark.parametrize(
    "issuer",
    [
        "attest.example",
        "http://attest.example",
        "https://attest.example/",
        "https://user:secret@attest.example",
        "https://attest.example?x=1",
        "https://attest.example:port",
        "ftp://attest.example",
        "",
    ],
)
def test_an_issuer_whose_keys_cannot_be_fetched_safely_is_refused(
    fetch: Fetch, issuer: str
) -> None:
    with pytest.raises(SettingsError, match="need the service's HTTPS URL"):
        fetch(None, issuer=issuer)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_an_issuer_on_this_machine_may_do_without_tls(fetch: Fetch, host: str) -> None:
    with pytest.raises(IssuerUnavailableError, match="status 404"):
        fetch(httpx2.MockTransport(lambda _: served(b"", status=404)), issuer=f"http://{host}:1")


def test_roots_that_are_not_there_are_told(fetch: Fetch, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="CA file"):
        fetch(None, ca_file=tmp_path / "none.pem")
