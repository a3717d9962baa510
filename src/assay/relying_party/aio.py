"""Verifying attestation tokens of one issuer on an event loop."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Self

from assay import clock
from assay.relying_party.demands import TokenDemands
from assay.relying_party.issuer_keys import IssuerKeys, KeySource
from assay.relying_party.requirements import Requirements
from assay.relying_party.token_checks import SignerCheck, TokenChecks
from assay.token import KeySet, VerifiedToken, read_key_id


class AsyncTokenVerifier:
    """Verifies tokens of one issuer, for one event loop; see `TokenVerifier`.

    Nothing but fetching keys waits.
    """

    __slots__ = ("_checks", "_fixed", "_keys", "_now")

    def __init__(
        self,
        issuer: str,
        requirements: Requirements | None = None,
        *,
        demands: TokenDemands | None = None,
        keys: KeySet | KeySource | None = None,
        signer: SignerCheck | None = None,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        """See `TokenVerifier`."""
        self._checks = TokenChecks(issuer, requirements, demands, signer)
        self._now = now
        self._fixed = keys if isinstance(keys, KeySet) else None
        self._keys = (
            None if isinstance(keys, KeySet) else IssuerKeys(keys or _http_source(issuer), now=now)
        )

    async def verify(self, token: str, *, nonce: str | None = None) -> VerifiedToken:
        """See `TokenVerifier.verify`."""
        kid = read_key_id(token)
        keys = self._fixed if self._keys is None else await self._keys.keys_for(kid)
        assert keys is not None  # noqa: S101  one of the two is there
        return self._checks.verify(token, keys, at=self._now(), nonce=nonce)

    async def close(self) -> None:
        """Close the connections to the issuer."""
        if self._keys is not None:
            await self._keys.close()

    async def __aenter__(self) -> Self:
        """The verifier itself, closed at the end."""
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Close the connections to the issuer."""
        await self.close()


def _http_source(issuer: str) -> KeySource:
    # Only here: a reader with keys of its own needs no HTTP client.
    from assay.relying_party.issuer_documents import AsyncHttpKeySource  # noqa: PLC0415

    return AsyncHttpKeySource(issuer)
