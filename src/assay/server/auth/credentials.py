"""The credentials of a request: one, or none."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, final

from cryptography import x509
from starlette.types import Scope

from assay.errors import Finding, UnauthorizedError
from assay.server.auth.peer_certificate import peer_certificate
from assay.server.auth.refusal import unauthorized

MAX_CREDENTIAL_BYTES: Final = 32 * 1024
"""Tokens of large directories reach 16 KiB."""

_AUTHORIZATION: Final = b"authorization"
# RFC 6750 section 2.1: the scheme has no case, and the token is a `b64token`.
_BEARER: Final = re.compile(rb"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9._~+/-]+=*)")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a request proves its caller with, unchecked. At most one of the two is there."""

    bearer: str | None = field(default=None, repr=False)
    certificate: x509.Certificate | None = None


def read_credentials(scope: Scope, *, certificates: bool) -> Credentials:
    """The credentials of a request.

    Tokens are read from the `Authorization` header only, never from an address or a form.

    Args:
        scope: Of the request.
        certificates: Whether client certificates are credentials here.

    Raises:
        UnauthorizedError: Several credentials, or a header of another form than a bearer token's.
    """
    headers = [value for name, value in scope["headers"] if name == _AUTHORIZATION]
    certificate = peer_certificate(scope) if certificates else None
    count = len(headers) + (certificate is not None)
    if count > 1:
        # Which of them counts would be a guess, and who stands in between may guess otherwise.
        raise _refused("ambiguous", "one credential", f"{count}")
    if not headers:
        return Credentials(certificate=certificate)
    return Credentials(bearer=_bearer(headers[0]))


def _bearer(value: bytes) -> str:
    if len(value) > MAX_CREDENTIAL_BYTES:
        raise _refused("size", f"at most {MAX_CREDENTIAL_BYTES} bytes", f"{len(value)}")
    match = _BEARER.fullmatch(value)
    if match is None:
        raise _refused(
            "header_format", "the form `Authorization: Bearer <token>`", "another form or scheme"
        )
    return match.group(1).decode("ascii")


def _refused(error_class: str, expected: str, actual: str) -> UnauthorizedError:
    return unauthorized(
        "the credentials are not accepted",
        Finding(check=f"access.credential.{error_class}", expected=expected, actual=actual),
    )
