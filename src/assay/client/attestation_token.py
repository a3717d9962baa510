"""Tokens: what the service answers with, and what an instance's owner sends.

Source: RFC 7515 section 7.1 for the form; MAA protocol, section 5.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, final

from assay.client.errors import TokenValidationError
from assay.client.text import unicode_text
from assay.encoding import (
    EncodingError,
    JsonValue,
    decode_base64url,
    encode_json,
    parse_json_object,
)
from assay.errors import Finding, RequestError, SettingsError

if TYPE_CHECKING:
    from cryptography import x509

    from assay.client.signer import AttestationSigner
    from assay.client.signing_key import AttestationSigningKey
    from assay.client.token_validation import TokenValidationOptions

MAX_CHARACTERS: Final = 1 << 20
"""A policy of half a megabyte, which nobody has, encoded twice."""

_PARTS: Final = ("header", "payload", "signature")
_COMPACT: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)\.([A-Za-z0-9_-]*)")


@final
@dataclass(frozen=True, slots=True)
class AttestationToken:
    """A token, decoded. `validate` says whether to believe it.

    Make one with `decode` or `create`. Two are equal if their texts are.
    """

    text: str = field(repr=False)
    header: Mapping[str, JsonValue] = field(compare=False)
    payload: bytes = field(compare=False, repr=False)
    signature: bytes = field(compare=False, repr=False)
    claims: Mapping[str, JsonValue] = field(compare=False)
    """The payload's members; none for an empty payload."""

    @classmethod
    def decode(cls, text: str) -> AttestationToken:
        """A token from its compact form. Nothing is checked but the form.

        Raises:
            TokenValidationError: Not three parts of base64url with JSON objects inside.
        """
        match = _COMPACT.fullmatch(text) if len(text) <= MAX_CHARACTERS else None
        if match is None:
            raise _malformed(
                "three parts of base64url with a dot between", f"{len(text)} other characters"
            )
        try:
            header, payload, signature = (
                decode_base64url(part, name)
                for part, name in zip(match.groups(), _PARTS, strict=True)
            )
            members = parse_json_object(header, "header")
            claims = parse_json_object(payload, "payload") if payload else {}
        except EncodingError as error:
            raise _malformed("strict JSON objects in base64url", error.message) from error
        return cls(text, members, payload, signature, claims)

    @classmethod
    def create(
        cls,
        body: Mapping[str, JsonValue] | bytes | None = None,
        *,
        signing_key: AttestationSigningKey | None = None,
    ) -> AttestationToken:
        """A token of our own: secured by a key, or unsecured without one.

        Args:
            body: The claims; or their JSON text, which is kept as it is; or nothing.
            signing_key: Who signs. The token carries the certificate.

        Raises:
            RequestError: The key is of a kind that cannot sign, or the body is no JSON object.
        """
        from assay.token import sign_owner_token, unsecured_owner_token

        payload = _payload(body)
        if signing_key is None:
            return cls.decode(unsecured_owner_token(payload))
        chain = (signing_key.certificate, *signing_key.chain)
        try:
            return cls.decode(sign_owner_token(payload, signing_key.key, chain))
        except SettingsError as error:
            raise RequestError(error.message) from error

    @classmethod
    def for_policy(
        cls, policy: str, *, signing_key: AttestationSigningKey | None = None
    ) -> AttestationToken:
        """What `set_policy` sends for the text of a policy.

        Raises:
            RequestError: The key is of a kind that cannot sign, or the text is not Unicode.
        """
        from assay.token import policy_payload

        payload = policy_payload(unicode_text(policy, "policy"))
        return cls.create(payload, signing_key=signing_key)

    @classmethod
    def for_certificate(
        cls, certificate: x509.Certificate, *, signing_key: AttestationSigningKey | None = None
    ) -> AttestationToken:
        """What adding or removing a policy signer sends.

        Raises:
            RequestError: The key is of a kind that cannot sign.
        """
        from assay.token import certificate_payload

        return cls.create(certificate_payload(certificate), signing_key=signing_key)

    def serialize(self) -> str:
        """The compact form, as it came or as it will be sent."""
        return self.text

    def __str__(self) -> str:
        return self.text

    @property
    def algorithm(self) -> str:
        """`alg`: what the token says that it is signed with; `none` for an unsecured one."""
        return _text(self.header, "alg") or ""

    @property
    def secured(self) -> bool:
        """Whether it says that it is signed."""
        return self.algorithm != "none"

    @property
    def key_id(self) -> str | None:
        """`kid`: the key that the token says it is signed with."""
        return _text(self.header, "kid")

    @property
    def type(self) -> str | None:
        """`typ`."""
        return _text(self.header, "typ")

    @property
    def issuer(self) -> str | None:
        """`iss`."""
        return _text(self.claims, "iss")

    @property
    def issued_at(self) -> datetime | None:
        """`iat`."""
        return _instant(self.claims, "iat")

    @property
    def not_before(self) -> datetime | None:
        """`nbf`."""
        return _instant(self.claims, "nbf")

    @property
    def expires_at(self) -> datetime | None:
        """`exp`."""
        return _instant(self.claims, "exp")

    def validate(
        self, options: TokenValidationOptions, signers: Sequence[AttestationSigner] = ()
    ) -> AttestationSigner | None:
        """Check the token, by the clock of this machine if `options` names no instant.

        Args:
            options: What to check.
            signers: Whose signatures count. Nothing in the token is ever used as a key.

        Returns:
            Who signed it; nothing if the signature was not to be checked.

        Raises:
            TokenValidationError: With a finding for each failed check.
        """
        from assay import clock
        from assay.client.signer import SignerSet
        from assay.client.token_validation import validate_token

        return validate_token(self, options, SignerSet.of(signers), at=options.at or clock.now())


def _payload(body: Mapping[str, JsonValue] | bytes | None) -> bytes:
    try:
        payload = _encoded(body)
        if payload:
            parse_json_object(payload, "the body of a token")
    except EncodingError as error:
        raise RequestError(error.message) from error
    return payload


def _encoded(body: Mapping[str, JsonValue] | bytes | None) -> bytes:
    if body is None or isinstance(body, bytes):
        return body or b""
    try:
        return encode_json(dict(body))
    except UnicodeEncodeError as error:
        raise RequestError(
            "the body of a token: expected Unicode texts, got half of a surrogate pair"
        ) from error


def _text(members: Mapping[str, JsonValue], name: str) -> str | None:
    value = members.get(name)
    return value if isinstance(value, str) else None


def _instant(claims: Mapping[str, JsonValue], name: str) -> datetime | None:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, OSError, ValueError):
        return None


def _malformed(expected: str, actual: str) -> TokenValidationError:
    finding = Finding(check="token.jws.token_format", expected=expected, actual=actual)
    return TokenValidationError(f"a token has {expected}, got {actual}", findings=[finding])
