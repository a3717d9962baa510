"""The HTTP client that documents are fetched with."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx2

from assay.endorsements.fetch import FetchLimits
from assay.errors import SettingsError


def open_http_client(
    *,
    limits: FetchLimits,
    ca_file: Path | None = None,
    use_proxies: bool = True,
    transport: httpx2.AsyncBaseTransport | None = None,
) -> httpx2.AsyncClient:
    """A client that verifies whom it talks to; nothing turns that off.

    Args:
        limits: Time-outs and connections.
        ca_file: PEM file of the roots to trust in place of the machine's.
        use_proxies: Whether the proxies of the environment apply.
        transport: What carries requests in place of the network.

    Raises:
        SettingsError: The file is missing, or holds no certificate.
    """
    return httpx2.AsyncClient(
        verify=tls_context(ca_file, trust_env=use_proxies),
        follow_redirects=False,
        trust_env=use_proxies,
        timeout=httpx2.Timeout(limits.request_seconds, connect=limits.connect_seconds),
        limits=httpx2.Limits(max_connections=limits.connections),
        transport=transport,
    )


def tls_context(ca_file: Path | None, *, trust_env: bool = True) -> ssl.SSLContext:
    """TLS 1.2 and later, with servers that the roots of a file or of the machine vouch for.

    Args:
        ca_file: PEM file of the roots to trust in place of the machine's.
        trust_env: Whether variables of the environment may name the machine's roots.

    Raises:
        SettingsError: The file is missing, or holds no certificate.
    """
    if ca_file is None:
        context = httpx2.create_ssl_context(trust_env=trust_env)
    else:
        context = _trusting(ca_file)
    # Where Python is the system's own, the least version may be left to a file of the system.
    context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
    return context


def _trusting(ca_file: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"CA file {ca_file}: {error.strerror or error}; name a PEM file with the root "
            "certificates to trust"
        ) from error
