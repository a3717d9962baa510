"""An attestation service's metadata and keys over HTTP: bounded, without redirects, from it alone.

The keys must stand at the service's own origin. What a token says of its key's address (`jku`,
`x5u`) is never looked at.

Source: OpenID Connect Discovery 1.0, sections 4 and 7.1; MAA's metadata operations.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from pathlib import Path
from time import monotonic
from typing import Final
from urllib.parse import SplitResult, urlsplit

import httpx2

from assay.encoding import EncodingError, parse_json_object
from assay.endorsements.http_client import tls_context
from assay.errors import IssuerUnavailableError, SettingsError, TokenError
from assay.token import KeySet, parse_key_set

_WELL_KNOWN: Final = "/.well-known/openid-configuration"
_MAX_BYTES: Final = 1 << 20
_NO_CODING: Final = "identity"
_HEADERS: Final = {"Accept": "application/json", "Accept-Encoding": _NO_CODING}
DOCUMENT_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class _Issuer:
    """The addresses of a service, and the errors that it causes."""

    name: str
    seconds: float

    @classmethod
    def read(cls, issuer: str, seconds: float) -> _Issuer:
        """The issuer of a URL that its keys may be fetched from.

        Raises:
            SettingsError: Not an HTTPS URL, nor an HTTP one of this machine.
        """
        parts = _split(issuer)
        if parts is None or issuer.endswith("/"):
            raise SettingsError(
                "issuer: need the service's HTTPS URL as it stands in `iss`, without a slash at "
                f"its end, or an HTTP one of this machine, got {issuer!r}; the keys of any other "
                "issuer can be given as a key set"
            )
        return cls(issuer, seconds)

    @property
    def metadata_url(self) -> str:
        return self.name + _WELL_KNOWN

    def keys_url(self, metadata: bytes) -> str:
        """Where the metadata says the keys are.

        Raises:
            IssuerUnavailableError: It is of another issuer, or the address is.
        """
        try:
            members = parse_json_object(metadata, "metadata")
        except EncodingError as error:
            raise self.failure(self.metadata_url, error.message) from error
        if members.get("issuer") != self.name:
            raise self.failure(
                self.metadata_url, f"metadata of the issuer {str(members.get('issuer'))[:200]!r}"
            )
        address = str(members.get("jwks_uri"))
        parts, own = _split(address), _split(self.name)
        if parts is None or own is None or _origin(parts) != _origin(own):
            raise self.failure(
                self.metadata_url, f"the jwks_uri {address[:200]!r}, not of the issuer's own origin"
            )
        return address

    def read_keys(self, url: str, document: bytes) -> KeySet:
        """The keys in a document.

        Raises:
            IssuerUnavailableError: It is not a key set.
        """
        try:
            return parse_key_set(document)
        except TokenError as error:
            raise self.failure(url, error.message) from error

    def check(self, url: str, response: httpx2.Response) -> None:
        """Look at an answer before its body is read.

        Raises:
            IssuerUnavailableError: It is not the document.
        """
        if response.status_code != HTTPStatus.OK:
            raise self.failure(url, f"status {response.status_code}; redirects are not followed")
        if response.headers.get("content-encoding", _NO_CODING) != _NO_CODING:
            raise self.failure(url, "a content coding that was not asked for")

    def check_progress(self, url: str, body: bytearray, deadline: float) -> None:
        """Look at how far the reading of a body has come.

        Raises:
            IssuerUnavailableError: It is too long, or takes too long.
        """
        if len(body) > _MAX_BYTES:
            raise self.failure(url, f"more than {_MAX_BYTES} bytes")
        if monotonic() > deadline:
            raise self.failure(url, f"no complete answer within {self.seconds:g} s")

    @contextmanager
    def failures(self, url: str) -> Iterator[None]:
        """Turn what HTTP fails with into the error.

        Raises:
            IssuerUnavailableError: In place of it.
        """
        try:
            yield
        except (TimeoutError, httpx2.TimeoutException) as error:
            raise self.failure(url, f"no complete answer within {self.seconds:g} s") from error
        except (httpx2.TransportError, httpx2.InvalidURL) as error:
            raise self.failure(url, f"{type(error).__name__}: {error}") from error

    def failure(self, url: str, actual: str) -> IssuerUnavailableError:
        """The error, for the caller to raise."""
        return IssuerUnavailableError(
            f"the keys of issuer {self.name} cannot be had: {url} gives {actual}; check the "
            "address, the network, and which roots are trusted"
        )


class HttpKeySource:
    """Fetches a service's keys, anew with every call."""

    __slots__ = ("_client", "_issuer", "issuer")

    def __init__(
        self,
        issuer: str,
        *,
        ca_file: Path | None = None,
        seconds: float = DOCUMENT_SECONDS,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        """Keys of an issuer.

        Args:
            issuer: The service's URL, as it stands in `iss`.
            ca_file: PEM file of the roots to trust in place of the machine's.
            seconds: For one document, from the first byte sent to the last received.
            transport: What carries requests in place of the network.

        Raises:
            SettingsError: The URL is not fit, or the file holds no certificate.
        """
        self._issuer = _Issuer.read(issuer, seconds)
        self.issuer = issuer
        self._client = httpx2.Client(
            verify=tls_context(ca_file),
            follow_redirects=False,
            timeout=seconds,
            transport=transport,
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def fetch_keys(self) -> KeySet:
        """The keys that the service publishes now.

        Raises:
            IssuerUnavailableError: They cannot be had; says what came.
        """
        url = self._issuer.keys_url(self._fetch(self._issuer.metadata_url))
        return self._issuer.read_keys(url, self._fetch(url))

    def _fetch(self, url: str) -> bytes:
        deadline = monotonic() + self._issuer.seconds
        body = bytearray()
        with (
            self._issuer.failures(url),
            self._client.stream("GET", url, headers=_HEADERS) as response,
        ):
            self._issuer.check(url, response)
            for chunk in response.iter_raw():
                body += chunk
                self._issuer.check_progress(url, body, deadline)
        return bytes(body)


class AsyncHttpKeySource:
    """The same for an event loop."""

    __slots__ = ("_client", "_issuer", "issuer")

    def __init__(
        self,
        issuer: str,
        *,
        ca_file: Path | None = None,
        seconds: float = DOCUMENT_SECONDS,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        """See `HttpKeySource`."""
        self._issuer = _Issuer.read(issuer, seconds)
        self.issuer = issuer
        self._client = httpx2.AsyncClient(
            verify=tls_context(ca_file),
            follow_redirects=False,
            timeout=seconds,
            transport=transport,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def fetch_keys(self) -> KeySet:
        """See `HttpKeySource.fetch_keys`."""
        url = self._issuer.keys_url(await self._fetch(self._issuer.metadata_url))
        return self._issuer.read_keys(url, await self._fetch(url))

    async def _fetch(self, url: str) -> bytes:
        deadline = monotonic() + self._issuer.seconds
        body = bytearray()
        with self._issuer.failures(url):
            async with (
                asyncio.timeout(self._issuer.seconds),
                self._client.stream("GET", url, headers=_HEADERS) as response,
            ):
                self._issuer.check(url, response)
                async for chunk in response.aiter_raw():
                    body += chunk
                    self._issuer.check_progress(url, body, deadline)
        return bytes(body)


def _split(url: str) -> SplitResult | None:
    """The parts of an address that keys may be fetched from, if it is one."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return None
    if not host or parts.query or parts.fragment or parts.username is not None:
        return None
    if parts.scheme == "https" or (parts.scheme == "http" and _is_this_machine(host)):
        return parts
    return None


def _origin(parts: SplitResult) -> tuple[str, str | None, int]:
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}[parts.scheme]


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
