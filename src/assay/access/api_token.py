"""API tokens: secrets that this service gives out, and of which it keeps only a digest.

| part | characters | what |
|---|---:|---|
| `assay_` | 6 | so that people and secret scanners recognise it |
| identifier | 16 | names the token in lists and in the audit record; no secret |
| `_` | 1 | |
| secret | 52 | 256 random bits |
| checksum | 7 | CRC-32 of everything before it: a typing error is not looked up |

Identifier, secret and checksum are base32 (RFC 4648 section 6) in lower case, without padding.
The digest is taken over the whole text, so that a token has one spelling.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import zlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, final

from assay.access.caller import check_caller_name
from assay.access.rights import Grants

TOKEN_PREFIX: Final = "assay_"  # noqa: S105  no secret
MAX_LIFETIME: Final = timedelta(days=366)

_ID_BYTES: Final = 10
_SECRET_BYTES: Final = 32
_CHECKSUM_CHARACTERS: Final = 7
_FORM: Final = re.compile(r"assay_([a-z2-7]{16})_[a-z2-7]{52}[a-z2-7]{7}")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ApiToken:
    """A token as it is kept."""

    token_id: str

    name: str
    """What it is for, as its maker said."""

    digest: bytes = field(repr=False)
    """See `token_digest`."""

    grants: Grants
    created_at: datetime
    expires_at: datetime


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedApiToken:
    """A new token, with the text that nobody will see again."""

    text: str = field(repr=False)
    token: ApiToken


def issue_api_token(
    name: str, grants: Grants, *, created_at: datetime, lifetime: timedelta
) -> IssuedApiToken:
    """A new token that ends when its lifetime does.

    Raises:
        ValueError: The name cannot stand in a record, there are no grants, or the lifetime is
            not longer than nothing and at most `MAX_LIFETIME`.
    """
    check_caller_name(name)
    if not grants.pairs:
        raise ValueError("an API token needs at least one right for at least one instance")
    if not timedelta(0) < lifetime <= MAX_LIFETIME:
        raise ValueError(
            f"an API token needs a lifetime of up to {MAX_LIFETIME.days} days, got {lifetime}"
        )
    identifier = _base32(secrets.token_bytes(_ID_BYTES))
    unchecked = f"{TOKEN_PREFIX}{identifier}_{_base32(secrets.token_bytes(_SECRET_BYTES))}"
    text = unchecked + _checksum(unchecked)
    return IssuedApiToken(
        text=text,
        token=ApiToken(
            token_id=identifier,
            name=name,
            digest=token_digest(text),
            grants=grants,
            created_at=created_at,
            expires_at=created_at + lifetime,
        ),
    )


def token_id(text: str) -> str | None:
    """The identifier in a token's text; nothing if the text is of another form or mistyped."""
    match = _FORM.fullmatch(text)
    if match is None or not text.endswith(_checksum(text[:-_CHECKSUM_CHARACTERS])):
        return None
    return match.group(1)


def token_digest(text: str) -> bytes:
    """SHA-256 of a token's text. No salt and no stretching: nobody guesses 256 random bits."""
    return hashlib.sha256(text.encode("ascii")).digest()


def _checksum(text: str) -> str:
    return _base32(zlib.crc32(text.encode("ascii")).to_bytes(4, "big"))


def _base32(data: bytes) -> str:
    return base64.b32encode(data).decode("ascii").rstrip("=").lower()
