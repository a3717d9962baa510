"""The JWS that an attestation request is: its form, and its signature by the attested key.

Source: RFC 7515 section 7.1; RFC 7518 section 3.5 (PS256).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from assay.encoding import EncodingError, decode_base64url, parse_json_object
from assay.errors import Finding, UntrustedEvidenceError
from assay.evidence.tpm.signature import PublicKey
from assay.wire import malformed

JWS_FORMAT: Final = "tpm.request.jws"
_SIGNATURE: Final = "tpm.request.signature"

MAX_REQUEST_CHARACTERS: Final = 12 * 1024 * 1024
"""Room for logs of several megabytes; the server's own limit of a body is far below."""

_ALGORITHM: Final = "PS256"
_MEMBERS: Final = frozenset({"alg", "typ"})
_MAX_HEADER_DEPTH: Final = 2


class ProtocolVersion(StrEnum):
    """The versions of the request, by the `typ` of its JWS."""

    V1 = "attReq"
    V2 = "attReqV2"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestJws:
    """A request as it was sent, with nothing verified."""

    version: ProtocolVersion
    payload: bytes
    """The decoded text, which bindings are over."""

    signing_input: bytes
    signature: bytes


def parse_jws(text: str) -> RequestJws:
    """Take a JWS in compact form apart.

    Raises:
        MalformedEvidenceError: Not three parts of base64url without padding, or a header that says
            anything but `alg` PS256 and a known `typ`.
    """
    parts = text.split(".")
    if len(parts) != 3 or len(text) > MAX_REQUEST_CHARACTERS:  # noqa: PLR2004  RFC 7515
        raise malformed(
            JWS_FORMAT,
            f"three parts and at most {MAX_REQUEST_CHARACTERS} characters",
            f"{len(parts)} parts and {len(text)} characters",
        )
    try:
        header, payload, signature = (
            decode_unpadded(part, name)
            for part, name in zip(parts, ("header", "payload", "signature"), strict=True)
        )
        members = parse_json_object(header, "header", max_depth=_MAX_HEADER_DEPTH)
    except EncodingError as error:
        raise malformed(JWS_FORMAT, "a JWS in compact form", error.message) from error
    if members.get("alg") != _ALGORITHM or members.keys() != _MEMBERS:
        raise malformed(
            JWS_FORMAT,
            f"a header of alg {_ALGORITHM} and typ, and nothing else",
            f"alg {str(members.get('alg'))[:16]!r} with {len(members)} members",
        )
    typ = members["typ"]
    if not isinstance(typ, str) or typ not in {*ProtocolVersion}:
        raise malformed(JWS_FORMAT, f"typ {' or '.join(ProtocolVersion)}", f"{str(typ)[:16]!r}")
    return RequestJws(
        version=ProtocolVersion(typ),
        payload=payload,
        signing_input=text[: text.rindex(".")].encode("ascii"),
        signature=signature,
    )


def decode_unpadded(text: str, field: str) -> bytes:
    """Decode base64url, which this protocol writes without padding.

    Raises:
        EncodingError: It is something else, or padded.
    """
    if text.endswith("="):
        raise EncodingError(f"{field}: expected base64url without padding, got padding")
    return decode_base64url(text, field)


def verify_jws(jws: RequestJws, key: PublicKey) -> None:
    """Check that the owner of `key` signed the request.

    Raises:
        UntrustedEvidenceError: It did not (`tpm.request.signature`).
    """
    if not isinstance(key, rsa.RSAPublicKey):
        raise _refused("an RSA key, which PS256 needs", "a key on an elliptic curve")
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256().digest_size)
    digest = hashlib.sha256(jws.signing_input).digest()
    try:
        key.verify(jws.signature, digest, pss, Prehashed(hashes.SHA256()))
    except InvalidSignature:
        raise _refused(
            "a request signed by the request key, with a salt of 32 bytes", "another signature"
        ) from None


def _refused(expected: str, actual: str) -> UntrustedEvidenceError:
    finding = Finding(check=_SIGNATURE, expected=expected, actual=actual)
    return UntrustedEvidenceError(str(finding), findings=[finding])
