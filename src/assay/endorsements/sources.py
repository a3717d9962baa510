"""Sources by their names.

| name | source |
|---|---|
| `pcs` | Intel's provisioning certification service |
| `pcs:URL` | a mirror of it, or a simulator |
| `pccs:URL` | a caching service (PCCS) |
| `thim` | Azure's cache |
| `thim:URL` | a region's, or the one inside virtual machines |
| anything else | a path: a file or a folder with collateral |

URLs are base addresses; inside virtual machines of Azure it is
`http://169.254.169.254/metadata/THIM`. The `/sgx/certification/v4` that other software's settings
end them with may be there.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

import httpx2
import stamina

from assay.endorsements.fetch import DocumentFetcher, FetchLimits
from assay.endorsements.http_client import open_http_client
from assay.endorsements.network import Dialect, NetworkSource, source_name
from assay.endorsements.pccs import PCCS
from assay.endorsements.pcs import PCS
from assay.endorsements.source import OpenSource
from assay.endorsements.stored import StoredSource
from assay.endorsements.thim import THIM
from assay.errors import SettingsError

DIALECTS: Final = {dialect.name: dialect for dialect in (PCS, PCCS, THIM)}

_LIMITS: Final = FetchLimits()
_MAX_URL_CHARACTERS: Final = 512
_API_PATH: Final = "/sgx/certification/v4"


def open_source(
    name: str,
    *,
    now: Callable[[], datetime],
    ca_file: Path | None = None,
    limits: FetchLimits = _LIMITS,
    transport: httpx2.AsyncBaseTransport | None = None,
) -> OpenSource:
    """The source of that name. Nothing is asked yet; files are read.

    Turns off the reports of `stamina` in this process: they would go to standard output, which is
    for answers.

    Args:
        name: As in the table above.
        now: What dates the sets.
        ca_file: PEM file of the roots that the service's TLS certificate may come from, in place
            of the machine's.
        limits: What fetching may cost.
        transport: What carries requests in place of the network.

    Raises:
        SettingsError: The name is of no use.
        CollateralUnavailableError: It is a path, and there is no collateral.
    """
    kind, colon, address = name.partition(":")
    dialect = DIALECTS.get(kind)
    if dialect is None:
        return StoredSource(Path(name))
    url = _base_url(dialect, address if colon else dialect.default_url)
    stamina.instrumentation.set_on_retry_hooks(())
    # Proxies are for the way out, not for this machine and what it runs on.
    client = open_http_client(
        limits=limits,
        ca_file=ca_file,
        use_proxies=url.startswith("https:"),
        transport=transport,
    )
    return NetworkSource(
        dialect,
        url,
        DocumentFetcher(source_name(dialect, url), client, limits=limits, now=now),
        total_seconds=limits.total_seconds,
        now=now,
    )


def _base_url(dialect: Dialect, text: str | None) -> str:
    if not text:
        raise SettingsError(
            f"collateral source {dialect.name!r}: expected its address, got none; write it as "
            f"{dialect.name}:https://pccs.example.com:8081"
        )
    parts = _split(text)
    if parts is None:
        # What has an @ in it may hold a password.
        shown = "one with credentials" if "@" in text else repr(text[:_MAX_URL_CHARACTERS])
        raise SettingsError(
            f"collateral source {dialect.name!r}: expected a base address, got {shown}; write it "
            "as https://pccs.example.com:8081, without credentials, query or fragment"
        )
    if parts.scheme != "https" and not _is_near(parts.hostname or ""):
        raise SettingsError(
            f"collateral source {dialect.name!r}: expected https, got {text!r}; plain http is for "
            "this machine (127.0.0.1) and the metadata address (169.254.169.254) only"
        )
    return text.rstrip("/").removesuffix(_API_PATH)


def _split(text: str) -> SplitResult | None:
    """The parts of a base address, or nothing where it is none."""
    try:
        parts = urlsplit(text)
        fits = bool(parts.hostname) and parts.port != 0 and len(text) <= _MAX_URL_CHARACTERS
    except ValueError:
        return None
    extra = parts.username is not None or parts.query or parts.fragment
    return parts if fits and not extra and parts.scheme in {"http", "https"} else None


def _is_near(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_link_local
