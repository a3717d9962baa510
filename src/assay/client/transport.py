"""How requests reach a service: one method, which tests and other transports replace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Protocol, Self
from urllib.parse import urlsplit

import httpx2

from assay.client.errors import TransportError
from assay.errors import RequestError

MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024
"""Many times what any answer of the protocol has."""

DEFAULT_TIMEOUT_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """One request, complete."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """One answer, complete."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""


class Transport(Protocol):
    """Whatever answers requests."""

    def send(self, request: HttpRequest) -> HttpResponse:
        """The answer to `request`, whatever its status.

        Raises:
            TransportError: There is none.
        """
        ...


class HttpTransport:
    """HTTP over the network. Redirects are not followed: evidence goes where it was sent."""

    def __init__(self, *, timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS) -> None:
        self._client = httpx2.Client(timeout=timeout_seconds, follow_redirects=False)

    def send(self, request: HttpRequest) -> HttpResponse:
        """See `Transport.send`; an answer of more than `MAX_ANSWER_BYTES` is none."""
        try:
            with self._client.stream(
                request.method,
                request.url,
                headers=dict(request.headers),
                content=request.body or None,
            ) as response:
                return HttpResponse(
                    status=response.status_code,
                    body=_bounded(response),
                    headers={name.lower(): value for name, value in response.headers.items()},
                )
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise TransportError(
                f"{_origin(request.url)} does not answer: {str(error) or type(error).__name__}; "
                "check the address and that the service runs"
            ) from error

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def __enter__(self) -> Self:
        """The transport itself; its connections are closed at the end."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self.close()


def base_url(url: str) -> str:
    """The address of an instance without a trailing slash.

    Raises:
        RequestError: Not an `http` or `https` URL of a host, or one with a query.
    """
    try:
        parts = urlsplit(url)
        fits = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        fits = fits and not (parts.query or parts.fragment)
    except ValueError:
        fits = False
    if not fits:
        raise RequestError(f"expected a URL such as https://attest.example.net, got {url!r}")
    return url.rstrip("/")


def _bounded(response: httpx2.Response) -> bytes:
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise TransportError(
                f"{_origin(str(response.url))} answers with more than {MAX_ANSWER_BYTES} bytes, "
                "which no attestation service does; check the address"
            )
    return bytes(body)


def _origin(url: str) -> str:
    return "/".join(url.split("/", 3)[:3])
