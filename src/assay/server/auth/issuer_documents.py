"""An issuer's metadata and keys over HTTP: bounded, without redirects, at the addresses it names.

Source: OpenID Connect Discovery 1.0, sections 4 and 7.1; RFC 8414 section 3.3.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx2

from assay.encoding import EncodingError, parse_json_object
from assay.endorsements.fetch import FetchLimits
from assay.endorsements.http_client import open_http_client
from assay.errors import IssuerUnavailableError, TokenError
from assay.server.auth.settings_check import is_secure_url
from assay.token import KeySet, parse_key_set

_WELL_KNOWN: Final = "/.well-known/openid-configuration"
_NO_CODING: Final = "identity"
_MAX_BYTES: Final = 1 << 20
"""The largest key sets of public issuers have some 50 kB."""

_LIMITS: Final = FetchLimits(connect_seconds=3, request_seconds=5, connections=2)


class IssuerDocuments:
    """Fetches one issuer's keys. Every call asks the issuer anew."""

    __slots__ = ("_client", "_discovery_url", "issuer")

    def __init__(
        self,
        issuer: str,
        *,
        discovery_url: str | None = None,
        ca_file: Path | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        """Documents of an issuer.

        Args:
            issuer: As it stands in `iss`.
            discovery_url: The metadata's address, if it is not below the issuer's.
            ca_file: PEM file of the roots to trust in place of the machine's.
            transport: What carries requests in place of the network.

        Raises:
            SettingsError: The CA file is missing, or holds no certificate.
        """
        self.issuer = issuer
        self._discovery_url = discovery_url or issuer.rstrip("/") + _WELL_KNOWN
        self._client = open_http_client(limits=_LIMITS, ca_file=ca_file, transport=transport)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def fetch_keys(self) -> KeySet:
        """The keys that the issuer publishes now.

        Raises:
            IssuerUnavailableError: They cannot be had; says what came and what to do.
        """
        address = self._keys_address(await self._fetch(self._discovery_url))
        document = await self._fetch(address)
        try:
            return parse_key_set(document)
        except TokenError as error:
            raise self._failure(
                address, error.message, "the issuer's keys are out of order"
            ) from error

    def _keys_address(self, metadata: bytes) -> str:
        try:
            members = parse_json_object(metadata, "metadata")
        except EncodingError as error:
            raise self._failure(
                self._discovery_url,
                error.message,
                "check that the address is that of the issuer's metadata",
            ) from error
        # OpenID Connect Discovery section 4.3: whoever answers must be whom tokens will name.
        if members.get("issuer") != self.issuer:
            raise self._failure(
                self._discovery_url,
                f"metadata of the issuer {str(members.get('issuer'))[:200]!r}",
                "set auth.issuers.issuer to the one that the metadata names, if it is the right "
                "one",
            )
        address = members.get("jwks_uri")
        if not isinstance(address, str) or not self._may_fetch(address):
            raise self._failure(
                self._discovery_url,
                f"the jwks_uri {str(address)[:200]!r}",
                "the issuer must publish its keys by HTTPS",
            )
        return address

    def _may_fetch(self, url: str) -> bool:
        # Only an issuer on this machine may send us to this machine without TLS.
        return is_secure_url(url) and urlsplit(url).scheme in {
            "https",
            urlsplit(self._discovery_url).scheme,
        }

    async def _fetch(self, url: str) -> bytes:
        limit = _LIMITS.request_seconds
        try:
            async with asyncio.timeout(limit):
                return await self._exchange(url)
        except (TimeoutError, httpx2.TimeoutException) as error:
            raise self._failure(
                url, f"no complete answer within {limit:g} s", "check the network and the proxy"
            ) from error
        except (httpx2.TransportError, httpx2.InvalidURL) as error:
            raise self._failure(
                url,
                f"{type(error).__name__}: {error}",
                "check the address, the network, and auth.issuers.ca_file",
            ) from error

    async def _exchange(self, url: str) -> bytes:
        headers = {"Accept": "application/json", "Accept-Encoding": _NO_CODING}
        async with self._client.stream("GET", url, headers=headers) as response:
            if response.status_code != HTTPStatus.OK:
                raise self._failure(
                    url,
                    f"status {response.status_code}",
                    "check auth.issuers.issuer and discovery_url; redirects are not followed",
                )
            if response.headers.get("content-encoding", _NO_CODING) != _NO_CODING:
                raise self._failure(
                    url, "a content coding that was not asked for", "check what stands in between"
                )
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > _MAX_BYTES:
                    raise self._failure(
                        url,
                        f"more than {_MAX_BYTES} bytes",
                        "check that the address is that of an issuer",
                    )
            return bytes(body)

    def _failure(self, url: str, actual: str, hint: str) -> IssuerUnavailableError:
        return IssuerUnavailableError(
            f"the keys of issuer {self.issuer} cannot be had: {url} gives {actual}; {hint}"
        )
