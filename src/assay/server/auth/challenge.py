"""The `WWW-Authenticate` header: where a caller without rights gets a token, and for what.

Source: MAA protocol, section 4; RFC 6750 section 3 for the scheme. The two parameters are those
that clients of Azure services read.
"""

from __future__ import annotations

import re
from typing import Final

from assay.server.auth.settings import AuthSettings, IssuerSettings

DEFAULT_RESOURCE: Final = "https://attest.azure.net"
"""What official clients ask a token for unless told otherwise."""

_ENTRA: Final = re.compile(
    r"https://(?:login\.microsoftonline\.com|sts\.windows\.net)/([^/]+)(?:/v2\.0|/)?"
)


def bearer_challenge(auth: AuthSettings) -> str:
    """The header's value: that of the first issuer, if there is one."""
    if not auth.issuers:
        return f'Bearer resource_id="{DEFAULT_RESOURCE}"'
    issuer = auth.issuers[0]
    return (
        f'Bearer authorization_uri="{_authorization_uri(issuer)}", '
        f'resource_id="{issuer.audiences[0]}"'
    )


def _authorization_uri(issuer: IssuerSettings) -> str:
    if issuer.authorization_uri is not None:
        return issuer.authorization_uri
    tenant = _ENTRA.fullmatch(issuer.issuer)
    if tenant is not None:
        return f"https://login.microsoftonline.com/{tenant.group(1)}"
    return issuer.issuer
