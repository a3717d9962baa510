"""Attestation reports of TPMs: the claims and the header that only they have.

Source: recorded reports of Microsoft Azure Attestation (members, times, identifiers, no `jku`);
TPM and VBS attestation protocol, "Report".
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import pybase64

from assay.encoding import JsonValue, encode_base64url, encode_json, encode_json_sorted
from assay.keys import SigningKey

REPORT_VALIDITY: Final = timedelta(days=1)
"""Where the policy says nothing: what is documented."""

REPORT_JTI_BYTES: Final = 20
_BACKDATED: Final = 300
"""Seconds before its issue that a report is valid from, as recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSigner:
    """What a report is signed with."""

    key: SigningKey
    certificates: tuple[bytes, ...]
    """DER, the key's own first; those that the key set publishes."""

    by_thumbprint: bool
    """Whether the header names the certificate instead of carrying it."""


def report_claims(
    claims: Mapping[str, JsonValue],
    *,
    issuer: str,
    issued_at: datetime,
    jti: str,
    validity: timedelta,
) -> dict[str, JsonValue]:
    """`claims` with issuer, times and identifier, which nothing in them overrides.

    Args:
        claims: What the appraisal found and the policy issued.
        issuer: The instance's URL without a trailing slash.
        issued_at: The instant of issue.
        jti: 40 hexadecimal digits from a cryptographic source.
        validity: From `iat` to `exp`.
    """
    issued = int(issued_at.timestamp())
    return {
        **claims,
        "iss": issuer,
        "iat": issued,
        "nbf": issued - _BACKDATED,
        "exp": issued + int(validity.total_seconds()),
        "jti": jti,
    }


def sign_report(claims: Mapping[str, JsonValue], signer: ReportSigner) -> str:
    """The claims as a signed report.

    The header has `alg`, `kid`, `typ` and the certificate (`x5c`), or its SHA-1 (`x5t`). There is
    no `jku`: who reads a report needs no network.
    """
    header: dict[str, JsonValue] = {
        "alg": signer.key.algorithm.value,
        "kid": signer.key.kid,
        "typ": "JWT",
    }
    if signer.by_thumbprint:
        # RFC 7515 section 4.1.7 fixes the hash; it identifies, and proves nothing.
        thumbprint = hashlib.sha1(signer.certificates[0], usedforsecurity=False).digest()
        header["x5t"] = encode_base64url(thumbprint)
    else:
        header["x5c"] = [pybase64.b64encode(one).decode("ascii") for one in signer.certificates]
    text = f"{encode_base64url(encode_json(header))}.{encode_base64url(encode_json_sorted(claims))}"  # type: ignore[arg-type]
    return f"{text}.{encode_base64url(signer.key.sign(text.encode('ascii')))}"
