"""Every check of a token but where its issuer's keys come from."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol, final

from assay.errors import TokenError
from assay.relying_party.demands import TokenDemands
from assay.relying_party.pins import keep_pinned, read_pins
from assay.relying_party.requirements import Requirements
from assay.token import (
    KeySet,
    TokenExpectations,
    VerificationKey,
    VerifiedToken,
    verify_token,
)


class SignerCheck(Protocol):
    """Whatever judges a signing key by what its certificate brings; see `SignerEvidence`."""

    def check(self, key: VerificationKey, *, at: datetime) -> None:
        """Judge a key.

        Raises:
            TokenError: The key is not to be trusted.
            CollateralUnavailableError: It cannot be judged now.
        """
        ...


@final
class TokenChecks:
    """What one relying party checks. Pure but for what it remembers of the last key set."""

    __slots__ = ("_demands", "_expect", "_pinned", "_pins", "_requirements", "_signer")

    def __init__(
        self,
        issuer: str,
        requirements: Requirements | None,
        demands: TokenDemands | None,
        signer: SignerCheck | None,
    ) -> None:
        """Checks; the arguments are those of `TokenVerifier`.

        Raises:
            SettingsError: A pin is none.
        """
        self._requirements = requirements or Requirements()
        self._demands = demands or TokenDemands()
        self._signer = signer
        self._pins = read_pins(self._demands.pins)
        self._expect = TokenExpectations(
            issuer=issuer,
            audiences=self._demands.audiences,
            algorithms=self._demands.algorithms,
            clock_skew=self._demands.clock_skew,
        )
        self._pinned: tuple[KeySet, KeySet] | None = None
        """The last key set, and what pins leave of it."""

    def verify(self, token: str, keys: KeySet, *, at: datetime, nonce: str | None) -> VerifiedToken:
        """The content of a token; see `TokenVerifier.verify`."""
        # 1. Signature, times, issuer and audience, with the keys that pins leave.
        trusted = self._trusted(keys)
        verified = verify_token(token, trusted, at=at, expect=self._expect)
        # 2. Who holds the signing key, where that is demanded.
        if self._signer is not None:
            assert verified.kid is not None  # noqa: S101  unsecured tokens were refused in 1.
            self._signer.check(trusted.keys[verified.kid], at=at)
        # 3. What the token says.
        findings = self._demands.findings(verified.claims, self._requirements, at=at, nonce=nonce)
        if findings:
            reasons = "; ".join(f"need {one.expected}, got {one.actual}" for one in findings)
            raise TokenError(f"the token is not good enough: {reasons}", findings=findings)
        return verified

    def _trusted(self, keys: KeySet) -> KeySet:
        if not self._pins:
            return keys
        last = self._pinned
        if last is None or last[0] is not keys:
            last = self._pinned = (keys, keep_pinned(keys, self._pins))
        return last[1]
