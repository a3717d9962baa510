"""Settings of authentication that are each in order and do not go together."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from assay.encoding import without_credentials
from assay.errors import SettingsError
from assay.server.addresses import is_loopback
from assay.server.auth.settings import AuthSettings, CertificateGrant, IssuerSettings

_EVERY_TENANT: Final = re.compile(
    r"https://(?:login(?:\.partner)?\.microsoftonline\.[a-z]+|(?:login|sts)\.windows\.net)"
    r"/(?:common|organizations|consumers)(?:/.*)?",
    re.IGNORECASE,
)
_FINGERPRINT: Final = re.compile(r"(?:[0-9A-Fa-f]{64}|(?:[0-9A-Fa-f]{2}:){31}[0-9A-Fa-f]{2})")


def check_auth_settings(auth: AuthSettings, *, tls: bool) -> None:
    """Check what one value asks of another.

    Args:
        auth: The table.
        tls: Whether this server speaks TLS itself.

    Raises:
        SettingsError: Names the setting and what to change.
    """
    for issuer in auth.issuers:
        _check_issuer(issuer)
    _refuse_twice("auth.issuers: issuer", (one.issuer for one in auth.issuers))
    certificates = auth.client_certificates
    if bool(certificates.grants) is (certificates.ca_file is None):
        raise SettingsError(
            "auth.client_certificates needs both ca_file, a PEM file of the CAs that client "
            "certificates chain to, and grants, and only one of them is set; set the other, or none"
        )
    if certificates.ca_file is not None and not tls:
        raise SettingsError(
            "auth.client_certificates needs TLS at this server; set tls.certificate and tls.key. "
            "Client certificates are never taken from a header"
        )
    for grant in certificates.grants:
        _check_certificate(grant)
    _refuse_twice(
        "auth.client_certificates.grants: fingerprint",
        (normal_fingerprint(one.fingerprint) for one in certificates.grants if one.fingerprint),
    )
    _refuse_twice(
        "auth.client_certificates.grants: subject",
        (f"{one.subject} of {one.authority}" for one in certificates.grants if one.subject),
    )


def check_start(auth: AuthSettings, *, host: str, has_api_tokens: bool) -> None:
    """Check that a server may start at an address with the authentication that it has.

    | | loopback | any other address |
    |---|---|---|
    | authentication, or an API token | starts | starts |
    | `administration = false` | starts; nobody may | starts; nobody may |
    | nothing of these | starts; nobody may | refused |

    Raises:
        SettingsError: It may not; says what would make it.
    """
    if is_loopback(host) or auth.configured or has_api_tokens:
        return
    if auth.administration:
        raise SettingsError(
            f"host is {host!r}, which other machines reach, and nobody could authenticate to "
            "administer this server; set auth.issuers or auth.client_certificates, make an API "
            "token, or set auth.administration to false"
        )


def normal_fingerprint(text: str) -> str:
    """A fingerprint in lower case, without colons."""
    return text.replace(":", "").lower()


def _check_issuer(issuer: IssuerSettings) -> None:
    name = f"auth.issuers: issuer {without_credentials(issuer.issuer)!r}"
    for what, url in (("", issuer.issuer), (" discovery_url", issuer.discovery_url)):
        if url is not None and not is_secure_url(url):
            raise SettingsError(
                f"{name}{what} {without_credentials(url)!r} is not the address of an issuer; it "
                "must begin with https:// and have no query and no fragment"
            )
    if "{" in issuer.issuer or _EVERY_TENANT.fullmatch(issuer.issuer):
        raise SettingsError(
            f"{name} stands for every tenant; write one table for each tenant, with its identifier"
        )


def is_secure_url(url: str) -> bool:
    """Whether keys may be fetched from an address: by HTTPS, or from this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    if not host or parts.query or parts.fragment or parts.username is not None:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))


def _check_certificate(grant: CertificateGrant) -> None:
    name = f"auth.client_certificates.grants: {grant.name!r}"
    if (grant.fingerprint is None) is (grant.subject is None):
        raise SettingsError(f"{name} needs either fingerprint, or subject and authority")
    if (grant.subject is None) is not (grant.authority is None):
        raise SettingsError(
            f"{name} has only one of subject and authority; a subject means something under the "
            "CA that gives it out, so set both"
        )
    if grant.fingerprint is not None and not _FINGERPRINT.fullmatch(grant.fingerprint):
        raise SettingsError(
            f"{name}: fingerprint is not a SHA-256 in hexadecimal; print one with "
            "`openssl x509 -noout -fingerprint -sha256 -in FILE`"
        )


def _refuse_twice(what: str, values: Iterable[str]) -> None:
    for value, times in Counter(values).items():
        if times > 1:
            raise SettingsError(f"{what} {value!r} is there {times} times; leave one of them")
