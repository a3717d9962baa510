"""How requests reach a service: one method, which tests and other transports replace."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol

from assay.client.client_certificate import ClientCertificate
from assay.client.endpoint import THIS_MACHINE, origin
from assay.client.errors import TransportError
from assay.client.http import MAX_ANSWER_BYTES, HttpRequest, HttpResponse
from assay.client.options import ClientOptions

if TYPE_CHECKING:
    import httpx2

KEPT_SECONDS: Final = 4.0
"""After which an idle connection is closed: less than the five that common servers wait."""


class Transport(Protocol):
    """Whatever answers requests; by several threads at a time."""

    def send(self, request: HttpRequest) -> HttpResponse:
        """The answer to `request`, whatever its status.

        Raises:
            TransportError: There is none.
        """
        ...

    def close(self) -> None:
        """Let go of what is held open."""
        ...


class HttpTransport:
    """HTTP over the network. Redirects are not followed: evidence goes where it was sent."""

    def __init__(
        self, options: ClientOptions | None = None, *, certificate: ClientCertificate | None = None
    ) -> None:
        self._options = options or ClientOptions()
        self._certificate = certificate
        self._client: httpx2.Client | None = None
        self._opening = threading.Lock()

    def send(self, request: HttpRequest) -> HttpResponse:
        """See `Transport.send`; an answer of more than `MAX_ANSWER_BYTES` is none.

        Raises:
            RequestError: A file that the options name is not what it should be.
        """
        client = self._opened()
        with (
            told(request.url),
            client.stream(
                request.method,
                request.url,
                headers=dict(request.headers),
                content=request.body or None,
            ) as response,
        ):
            body = bytearray()
            for chunk in response.iter_bytes():
                body += chunk
                check_size(body, request.url)
            return answer(response.status_code, response.headers, bytes(body))

    def close(self) -> None:
        """Close the connections. The next request opens new ones."""
        with self._opening:
            if self._client is not None:
                self._client.close()
                self._client = None

    def _opened(self) -> httpx2.Client:
        if (client := self._client) is not None:
            return client
        import httpx2

        with self._opening:
            if self._client is None:
                self._client = httpx2.Client(
                    **connection_arguments(self._options, self._certificate)
                )
            return self._client


def connection_arguments(
    options: ClientOptions, certificate: ClientCertificate | None
) -> dict[str, Any]:
    """What `httpx2.Client` and `AsyncClient` are made with.

    Raises:
        RequestError: A file is missing or is not what it should be.
    """
    import httpx2

    from assay.client.tls import tls_context

    return {
        "verify": tls_context(options, certificate),
        "proxy": options.proxy,
        # What may go to this machine in the clear must not go to a proxy in the clear.
        "mounts": {_pattern(host): None for host in THIS_MACHINE},
        "trust_env": options.trust_env,
        "follow_redirects": False,
        # Waiting for a connection of our own is no failure of the service.
        "timeout": httpx2.Timeout(
            options.timeout_seconds, connect=options.connect_timeout_seconds, pool=None
        ),
        "limits": httpx2.Limits(
            max_connections=options.max_connections,
            max_keepalive_connections=options.max_connections,
            keepalive_expiry=KEPT_SECONDS,
        ),
    }


@contextmanager
def told(url: str) -> Iterator[None]:
    """Turn what the HTTP client raises into our own error."""
    import ssl

    import httpx2

    try:
        yield
    # Alerts that come after the handshake, as TLS 1.3 has them, arrive as they are.
    except (httpx2.HTTPError, httpx2.InvalidURL, ssl.SSLError) as error:
        unsent = isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.ProxyError)
        raise TransportError(
            f"{origin(url)} does not answer: {str(error) or type(error).__name__}; "
            "check the address and that the service runs",
            retryable=isinstance(error, httpx2.TransportError) and not _is_distrust(error),
            sent=not unsent,
        ) from error


def check_size(body: bytearray, url: str) -> None:
    """Stop reading what no service sends.

    Raises:
        TransportError: It is too much.
    """
    if len(body) > MAX_ANSWER_BYTES:
        raise TransportError(
            f"{origin(url)} answers with more than {MAX_ANSWER_BYTES} bytes, "
            "which no attestation service does; check the address"
        )


def answer(status: int, headers: Mapping[str, str], body: bytes) -> HttpResponse:
    """An answer as a value."""
    return HttpResponse(
        status=status, body=body, headers={name.lower(): text for name, text in headers.items()}
    )


def _pattern(host: str) -> str:
    return f"all://[{host}]" if ":" in host else f"all://{host}"


def _is_distrust(error: BaseException) -> bool:
    """Whether the service's certificate was refused: trying again does not help."""
    import ssl

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
