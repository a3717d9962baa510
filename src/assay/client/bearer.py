"""Access tokens for requests, got when they are needed and by one thread at a time."""

from __future__ import annotations

import threading
from typing import final

from assay import clock
from assay.client.credentials import TokenCredential
from assay.client.errors import AttestationError
from assay.client.kept_token import Freshness, KeptToken, credential_failed, log_kept


@final
class BearerTokens:
    """The tokens of a credential for one scope."""

    def __init__(self, credential: TokenCredential, scope: str) -> None:
        self._credential = credential
        self._scope = scope
        self._kept: KeptToken | None = None
        self._renewing = threading.Lock()

    def token(self) -> str:
        """A token that is good now.

        Raises:
            CredentialError: The credential gives none.
        """
        kept, now = self._kept, _now()
        freshness = Freshness.GONE if kept is None else kept.freshness(at=now)
        if kept is not None and freshness is Freshness.FRESH:
            return kept.token
        if kept is not None and freshness is Freshness.DUE:
            return self._renewed_by_one(kept)
        with self._renewing:
            current = self._kept
            if current is None or current.freshness(at=_now()) is Freshness.GONE:
                current = self._get()
            return current.token

    def forget(self, token: str) -> None:
        """Let go of a token that the service refused."""
        with self._renewing:
            if self._kept is not None and self._kept.token == token:
                self._kept = None

    def _renewed_by_one(self, kept: KeptToken) -> str:
        if not self._renewing.acquire(blocking=False):
            return kept.token  # Another thread is at it, and this one is good.
        try:
            current = self._kept
            if current is not None and current is not kept:
                return current.token  # Another thread was at it until just now.
            return self._get().token
        except AttestationError as error:
            log_kept(error)
            self._kept = kept.later(at=_now())
            return kept.token
        finally:
            self._renewing.release()

    def _get(self) -> KeptToken:
        try:
            given = self._credential.get_token(self._scope)
        except Exception as error:
            raise credential_failed(error) from error
        self._kept = kept = KeptToken.of(given, at=_now())
        return kept


def _now() -> float:
    return clock.now().timestamp()
