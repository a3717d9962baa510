"""Who calls, for asyncio: what gives access tokens, as those of `azure.identity.aio` do."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol, final

from assay.client.aio.transport import AsyncHttpTransport, AsyncTransport
from assay.client.credentials import (
    AccessToken,
    AccessTokenInfo,
    ClientSecret,
    read_access_token,
)
from assay.client.credentials import StaticTokenCredential as _StaticToken
from assay.client.options import ClientOptions


class AsyncTokenCredential(Protocol):
    """Whatever gives access tokens."""

    def get_token(self, *scopes: str) -> Awaitable[AccessTokenInfo]:
        """A token for these scopes."""
        ...


@final
class StaticTokenCredential:
    """A token that somebody made before, such as an API token of Assay."""

    def __init__(self, token: str) -> None:
        """A credential by its token.

        Raises:
            RequestError: It is empty, or has characters that no header can have.
        """
        self._inner = _StaticToken(token)

    async def get_token(self, *scopes: str) -> AccessToken:
        """The token, whatever the scopes."""
        return self._inner.get_token(*scopes)


@final
class ClientSecretCredential:
    """The OAuth 2.0 client credentials grant."""

    def __init__(
        self,
        client: ClientSecret,
        *,
        options: ClientOptions | None = None,
        transport: AsyncTransport | None = None,
    ) -> None:
        """A credential by a client's registration.

        Args:
            client: The registration.
            options: How the authorization server is reached.
            transport: What carries requests in place of the network.
        """
        self._client = client
        self._transport = transport or AsyncHttpTransport(options)

    async def get_token(self, *scopes: str) -> AccessToken:
        """A new token for these scopes.

        Raises:
            CredentialError: The server refused, or its answer is none.
            TransportError: It does not answer.
        """
        return read_access_token(await self._transport.send(self._client.request(scopes)))

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()
