"""Bearer tokens of OIDC issuers, verified here: no request to the issuer but for its keys.

Source: RFC 6750; RFC 8725; RFC 9068 section 4; OpenID Connect Core 1.0, section 3.1.3.7;
Microsoft identity platform, "Access tokens", for Entra ID's two forms of `iss`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, final

from assay.access import Caller, CallerKind, check_caller_name
from assay.encoding import JsonValue
from assay.errors import Finding, TokenError, UnauthorizedError
from assay.relying_party.issuer_keys import IssuerKeys
from assay.server.auth.refusal import unauthorized
from assay.server.auth.roles import claimed_grants
from assay.server.auth.settings import IssuerSettings
from assay.token import TokenExpectations, VerifiedToken, read_unverified, verify_token

_WHAT: Final = "the bearer token is not accepted"
_TYPES: Final = frozenset({"JWT", "at+jwt"})
_TIMES: Final = frozenset({"exp", "iat"})
_SHOWN_CHARACTERS: Final = 200


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedIssuer:
    """An issuer with its keys."""

    settings: IssuerSettings
    keys: IssuerKeys


class BearerAuthenticator:
    """Recognises callers by tokens of the issuers that are configured, and no others."""

    __slots__ = ("_clock_skew", "_issuers")

    def __init__(self, issuers: Mapping[str, TrustedIssuer], *, clock_skew: timedelta) -> None:
        """An authenticator that closes the keys when it is closed.

        Args:
            issuers: By the `iss` of their tokens.
            clock_skew: How far an issuer's clock may be from this one.
        """
        self._issuers = issuers
        self._clock_skew = clock_skew

    async def close(self) -> None:
        """Close the keys of every issuer."""
        await asyncio.gather(*(issuer.keys.close() for issuer in self._issuers.values()))

    async def authenticate(self, token: str, *, at: datetime) -> Caller:
        """Whose token it is. A caller without rights is a caller all the same.

        Not checked: whether the issuer has revoked the token since; it ends at its `exp`.

        Raises:
            UnauthorizedError: Not a token of a configured issuer for this service, valid now.
            IssuerUnavailableError: The issuer's keys cannot be had.
        """
        # 1. Which issuer it claims, to choose the keys by. That it is true follows in step 2.
        header, claimed = _unverified(token)
        issuer = self._issuers.get(claimed) if isinstance(claimed, str) else None
        if issuer is None:
            raise _refused("issuer", f"an issuer of {' or '.join(sorted(self._issuers))}", claimed)
        keys = await issuer.keys.keys_for(header.get("kid"))

        # 2. Signature, times, issuer and audience.
        try:
            verified = verify_token(token, keys, at=at, expect=self._expectations(issuer.settings))
        except TokenError as error:
            raise unauthorized(_WHAT, *error.findings) from None

        # 3. What a bearer may not be, whoever signed it.
        _check_lifetime(verified, issuer.settings)
        _check_unbound(verified)

        # 4. Who it is, and what for.
        return Caller(
            kind=CallerKind.BEARER,
            name=_name(verified, issuer.settings),
            authority=issuer.settings.issuer,
            grants=claimed_grants(issuer.settings.grants, verified.claims),
        )

    def _expectations(self, issuer: IssuerSettings) -> TokenExpectations:
        return TokenExpectations(
            issuer=issuer.issuer,
            audiences=frozenset(issuer.audiences),
            types=_TYPES,
            times=_TIMES,
            algorithms=issuer.algorithms,
            clock_skew=self._clock_skew,
        )


def _unverified(token: str) -> tuple[Mapping[str, JsonValue], JsonValue]:
    try:
        unverified = read_unverified(token)
    except TokenError as error:
        # The cause is left out: what does not parse may be any secret.
        raise unauthorized(_WHAT, *error.findings) from None
    return unverified.header, unverified.claims.get("iss")


def _check_lifetime(token: VerifiedToken, issuer: IssuerSettings) -> None:
    """ST-12: a token with an end that is too far away has none."""
    expires, issued = token.claims["exp"], token.claims["iat"]
    assert isinstance(expires, int | float)  # noqa: S101  verified
    assert isinstance(issued, int | float)  # noqa: S101  verified
    limit = timedelta(hours=issuer.max_lifetime_hours).total_seconds()
    if expires - issued > limit:
        raise _refused(
            "lifetime",
            f"a lifetime of up to {issuer.max_lifetime_hours:g} hours",
            f"{expires - issued:g} s",
        )


def _check_unbound(token: VerifiedToken) -> None:
    # RFC 7800: whoever cannot check the confirmation must not take the token for a bearer's.
    if "cnf" in token.claims:
        raise _refused("bound", "a token that is not bound to a key (no `cnf`)", "one that is")


def _name(token: VerifiedToken, issuer: IssuerSettings) -> str:
    name = token.claims.get(issuer.name_claim)
    if isinstance(name, str):
        try:
            check_caller_name(name)
        except ValueError:
            pass
        else:
            return name
    raise _refused("name", f"a claim {issuer.name_claim!r} of up to 256 printable characters", name)


def _refused(error_class: str, expected: str, actual: JsonValue) -> UnauthorizedError:
    shown = "nothing" if actual is None else str(actual)[:_SHOWN_CHARACTERS]
    return unauthorized(
        _WHAT, Finding(check=f"access.bearer.{error_class}", expected=expected, actual=shown)
    )
