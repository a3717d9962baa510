"""Who is calling, after authentication."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, final

from assay.access.rights import Grants, Right

_MAX_NAME: Final = 256
"""Directories give subjects of up to 255 characters (OpenID Connect Core, section 2)."""


class CallerKind(StrEnum):
    """How a caller was recognised."""

    ANONYMOUS = "anonymous"
    DEVELOPER = "developer"
    """Whoever calls a server in development mode."""

    BEARER = "bearer"
    """By a token of an OIDC issuer."""

    API_TOKEN = "api-token"  # noqa: S105  no secret
    CERTIFICATE = "certificate"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who is calling, and what for. Only an authenticator makes one that is not anonymous."""

    kind: CallerKind

    name: str = ""
    """The one that the audit record has: a subject, a token's identifier, a certificate's rule."""

    authority: str = ""
    """Who vouches for the name: an issuer's URL, a certificate's fingerprint."""

    grants: Grants = field(default_factory=Grants)

    def may(self, right: Right, instance: str | None) -> bool:
        """Whether the caller has the right for an instance; for none, for the server itself."""
        return self.grants.allow(right, instance)


ANONYMOUS: Final = Caller(kind=CallerKind.ANONYMOUS)


def check_caller_name(name: str) -> None:
    """Check that a name can stand in a record: one line, not empty, of bounded length.

    Nothing is cut or replaced, or two callers could share one name.

    Raises:
        ValueError: It cannot.
    """
    if not 0 < len(name) <= _MAX_NAME or not name.isprintable():
        raise ValueError(f"a name needs 1 to {_MAX_NAME} printable characters")
