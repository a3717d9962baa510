"""What the service gives a caller to bring back: sealed, dated, and for one purpose.

Nothing is kept between the two requests of an exchange, so that any replica can serve the second.

| member             | content                                             |
|--------------------|-----------------------------------------------------|
| `ProtectionKeyName`| which key sealed it, 64 hexadecimal digits          |
| `ProtectedContext` | nonce of 12 bytes, AES-256-GCM ciphertext and tag   |

Source: recorded service contexts of Microsoft Azure Attestation for the form; what is inside is
the service's own affair.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from assay.encoding import (
    EncodingError,
    JsonValue,
    decode_base64url,
    encode_base64url,
    encode_json,
    parse_json_object,
)
from assay.errors import Finding, UntrustedEvidenceError

CONTEXT_LIFETIME: Final = timedelta(minutes=5)
"""The slowest TPM answers within seconds, and nobody waits longer for it."""

_NONCE_SIZE: Final = 12
_MAX_CHARACTERS: Final = 4096
_SEPARATOR: Final = b"\0"
_EXPIRY: Final = "exp"
_CODE: Final = "tpm.service_context.invalid"


class Purpose(StrEnum):
    """What a context is for: one is no good for the other."""

    ATTESTATION = "maa-tpm-service-context-v1"
    ENROLMENT = "assay-tpm-enrolment-context-v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextKey:
    """A key that seals contexts."""

    name: str
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextScope:
    """Where a context is good."""

    purpose: Purpose
    instance: str

    @property
    def associated_data(self) -> bytes:
        """What the seal is bound to."""
        return self.purpose.encode() + _SEPARATOR + self.instance.encode()


class _Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    key_name: str = msgspec.field(name="ProtectionKeyName")
    protected: str = msgspec.field(name="ProtectedContext")


def seal_context(
    members: Mapping[str, JsonValue], key: ContextKey, scope: ContextScope, *, at: datetime
) -> str:
    """A context that holds `members` until `CONTEXT_LIFETIME` after `at`."""
    expiry = int((at + CONTEXT_LIFETIME).timestamp())
    nonce = secrets.token_bytes(_NONCE_SIZE)
    plaintext = encode_json({**members, _EXPIRY: expiry})
    ciphertext = AESGCM(key.secret).encrypt(nonce, plaintext, scope.associated_data)
    envelope = _Envelope(key_name=key.name, protected=encode_base64url(nonce + ciphertext))
    return encode_base64url(msgspec.json.encode(envelope))


def open_context(
    text: str,
    find_key: Callable[[str], ContextKey | None],
    scope: ContextScope,
    *,
    at: datetime,
) -> dict[str, JsonValue]:
    """The members of a context.

    Args:
        text: The context as it came back.
        find_key: The key of a name, if there is one.
        scope: Where it must have been sealed for.
        at: The present.

    Raises:
        UntrustedEvidenceError: It is not one, not of this scope, was changed, or has expired: the
            same for all, so that nobody learns which.
    """
    try:
        plaintext = _opened(text, find_key, scope)
        members = parse_json_object(plaintext, "context")
    except (EncodingError, msgspec.ValidationError, InvalidTag):
        raise _invalid() from None
    if at.timestamp() >= int(str(members[_EXPIRY])):
        raise _invalid()
    return members


def _opened(text: str, find_key: Callable[[str], ContextKey | None], scope: ContextScope) -> bytes:
    if len(text) > _MAX_CHARACTERS:
        raise InvalidTag
    document = parse_json_object(decode_base64url(text, "service_context"), "service_context")
    envelope = msgspec.convert(document, _Envelope)
    protected = decode_base64url(envelope.protected, "ProtectedContext")
    key = find_key(envelope.key_name)
    if key is None or len(protected) < _NONCE_SIZE:
        raise InvalidTag
    nonce, ciphertext = protected[:_NONCE_SIZE], protected[_NONCE_SIZE:]
    return AESGCM(key.secret).decrypt(nonce, ciphertext, scope.associated_data)


def _invalid() -> UntrustedEvidenceError:
    finding = Finding(
        check=_CODE,
        expected=f"a context of this instance, at most {CONTEXT_LIFETIME} old",
        actual="one that is invalid or expired",
        hint="begin again",
    )
    return UntrustedEvidenceError("the service context is invalid or expired", findings=[finding])
