"""One document over HTTP: bounded in size and in time, tried again where that may help.

The bodies of refusals are not read, redirects are not followed, and answers are taken as they are:
no content coding, so that what is counted is what is kept.

Source: RFC 9110; Intel SGX and TDX PCS API v4, status codes; Intel PCCS design guide.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode, urlsplit

import httpx2
import stamina

from assay.endorsements.source import unavailable
from assay.errors import CollateralUnavailableError

_KIB: Final = 1024
_SERVER_ERRORS: Final = 500
_NO_CODING: Final = "identity"

_WAIT_INITIAL: Final = 0.2
_WAIT_MAX: Final = 3.0
_WAIT_JITTER: Final = 0.5

_TRY_LATER: Final = "try again later; if it lasts, look at the service's own status"
_HINTS: Final[Mapping[int, str]] = {
    400: "the service does not understand the question: check that it speaks API v4",
    401: "the service wants credentials, which verification needs none of: check the address",
    403: "the service refuses this machine: check the address and what is between",
    404: "the service has nothing on this platform, or not with this TCB evaluation data number",
    410: "the service no longer has this TCB evaluation data number: choose a later one",
    429: "too many questions; put a caching service (PCCS) in between",
    460: "the caching service has damaged data: refresh it",
    461: "the caching service does not know this platform: register it there",
    462: "the caching service has no certificates of this platform: refresh it",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchLimits:
    """What one document may cost, and all documents of one platform together."""

    attempts: int = 4
    connect_seconds: float = 3
    request_seconds: float = 6
    """For one attempt, from the connection to the last byte."""

    total_seconds: float = 15
    """For all documents with all attempts. Less than a caller of the service waits for."""

    retry_after_seconds: float = 5
    """A service that asks for more patience than this is not asked again."""

    body_bytes: int = 1024 * _KIB
    """The longest documents, TCB infos of TDX platforms, have about 30 kB."""

    header_bytes: int = 32 * _KIB
    """An issuer chain, URL-encoded, has about 5 kB."""

    connections: int = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRequest:
    """What to ask for."""

    url: str
    """Without a query."""

    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        path = urlsplit(self.url).path
        return f"{path}?{urlencode(self.query)}" if self.query else path


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedDocument:
    """What came."""

    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    """Names in lower case."""


class DocumentFetcher:
    """Fetches documents from one service."""

    __slots__ = ("_client", "_limits", "_name", "_now")

    def __init__(
        self,
        name: str,
        client: httpx2.AsyncClient,
        *,
        limits: FetchLimits,
        now: Callable[[], datetime],
    ) -> None:
        """A fetcher that closes `client` when it is closed.

        Args:
            name: The service's, for errors.
            client: As `open_http_client` makes it.
            limits: What a document may cost.
            now: For a `Retry-After` that names an instant.
        """
        self._name = name
        self._client = client
        self._limits = limits
        self._now = now

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def fetch(self, request: DocumentRequest) -> ServedDocument:
        """The document, after as many attempts as the limits allow.

        Raises:
            CollateralUnavailableError: It cannot be had; names the service, the path, what came
                and what to do.
        """
        retry = stamina.AsyncRetryingCaller(
            attempts=self._limits.attempts,
            timeout=None,
            wait_initial=_WAIT_INITIAL,
            wait_max=_WAIT_MAX,
            wait_jitter=_WAIT_JITTER,
        )
        try:
            return await retry(_patience, self._attempt, request)
        except _PassingError as passing:
            raise passing.error from passing

    async def _attempt(self, request: DocumentRequest) -> ServedDocument:
        limit = self._limits.request_seconds
        try:
            async with asyncio.timeout(limit):
                return await self._exchange(request)
        except (TimeoutError, httpx2.TimeoutException) as error:
            late = self._failure(request, f"no complete answer within {limit:g} s", _TRY_LATER)
            raise _PassingError(late) from error
        except (httpx2.TransportError, httpx2.InvalidURL) as error:
            raise self._broken(request, error) from error

    async def _exchange(self, request: DocumentRequest) -> ServedDocument:
        async with self._client.stream(
            "GET",
            request.url,
            params=request.query,
            headers={"Accept-Encoding": _NO_CODING, **dict(request.headers)},
        ) as response:
            if response.status_code != HTTPStatus.OK:
                raise self._refused(request, response)
            self._check_headers(request, response)
            return ServedDocument(
                body=await self._read(request, response),
                headers={name.lower(): value for name, value in response.headers.items()},
            )

    def _check_headers(self, request: DocumentRequest, response: httpx2.Response) -> None:
        size = sum(len(name) + len(value) for name, value in response.headers.raw)
        if size > self._limits.header_bytes:
            raise self._failure(
                request,
                f"{size} bytes of headers, more than {self._limits.header_bytes}",
                "check that the address is that of such a service",
            )
        coding = response.headers.get("content-encoding", _NO_CODING)
        if coding != _NO_CODING:
            raise self._failure(
                request,
                f"content coding {coding[:20]!r}, which was not asked for",
                "check what stands between this machine and the service",
            )

    async def _read(self, request: DocumentRequest, response: httpx2.Response) -> bytes:
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > self._limits.body_bytes:
                raise self._failure(
                    request,
                    f"more than {self._limits.body_bytes} bytes",
                    "check that the address is that of such a service",
                )
        return bytes(body)

    def _refused(self, request: DocumentRequest, response: httpx2.Response) -> Exception:
        status = response.status_code
        if response.is_redirect:
            return self._failure(
                request,
                f"status {status}, a redirect, and redirects are not followed",
                "set the source's address to the one that the service has now",
            )
        hint = _HINTS.get(status, _TRY_LATER if status >= _SERVER_ERRORS else "check the address")
        error = self._failure(request, f"status {status}", hint)
        if status != HTTPStatus.TOO_MANY_REQUESTS and status < _SERVER_ERRORS:
            return error
        asked = read_retry_after(response.headers.get("retry-after", ""), at=self._now())
        if asked is not None and asked > self._limits.retry_after_seconds:
            return self._failure(request, f"status {status}, Retry-After {asked:g} s", hint)
        return _PassingError(error, wait=asked)

    def _broken(self, request: DocumentRequest, error: Exception) -> Exception:
        if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _causes(error)):
            return self._failure(
                request,
                "a TLS certificate that this machine does not trust",
                "name the file with the service's root certificate as the source's CA file",
            )
        what = f"{type(error).__name__}: {error}"
        return _PassingError(
            self._failure(request, what, "check the address, the network and the proxy")
        )

    def _failure(
        self, request: DocumentRequest, actual: str, hint: str
    ) -> CollateralUnavailableError:
        return unavailable(f"a document from {self._name} at {request}", actual, hint)


def read_retry_after(text: str, *, at: datetime) -> float | None:
    """Seconds to wait by a `Retry-After` header; nothing if it says nothing that can be read.

    Source: RFC 9110 section 10.2.3.
    """
    if text.isascii() and text.isdecimal():
        return float(text)
    try:
        instant = parsedate_to_datetime(text)
        wait = instant.replace(tzinfo=instant.tzinfo or UTC) - at
    except (ValueError, TypeError, IndexError, OverflowError):
        # The standard library's parser of dates does not promise one error for all it refuses.
        return None
    return max(0.0, wait.total_seconds())


class _PassingError(Exception):
    """A failure that another attempt may not meet."""

    def __init__(self, error: CollateralUnavailableError, *, wait: float | None = None) -> None:
        super().__init__(error.message)
        self.error = error
        self.wait = wait


def _patience(error: Exception) -> bool | float:
    """Whether to try again, or after how many seconds."""
    if not isinstance(error, _PassingError):
        return False
    return True if error.wait is None else error.wait


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
