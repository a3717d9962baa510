"""From a request to its caller, and whether the caller may do what is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, final

from starlette.types import Scope

from assay.access import (
    ALL_INSTANCES,
    TOKEN_PREFIX,
    Caller,
    CallerKind,
    Grants,
    Right,
)
from assay.errors import Finding, UnauthorizedError
from assay.server.addresses import client_address, is_loopback
from assay.server.auth.api_tokens import ApiTokenAuthenticator
from assay.server.auth.bearer import BearerAuthenticator
from assay.server.auth.client_certificates import CertificateAuthenticator
from assay.server.auth.credentials import Credentials, read_credentials
from assay.server.auth.refusal import unauthorized

DEVELOPER: Final = Caller(
    kind=CallerKind.DEVELOPER, name="developer", grants=Grants.of(Right, [ALL_INSTANCES])
)
"""Whoever calls a server in development mode from its own machine."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticators:
    """The ways to be recognised that are set up."""

    bearer: BearerAuthenticator | None = None
    api_tokens: ApiTokenAuthenticator | None = None
    certificates: CertificateAuthenticator | None = None


class Authorizer:
    """Decides who a caller is and what they may do. What is not set up gives nothing."""

    __slots__ = ("_administration", "_authenticators", "_challenge", "_developer", "_now")

    def __init__(
        self,
        authenticators: Authenticators,
        *,
        challenge: str,
        now: Callable[[], datetime],
        administration: bool = True,
        developer: bool = False,
    ) -> None:
        """An authorizer that closes the authenticators when it is closed.

        Args:
            authenticators: What credentials are checked by.
            challenge: The `WWW-Authenticate` of refusals.
            now: The time.
            administration: Whether anybody has rights.
            developer: Whether everybody on this machine may do everything, whatever their
                credentials: in development mode without authentication.
        """
        self._authenticators = authenticators
        self._challenge = challenge
        self._now = now
        self._administration = administration
        self._developer = developer

    async def close(self) -> None:
        """Let go of connections."""
        if self._authenticators.bearer is not None:
            await self._authenticators.bearer.close()

    async def identify(self, scope: Scope) -> Caller:
        """Who sent a request. Never anonymous.

        Raises:
            UnauthorizedError: Nobody who can be recognised.
            IssuerUnavailableError: The keys of the token's issuer cannot be had.
            StoreUnavailableError: API tokens cannot be read.
        """
        try:
            if self._developer:
                return _developer(scope)
            credentials = read_credentials(
                scope, certificates=self._authenticators.certificates is not None
            )
            return await self._authenticate(credentials)
        except UnauthorizedError as error:
            raise self._challenged(error) from None

    def check_right(self, caller: Caller, right: Right, instance: str | None) -> None:
        """Check that a caller has a right for an instance; for none, for the server itself.

        Raises:
            UnauthorizedError: The caller has not.
        """
        if not self._administration:
            what = "administration over the network"
            check, actual = "access.rights.administration_off", "auth.administration = false"
            expected = "a server whose settings allow it"
        elif not caller.may(right, instance):
            what = "the caller may not do this"
            check, actual = "access.rights.missing", " ".join(caller.grants.texts) or "none"
            expected = f"the right {right}@{instance or ALL_INSTANCES}"
        else:
            return
        finding = Finding(check=check, expected=expected, actual=actual)
        raise self._challenged(unauthorized(what, finding))

    async def _authenticate(self, credentials: Credentials) -> Caller:
        at = self._now()
        ways = self._authenticators
        token = credentials.bearer
        if credentials.certificate is not None and ways.certificates is not None:
            return ways.certificates.authenticate(credentials.certificate, at=at)
        if token is None:
            raise _refused("missing", "a credential", "none")
        if token.startswith(TOKEN_PREFIX):
            if ways.api_tokens is not None:
                return await ways.api_tokens.authenticate(token, at=at)
        elif ways.bearer is not None:
            return await ways.bearer.authenticate(token, at=at)
        raise _refused("unsupported", "a credential of a kind that is set up", "one of another")

    def _challenged(self, error: UnauthorizedError) -> UnauthorizedError:
        return UnauthorizedError(error.message, findings=error.findings, challenge=self._challenge)


def _developer(scope: Scope) -> Caller:
    if not is_loopback(client_address(scope)):
        raise _refused(
            "not_local", "a caller on the server's own machine, in development", "another"
        )
    return DEVELOPER


def _refused(error_class: str, expected: str, actual: str) -> UnauthorizedError:
    return unauthorized(
        "this needs authentication",
        Finding(check=f"access.credential.{error_class}", expected=expected, actual=actual),
    )
