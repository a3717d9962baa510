"""Who may administer an instance: the question that routes ask, and the two simplest answers.

Attesting and the metadata are for everybody, with or without credentials. Policies and signers
are for callers with a right to them.

Source: MAA protocol, section 4.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Protocol

from starlette.types import Scope

from assay.server.errors import Refusal, RefusedRequestError
from assay.server.settings_check import is_loopback
from assay.store import Author

_DEVELOPER: Final = "dev"


class Right(StrEnum):
    """What a caller wants to do with an instance's policies and signers."""

    READ = "read"
    """Read a policy, list the signers."""

    WRITE = "write"
    """Set a policy, add a signer."""

    DELETE = "delete"
    """Reset a policy, remove a signer."""


class Authorizer(Protocol):
    """Decides about one request to administer an instance."""

    async def authorize(self, scope: Scope, *, instance: str, right: Right) -> Author:
        """Who the caller is, if they have that right to that instance.

        Args:
            scope: The request, of which nothing but this has been believed.
            instance: The name of the instance that it is about.
            right: What it needs.

        Raises:
            RefusedRequestError: `UNAUTHORIZED`, whether the caller is nobody or only lacks the
                right: the protocol has one answer to both.
        """
        ...


class ClosedAuthorizer:
    """Lets nobody administer anything: what a server without authentication does."""

    async def authorize(self, scope: Scope, *, instance: str, right: Right) -> Author:
        """Refuse.

        Raises:
            RefusedRequestError: Always.
        """
        del scope
        raise unauthorized(
            f"nobody may {right} policies and signers of instance {instance!r} here: this server "
            "has no authentication; its operator can use `assay instance` on the server itself"
        )


class LoopbackAuthorizer:
    """Lets everybody on this machine do everything: what a server in development does."""

    async def authorize(self, scope: Scope, *, instance: str, right: Right) -> Author:
        """Let pass who calls from this machine.

        Raises:
            RefusedRequestError: The call comes from elsewhere.
        """
        address = client_address(scope)
        if not is_loopback(address):
            raise unauthorized(
                f"only this machine may {right} policies and signers of instance {instance!r}: "
                "the server is in development"
            )
        return Author(name=_DEVELOPER, address=address)


def client_address(scope: Scope) -> str:
    """The address that a request came from; empty where it has none."""
    client = scope.get("client")
    return client[0] if client else ""


def unauthorized(message: str, *, challenge: str = "Bearer") -> RefusedRequestError:
    """The protocol's answer to a caller without the right."""
    return RefusedRequestError(Refusal.UNAUTHORIZED, message, challenge=challenge)
