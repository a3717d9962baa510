"""Addresses of services, and which of them may be given secrets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final
from urllib.parse import SplitResult, urlsplit

from assay.client.text import unicode_text
from assay.errors import RequestError

THIS_MACHINE: Final = frozenset({"localhost", "127.0.0.1", "::1"})
"""Hosts that plain HTTP may carry secrets to. No proxy stands on the way there, see `transport`."""


@final
@dataclass(frozen=True, slots=True)
class Endpoint:
    """The address of an instance, without a trailing slash."""

    url: str

    @classmethod
    def parse(cls, url: str) -> Endpoint:
        """The address, checked.

        Raises:
            RequestError: Not an `http` or `https` URL of a host, or one with a query, a fragment,
                a user or a password; or it is not Unicode.
        """
        unicode_text(url, "URL")
        parts = _split(url)
        if parts is None or "@" in parts.netloc or parts.query or parts.fragment:
            # Not the URL itself: somebody may have put a password into it.
            raise RequestError(
                "expected a URL such as https://attest.example.net, "
                f"got {'something else' if '@' in url else repr(url)}"
            )
        return cls(url.rstrip("/"))

    @property
    def host(self) -> str:
        """The host alone, in lower case."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The port, the scheme's own one if none is written."""
        parts = urlsplit(self.url)
        return parts.port or (443 if parts.scheme == "https" else 80)

    def require_confidential(self, secret: str) -> None:
        """Refuse to send a secret where others can read it.

        Raises:
            RequestError: The address is plain HTTP, and not of this machine.
        """
        if urlsplit(self.url).scheme != "https" and self.host not in THIS_MACHINE:
            raise RequestError(
                f"{self.url}: {secret} is sent over https only, or over http to this machine; "
                "use the https address"
            )


def origin(url: str) -> str:
    """Scheme, host and port of a URL, for messages."""
    return "/".join(url.split("/", 3)[:3])


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        fits = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if fits else None
