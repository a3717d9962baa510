"""The claims that every attestation token has, whatever was attested."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from assay.encoding import JsonValue

ATTESTATION_LIFETIME: Final = timedelta(hours=8)
"""What the original service grants; its relying parties know no other."""

_IDENTIFIER: Final = re.compile(r"[0-9a-f]{64}")
_OURS: Final = frozenset({"iss", "iat", "nbf", "exp", "jti"})


def attestation_claims(
    token_claims: Mapping[str, JsonValue],
    *,
    issuer: str,
    issued_at: datetime,
    jti: str,
    lifetime: timedelta = ATTESTATION_LIFETIME,
) -> dict[str, JsonValue]:
    """The claims of an attestation token: `token_claims` with issuer, times and identifier.

    Args:
        token_claims: What the appraisal found and the policy issued.
        issuer: The instance's URL without a trailing slash.
        issued_at: The instant of issue; its second is `iat` and `nbf`, rounded down, since a
            client refuses a token that starts even a second in its future.
        jti: 64 lower-case hexadecimal digits from a cryptographic source (`os.urandom(32).hex()`).
        lifetime: From `iat` to `exp`.

    Raises:
        ValueError: `jti` or `issuer` has another form, `issued_at` has no time zone, or
            `token_claims` has a claim that is set here. Each is a mistake of the calling code.
    """
    if not _IDENTIFIER.fullmatch(jti):
        raise ValueError("jti: need 64 lower-case hexadecimal digits")
    if not issuer or issuer.endswith("/"):
        raise ValueError(f"issuer: need a URL without a trailing slash, got {issuer!r}")
    if issued_at.tzinfo is None:
        raise ValueError("issued_at: need a time zone")
    if not _OURS.isdisjoint(token_claims):
        taken = sorted(_OURS & token_claims.keys())
        raise ValueError(f"token_claims: need none of the token's own claims, got {taken}")
    issued = int(issued_at.timestamp())
    return {
        **token_claims,
        "iss": issuer,
        "iat": issued,
        "nbf": issued,
        "exp": issued + int(lifetime.total_seconds()),
        "jti": jti,
    }
