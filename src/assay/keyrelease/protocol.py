"""What travels between an enclave and a broker: JSON, of exactly these members.

| request | body | answer |
|---|---|---|
| `POST /challenge` | `secret`, `requester` | `nonce`, `expires` (Unix seconds) |
| `POST /release` | `secret`, `requester`, `nonce`, `token` | `envelope`: a JWE in compact form |

An error is `{"error": {"message", "findings"}}`; findings are codes.
"""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

from assay.encoding import EncodingError, parse_json_object
from assay.errors import RequestError

MAX_BODY_BYTES: Final = 512 * 1024
"""Twice the longest token that is read."""


class ChallengeRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of `POST /challenge`."""

    secret: str
    requester: str


class ChallengeAnswer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of `POST /challenge`."""

    nonce: str
    expires: int


class ReleaseRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of `POST /release`."""

    secret: str
    requester: str
    nonce: str
    token: str


class ReleaseAnswer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of `POST /release`."""

    envelope: str


_Message = TypeVar("_Message", bound=msgspec.Struct)


def read_message(body: bytes, kind: type[_Message]) -> _Message:
    """A message of a kind.

    Raises:
        RequestError: It is another.
    """
    try:
        return msgspec.convert(parse_json_object(body, "body"), kind)
    except EncodingError as error:
        raise RequestError(error.message) from error
    except msgspec.ValidationError as error:
        raise RequestError(f"body: {error}") from error
