"""A secret on its way: encrypted to one key, for one context, as a JWE in compact form.

| header member | content |
|---|---|
| `alg` | `RSA-OAEP-256`, or `ECDH-ES+A256KW` |
| `enc` | `A256GCM` |
| `kid` | RFC 7638 thumbprint of the enclave's key |
| `typ` | `assay-release+jwe` |
| `release` | the context |
| `epk` | of ECDH, as RFC 7518 has it |

The header is authenticated by the encryption. Anybody can encrypt to a public key, so an answer is
as good as the channel that it came by: it is TLS that says which broker it was.

Source: RFC 7516; RFC 7518 sections 4.3, 4.6 and 5.3.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from assay.encoding import EncodingError, JsonValue, decode_base64url, parse_json_object
from assay.keyrelease.context import ReleaseContext, read_context, refused

MAX_SECRET_BYTES: Final = 32 * 1024

_ENC: Final = "A256GCM"
_TYPE: Final = "assay-release+jwe"
_MEMBERS: Final = frozenset({"alg", "enc", "kid", "typ", "release"})
_MAX_CHARACTERS: Final = 64 * 1024


class WrapAlgorithm(StrEnum):
    """How the secret's encryption key travels."""

    RSA_OAEP_256 = "RSA-OAEP-256"
    ECDH_ES_A256KW = "ECDH-ES+A256KW"


class _Registry(jwe.JWERegistry):
    """`release` is a member of our own; sizes are limited here and by `MAX_SECRET_BYTES`."""

    max_protected_header_length = 4096
    max_ciphertext_length = _MAX_CHARACTERS


_REGISTRIES: Final = {
    algorithm: _Registry(algorithms=[algorithm.value, _ENC], strict_check_header=False)
    for algorithm in WrapAlgorithm
}
"""No other algorithm, no compression, no passwords."""


def wrap(secret: bytes, key: RSAKey | ECKey, context: ReleaseContext) -> str:
    """Encrypt a secret for one release.

    Args:
        secret: At most `MAX_SECRET_BYTES`.
        key: The enclave's public key, from a verified token.
        context: What the release is about.

    Raises:
        ReleaseRefusedError: The secret is too long.
    """
    if len(secret) > MAX_SECRET_BYTES:
        raise refused(
            "keyrelease.secret.size", f"at most {MAX_SECRET_BYTES} bytes", f"{len(secret)}"
        )
    algorithm = algorithm_of(key)
    header: dict[str, Any] = {
        "alg": algorithm.value,
        "enc": _ENC,
        "kid": key.thumbprint(),
        "typ": _TYPE,
        "release": context.members(),
    }
    return jwe.encrypt_compact(header, secret, key, registry=_REGISTRIES[algorithm])


def unwrap(envelope: str, key: RSAKey | ECKey, context: ReleaseContext) -> bytes:
    """The secret in an answer.

    Args:
        envelope: As it came.
        key: The enclave's private key.
        context: What was asked for: an answer to anything else is refused.

    Raises:
        ReleaseRefusedError: It is not an answer of this form to this request (`context`), to
            this key (`key`), or does not decrypt (`integrity`).
    """
    algorithm = algorithm_of(key)
    header = _read_header(envelope)
    if (header["alg"], header["enc"]) != (algorithm.value, _ENC) or header["typ"] != _TYPE:
        raise refused(
            "keyrelease.envelope.algorithm",
            f"{_TYPE} by {algorithm} and {_ENC}",
            f"{header['alg']!r}",
        )
    if header["kid"] != key.thumbprint():
        raise refused(
            "keyrelease.envelope.key", "a secret encrypted to this key", "one to another key"
        )
    found = read_context(header["release"])
    if found != context:
        raise refused("keyrelease.envelope.context", f"an answer to {context}", f"one to {found}")
    try:
        opened = jwe.decrypt_compact(envelope, key, registry=_REGISTRIES[algorithm])
    except (JoseError, ValueError) as error:
        raise refused(
            "keyrelease.envelope.integrity", "an answer that decrypts", "one that does not"
        ) from error
    assert opened.plaintext is not None  # noqa: S101  as it was decrypted
    return opened.plaintext


def algorithm_of(key: RSAKey | ECKey) -> WrapAlgorithm:
    """What is encrypted with for a key."""
    if isinstance(key, RSAKey):
        return WrapAlgorithm.RSA_OAEP_256
    return WrapAlgorithm.ECDH_ES_A256KW


def _read_header(envelope: str) -> dict[str, JsonValue]:
    if len(envelope) > _MAX_CHARACTERS:
        raise refused(
            "keyrelease.envelope.jwe_format",
            f"at most {_MAX_CHARACTERS} characters",
            f"{len(envelope)}",
        )
    try:
        first, _, _ = envelope.partition(".")
        header = parse_json_object(decode_base64url(first, "header"), "header")
    except EncodingError as error:
        raise refused(
            "keyrelease.envelope.jwe_format", "a JWE in compact form", error.message
        ) from error
    if header.keys() - {"epk"} != _MEMBERS:
        raise refused(
            "keyrelease.envelope.jwe_format",
            f"a header of {', '.join(sorted(_MEMBERS))}",
            "another",
        )
    return header
