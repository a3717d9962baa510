"""API tokens that this service has given out."""

from __future__ import annotations

import asyncio
import hmac
from datetime import datetime
from typing import Final, Protocol

from assay.access import TOKEN_PREFIX, ApiToken, Caller, CallerKind, token_digest, token_id
from assay.errors import Finding, UnauthorizedError
from assay.server.auth.refusal import unauthorized

_NO_DIGEST: Final = bytes(32)


class ApiTokenStore(Protocol):
    """Where tokens are kept. Called from other threads."""

    def get(self, token_id: str) -> ApiToken | None:
        """The token, unless there is none or it has been revoked.

        Raises:
            StoreUnavailableError: It cannot be read.
        """
        ...


class ApiTokenAuthenticator:
    """Recognises callers by API tokens. A token that is taken out of the store ends at once."""

    __slots__ = ("_store",)

    def __init__(self, store: ApiTokenStore) -> None:
        self._store = store

    async def authenticate(self, text: str, *, at: datetime) -> Caller:
        """Whose token it is.

        Raises:
            UnauthorizedError: Not a token that was given out, or one that has ended.
            StoreUnavailableError: The tokens cannot be read.
        """
        identifier = token_id(text)
        if identifier is None:
            raise _refused("token_format", "a whole API token", "one that was cut or mistyped")
        token = await asyncio.to_thread(self._store.get, identifier)
        # The same work, and the same answer, whether the identifier is known or not.
        kept = _NO_DIGEST if token is None else token.digest
        if not hmac.compare_digest(token_digest(text), kept) or token is None:
            raise _refused("unknown", "an API token of this service", "an unknown or revoked one")
        if at >= token.expires_at:
            raise _refused("expired", "an API token that has not ended", f"{token.expires_at}")
        return Caller(
            kind=CallerKind.API_TOKEN,
            name=token.name,
            authority=f"{TOKEN_PREFIX}{token.token_id}",
            grants=token.grants,
        )


def _refused(error_class: str, expected: str, actual: str) -> UnauthorizedError:
    return unauthorized(
        "the API token is not accepted",
        Finding(check=f"access.api_token.{error_class}", expected=expected, actual=actual),
    )
