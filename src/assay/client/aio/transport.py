"""How requests reach a service, for asyncio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from assay.client.client_certificate import ClientCertificate
from assay.client.http import HttpRequest, HttpResponse
from assay.client.options import ClientOptions
from assay.client.transport import answer, check_size, connection_arguments, told

if TYPE_CHECKING:
    import httpx2


class AsyncTransport(Protocol):
    """Whatever answers requests; for several tasks at a time."""

    async def send(self, request: HttpRequest) -> HttpResponse:
        """The answer to `request`, whatever its status.

        Raises:
            TransportError: There is none.
        """
        ...

    async def close(self) -> None:
        """Let go of what is held open."""
        ...


class AsyncHttpTransport:
    """HTTP over the network. Redirects are not followed: evidence goes where it was sent."""

    def __init__(
        self, options: ClientOptions | None = None, *, certificate: ClientCertificate | None = None
    ) -> None:
        self._options = options or ClientOptions()
        self._certificate = certificate
        self._client: httpx2.AsyncClient | None = None

    async def send(self, request: HttpRequest) -> HttpResponse:
        """See `AsyncTransport.send`; an answer of more than `MAX_ANSWER_BYTES` is none.

        Raises:
            RequestError: A file that the options name is not what it should be.
        """
        client = self._opened()
        with told(request.url):
            async with client.stream(
                request.method,
                request.url,
                headers=dict(request.headers),
                content=request.body or None,
            ) as response:
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    check_size(body, request.url)
                return answer(response.status_code, response.headers, bytes(body))

    async def close(self) -> None:
        """Close the connections. The next request opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _opened(self) -> httpx2.AsyncClient:
        if self._client is None:
            import httpx2

            self._client = httpx2.AsyncClient(
                **connection_arguments(self._options, self._certificate)
            )
        return self._client
