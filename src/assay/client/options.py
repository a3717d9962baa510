"""How a client reaches its service."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

from assay.errors import RequestError

if TYPE_CHECKING:
    import ssl

DEFAULT_SCOPE: Final = "https://attest.azure.net/.default"
"""What access tokens are asked for, as the original's clients do."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often a call is tried, and how long is waited in between.

    Tried again is what may succeed later (no connection, a time-out, 408, 429, 500, 502, 503, 504),
    and only where doing it twice does no harm: reading and attesting always, changes only if the
    service has surely not seen the request (no connection, 429).
    """

    attempts: int = 4
    """All of them, the first included; 1 never tries again."""

    first_wait_seconds: float = 0.5
    """It doubles with each attempt, and up to half of it is taken off at random."""

    max_wait_seconds: float = 30.0
    """Also of what the service asks for by `Retry-After`: if it asks for more, the error is raised
    at once and says how long."""

    def __post_init__(self) -> None:
        """Refuse what is no policy.

        Raises:
            RequestError: No attempt at all, or negative times.
        """
        if self.attempts < 1 or self.first_wait_seconds < 0 or self.max_wait_seconds < 0:
            raise RequestError("expected at least one attempt and waits of zero seconds or more")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """Everything about a client that is not the instance, the credential or the validation."""

    api_version: str | None = None
    """Of the protocol; the oldest that has the operation, if it is not set."""

    timeout_seconds: float = 30.0
    """For the service to send or take the next piece of data."""

    connect_timeout_seconds: float = 10.0
    retry: RetryPolicy = field(default_factory=RetryPolicy)

    max_connections: int = 32
    """Kept open at most. More calls at a time wait for a free one, as long as that takes."""

    ca_file: Path | None = None
    """PEM file of the roots to trust in place of the machine's."""

    ssl_context: ssl.SSLContext | None = None
    """In place of the one that is made from `ca_file` or a client certificate."""

    proxy: str | None = field(default=None, repr=False)
    """URL of a proxy, which may hold its password."""

    trust_env: bool = True
    """Whether `HTTPS_PROXY`, `NO_PROXY`, `SSL_CERT_FILE` and their like apply."""

    scope: str = DEFAULT_SCOPE
    """What credentials are asked for. For an issuer of your own, whatever that calls Assay."""

    application: str = ""
    """Put before the name of this library in `User-Agent`."""

    def __post_init__(self) -> None:
        """Refuse what no client can be made of.

        Raises:
            RequestError: Times or connections of zero or less, both `ca_file` and `ssl_context`,
                or an `application` that is no header.
        """
        if min(self.timeout_seconds, self.connect_timeout_seconds, self.max_connections) <= 0:
            raise RequestError("expected times and a number of connections above zero")
        if self.ca_file is not None and self.ssl_context is not None:
            raise RequestError("expected one of ca_file and ssl_context, got both")
        if not (self.application.isascii() and self.application.isprintable()) and self.application:
            raise RequestError("expected an application name of printable ASCII characters")
