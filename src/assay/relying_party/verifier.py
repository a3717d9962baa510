"""Verifying attestation tokens of one issuer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Self, final

from assay import clock
from assay.encoding import JsonValue
from assay.relying_party.blocking_keys import BlockingIssuerKeys, BlockingKeySource
from assay.relying_party.demands import TokenDemands
from assay.relying_party.requirements import Requirements
from assay.relying_party.token_checks import SignerCheck, TokenChecks
from assay.token import KeySet, VerifiedToken, read_key_id


@final
class _FixedKeys:
    """A key set that was given."""

    __slots__ = ("_keys",)

    def __init__(self, keys: KeySet) -> None:
        self._keys = keys

    def keys_for(self, _kid: JsonValue) -> KeySet:
        return self._keys

    def close(self) -> None:
        """Nothing is open."""


class TokenVerifier:
    """Verifies tokens of one issuer. Safe to share between threads.

    Keys come from the issuer's own metadata by HTTPS, or from a key set that is given, and from
    nowhere else: nothing in a token is followed.
    """

    __slots__ = ("_checks", "_keys", "_now")

    def __init__(
        self,
        issuer: str,
        requirements: Requirements | None = None,
        *,
        demands: TokenDemands | None = None,
        keys: KeySet | BlockingKeySource | None = None,
        signer: SignerCheck | None = None,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        """A verifier.

        Args:
            issuer: The service's URL as it stands in `iss`.
            requirements: What the claims must be; see `require`.
            demands: What else a token must be.
            keys: The issuer's keys, or where they come from; by default the issuer.
            signer: What the signing key's certificate must prove, if that matters.
            now: The time.

        Raises:
            SettingsError: A pin is none, or keys cannot be fetched from such an issuer.
        """
        self._checks = TokenChecks(issuer, requirements, demands, signer)
        self._now = now
        self._keys = (
            _FixedKeys(keys)
            if isinstance(keys, KeySet)
            else BlockingIssuerKeys(keys or _http_source(issuer), now=now)
        )

    def verify(self, token: str, *, nonce: str | None = None) -> VerifiedToken:
        """The content of a token, after every check.

        Args:
            token: In JWS compact form.
            nonce: What its claim `nonce` must be, if one was sent with the evidence.

        Raises:
            TokenError: With a finding for each failed check.
            IssuerUnavailableError: The issuer's keys cannot be had.
            CollateralUnavailableError: The signing key cannot be judged now.
        """
        keys = self._keys.keys_for(read_key_id(token))
        return self._checks.verify(token, keys, at=self._now(), nonce=nonce)

    def close(self) -> None:
        """Close the connections to the issuer."""
        self._keys.close()

    def __enter__(self) -> Self:
        """The verifier itself, closed at the end."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close the connections to the issuer."""
        self.close()


def _http_source(issuer: str) -> BlockingKeySource:
    # Only here: a reader with keys of its own needs no HTTP client.
    from assay.relying_party.issuer_documents import HttpKeySource  # noqa: PLC0415

    return HttpKeySource(issuer)
