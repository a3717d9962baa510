"""What an instance may be called, and what its URL may be: both end up in addresses."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from assay.encoding import without_credentials
from assay.errors import SettingsError

_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
"""A label of a host name, RFC 1123 section 2.1."""

_MAX_ISSUER: Final = 2048

RESERVED_NAMES: Final = frozenset(
    {
        "attest",
        "certificates",
        "certs",
        "console",
        "health",
        "metrics",
        "operations",
        "policies",
        "providers",
        "servicehealth",
        "subscriptions",
        "tcbbaselines",
    }
)
"""First parts of addresses that mean something else, or may come to."""


def check_instance_name(name: str) -> None:
    """Check that an instance may have this name.

    Raises:
        SettingsError: It may not.
    """
    if _NAME.fullmatch(name) is None:
        raise SettingsError(
            f"an instance cannot be called {name!r}: its name is part of addresses, and has up to "
            "63 letters, digits and hyphens between them"
        )
    if name.lower() in RESERVED_NAMES:
        raise SettingsError(
            f"an instance cannot be called {name!r}, which has a meaning of its own in addresses; "
            "choose another name"
        )


def check_issuer(url: str) -> None:
    """Check that a URL can be an instance's issuer.

    Raises:
        SettingsError: It cannot.
    """
    shown = without_credentials(url[:_MAX_ISSUER])
    if url.endswith("/"):
        raise SettingsError(
            f"the URL {shown!r} ends in a slash, and issuers never do; set it to "
            f"{shown.rstrip('/')!r}"
        )
    parts = urlsplit(url)
    if (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or parts.query
        or parts.fragment
        or parts.username is not None
        or len(url) > _MAX_ISSUER
    ):
        raise SettingsError(
            f"{shown!r} is not an address of a server; write it as "
            "https://attest.example.com or https://attest.example.com/name"
        )
