"""Access tokens for requests, got when they are needed and by one task at a time."""

from __future__ import annotations

import asyncio
from typing import final

from assay import clock
from assay.client.aio.credentials import AsyncTokenCredential
from assay.client.errors import AttestationError
from assay.client.kept_token import Freshness, KeptToken, credential_failed, log_kept


@final
class AsyncBearerTokens:
    """The tokens of a credential for one scope."""

    def __init__(self, credential: AsyncTokenCredential, scope: str) -> None:
        self._credential = credential
        self._scope = scope
        self._kept: KeptToken | None = None
        self._renewing = asyncio.Lock()

    async def token(self) -> str:
        """A token that is good now.

        Raises:
            CredentialError: The credential gives none.
        """
        kept = self._kept
        freshness = Freshness.GONE if kept is None else kept.freshness(at=_now())
        if kept is not None and freshness is Freshness.FRESH:
            return kept.token
        if kept is not None and freshness is Freshness.DUE:
            return await self._renewed_by_one(kept)
        async with self._renewing:
            current = self._kept
            if current is None or current.freshness(at=_now()) is Freshness.GONE:
                current = await self._get()
            return current.token

    def forget(self, token: str) -> None:
        """Let go of a token that the service refused."""
        if self._kept is not None and self._kept.token == token:
            self._kept = None

    async def _renewed_by_one(self, kept: KeptToken) -> str:
        if self._renewing.locked():
            return kept.token  # Another task is at it, and this one is good.
        async with self._renewing:
            try:
                return (await self._get()).token
            except AttestationError as error:
                log_kept(error)
                self._kept = kept.later(at=_now())
                return kept.token

    async def _get(self) -> KeptToken:
        try:
            given = await self._credential.get_token(self._scope)
        except Exception as error:
            raise credential_failed(error) from error
        self._kept = kept = KeptToken.of(given, at=_now())
        return kept


def _now() -> float:
    return clock.now().timestamp()
