"""An access token while it is good, and when to get the next one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Final, final

from assay.client.credentials import AccessTokenInfo, is_header_text
from assay.client.errors import AttestationError, CredentialError
from assay.client.telemetry import LOGGER

_REFRESH_SECONDS: Final = 300
"""Before its end a token is renewed, so that none ends on its way."""

_PATIENCE_SECONDS: Final = 30
"""Between attempts to renew a token that is still good."""

_MARGIN_SECONDS: Final = 5
"""A token this near to its end may be refused when it arrives."""


class Freshness(Enum):
    """What can be done with a token."""

    FRESH = auto()
    DUE = auto()
    """Good, but somebody should get the next one."""

    GONE = auto()


@final
@dataclass(frozen=True, slots=True)
class KeptToken:
    """A token as it was given."""

    token: str = field(repr=False)
    ends: float
    renew: float

    @classmethod
    def of(cls, given: AccessTokenInfo, *, at: float) -> KeptToken:
        """A token that was given at an instant, in seconds since 1970.

        Raises:
            CredentialError: It is no text that a header can hold.
        """
        if not is_header_text(given.token):
            raise CredentialError(
                "the credential gives an access token that is empty, or has characters that no "
                "header can hold"
            )
        lead = min(_REFRESH_SECONDS, max(0.0, given.expires_on - at) / 2)
        return cls(given.token, given.expires_on, given.expires_on - lead)

    def freshness(self, *, at: float) -> Freshness:
        """What can be done with it at an instant."""
        if at >= self.ends - _MARGIN_SECONDS:
            return Freshness.GONE
        return Freshness.DUE if at >= self.renew else Freshness.FRESH

    def later(self, *, at: float) -> KeptToken:
        """The same, to be renewed only after a while: the last attempt failed."""
        return replace(self, renew=at + _PATIENCE_SECONDS)


def credential_failed(error: Exception) -> AttestationError:
    """The client's error for whatever a credential raised."""
    if isinstance(error, AttestationError):
        return error
    return CredentialError(f"the credential gives no token: {type(error).__name__}: {error}")


def log_kept(error: AttestationError) -> None:
    """Say that a token was not renewed and is used on; without the text, which is not ours."""
    cause = error.__cause__ or error
    LOGGER.warning("an access token that is still good was not renewed: %s", type(cause).__name__)
