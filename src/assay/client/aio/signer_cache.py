"""The key set of one instance, fetched by one task at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import final

from assay.client.http import HttpResponse
from assay.client.kept_signers import KeptSigners
from assay.client.signer import SignerSet


@final
class AsyncSignerCache:
    """See `assay.client.kept_signers.SignerCache`."""

    def __init__(self, fetch: Callable[[], Awaitable[HttpResponse]]) -> None:
        self._fetch = fetch
        self._kept: KeptSigners | None = None
        self._fetching = asyncio.Lock()

    async def get(self, *, unlike: SignerSet | None = None) -> SignerSet:
        """The key set; a newer one than `unlike`, if that is given.

        Raises:
            AttestationError: It cannot be had.
        """
        kept = self._kept
        if kept is not None and kept.still(unlike=unlike):
            return kept.signers
        async with self._fetching:
            kept = self._kept
            if kept is None or not kept.still(unlike=unlike):
                self._kept = kept = KeptSigners.of(await self._fetch())
            return kept.signers
