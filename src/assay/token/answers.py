"""The claims of the service's answers to an instance's owner.

Source: MAA protocol, sections 7 and 8; recorded answers of Microsoft Azure Attestation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from assay.encoding import JsonValue, encode_base64url, encode_json
from assay.token.owner import signer_jwk

ANSWER_LIFETIME: Final = timedelta(hours=1)

UNSET_POLICY: Final = "eyJhbGciOiJub25lIn0.."
"""The stored policy of a type that has none: an unsecured JWS with an empty payload."""

_UNSECURED_HEADER: Final = "eyJhbGciOiJub25lIn0"


def answer_claims(
    content: Mapping[str, JsonValue], *, issuer: str, issued_at: datetime
) -> dict[str, JsonValue]:
    """The claims of an answer: its content with issuer and times, and no identifier.

    Args:
        content: As one of the functions below returns it.
        issuer: The instance's URL without a trailing slash.
        issued_at: The instant of issue, rounded down to its second.
    """
    issued = int(issued_at.timestamp())
    return {
        **content,
        "iss": issuer,
        "iat": issued,
        "nbf": issued,
        "exp": issued + int(ANSWER_LIFETIME.total_seconds()),
    }


def policy_answer(jws: str) -> dict[str, JsonValue]:
    """The content of the answer with a stored policy."""
    return {"x-ms-policy": jws}


def policy_updated(jws: str, certificates: tuple[x509.Certificate, ...]) -> dict[str, JsonValue]:
    """The content of the answer to a policy that was set.

    Args:
        jws: As it was received: clients compute the hash of what they sent.
        certificates: The signer's first; empty where nobody signed.
    """
    digest = hashlib.sha256(jws.encode("ascii")).digest()
    content: dict[str, JsonValue] = {
        "x-ms-policy-result": "Updated",
        "x-ms-policy-token-hash": encode_base64url(digest),
    }
    if certificates:
        content["x-ms-policy-signer"] = signer_jwk(certificates)
    return content


def policy_removed() -> dict[str, JsonValue]:
    """The content of the answer to a policy that was reset."""
    return {"x-ms-policy-result": "Removed"}


def signers_answer(certificates: Iterable[x509.Certificate]) -> dict[str, JsonValue]:
    """The content of the answer with an instance's signers."""
    return {
        "x-ms-policy-certificates": {
            "keys": [signer_jwk((certificate,)) for certificate in certificates]
        }
    }


def signer_changed(certificate: x509.Certificate, *, present: bool) -> dict[str, JsonValue]:
    """The content of the answer to a signer that was added or removed."""
    return {
        "x-ms-certificate-thumbprint": thumbprint(certificate),
        "x-ms-policycertificates-result": "IsPresent" if present else "IsAbsent",
    }


def thumbprint(certificate: x509.Certificate) -> str:
    """SHA-1 of a certificate in upper-case hexadecimal, by which clients of the service know it."""
    der = certificate.public_bytes(Encoding.DER)
    return hashlib.sha1(der, usedforsecurity=False).hexdigest().upper()


def unsecured_policy(text: str | None) -> str:
    """The JWS that stands for a policy which nobody sent: a default, or none at all."""
    if text is None:
        return UNSET_POLICY
    payload = encode_json({"AttestationPolicy": encode_base64url(text.encode("utf-8"))})
    return f"{_UNSECURED_HEADER}.{encode_base64url(payload)}."
