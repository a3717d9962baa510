"""What a relying party demands of a token besides a signature of its issuer."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, final

from assay.encoding import JsonValue
from assay.errors import Finding
from assay.keys import SigningAlgorithm
from assay.relying_party.requirements import Requirements

_DEVELOPMENT: Final = ("x-assay-simulated", "x-assay-verified-at")
"""Claims of tokens that a service made for tests."""

_SHOWN_CHARACTERS: Final = 80


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class TokenDemands:
    """Demands on every token of an issuer."""

    policy_hashes: frozenset[str] = frozenset()
    """The policies that may have judged the evidence, as `x-ms-policy-hash` names them; any where
    none are named."""

    audiences: frozenset[str] = frozenset()
    """The reader's names. A token for others is refused, as is one for anybody if there are any."""

    algorithms: frozenset[SigningAlgorithm] = frozenset(SigningAlgorithm)
    """What the issuer may sign with."""

    clock_skew: timedelta = timedelta(0)
    """How far the issuer's clock may be from the reader's."""

    max_age: timedelta | None = None
    """How long ago the token may have been issued, whatever its own end is."""

    pins: tuple[str | bytes, ...] = ()
    """The keys that may have signed it, as `read_pins` reads them; all of the issuer's where none
    are named."""

    allow_simulated: bool = False
    """Take tokens about simulated hardware, and of services in development mode. They mean
    nothing."""

    def findings(
        self,
        claims: Mapping[str, JsonValue],
        requirements: Requirements,
        *,
        at: datetime,
        nonce: str | None,
    ) -> tuple[Finding, ...]:
        """What is wrong with the claims of a token whose signature holds.

        Args:
            claims: The token's.
            requirements: What they must be.
            at: The instant.
            nonce: What the token's must be, if that matters.
        """
        return (
            *requirements.findings(claims),
            *self._policy_findings(claims),
            *self._age_findings(claims, at),
            *self._development_findings(claims),
            *_nonce_findings(claims, nonce),
        )

    def _policy_findings(self, claims: Mapping[str, JsonValue]) -> tuple[Finding, ...]:
        actual = claims.get("x-ms-policy-hash")
        if not self.policy_hashes or (isinstance(actual, str) and actual in self.policy_hashes):
            return ()
        expected = f"x-ms-policy-hash {' or '.join(sorted(self.policy_hashes))}"
        return (_finding("token.claims.policy_hash", expected, actual),)

    def _age_findings(self, claims: Mapping[str, JsonValue], at: datetime) -> tuple[Finding, ...]:
        if self.max_age is None:
            return ()
        issued = claims["iat"]
        assert isinstance(issued, int | float)  # noqa: S101  `verify_token` has looked at it
        if at.timestamp() <= issued + (self.max_age + self.clock_skew).total_seconds():
            return ()
        expected = f"iat at most {self.max_age} before {at.isoformat()}"
        return (_finding("token.claims.token_age", expected, issued),)

    def _development_findings(self, claims: Mapping[str, JsonValue]) -> tuple[Finding, ...]:
        if self.allow_simulated:
            return ()
        return tuple(
            _finding("token.claims.simulated", f"no {name}", claims[name])
            for name in _DEVELOPMENT
            if name in claims
        )


def _nonce_findings(claims: Mapping[str, JsonValue], nonce: str | None) -> tuple[Finding, ...]:
    if nonce is None:
        return ()
    actual = claims.get("nonce")
    if isinstance(actual, str) and hmac.compare_digest(actual.encode(), nonce.encode()):
        return ()
    return (_finding("token.claims.nonce", f"nonce {nonce!r}", actual),)


def _finding(check: str, expected: str, actual: JsonValue) -> Finding:
    text = "nothing" if actual is None else repr(actual)
    return Finding(check=check, expected=expected, actual=text[:_SHOWN_CHARACTERS])
