"""The key and the context that a verified token vouches for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias, final

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from assay.encoding import EncodingError, JsonValue, decode_base64url, parse_json_object
from assay.keyrelease.context import ReleaseContext, read_context, refused

_Members: TypeAlias = dict[str, str | list[str]]

_MIN_RSA_BITS: Final = 2048
_MAX_RSA_BITS: Final = 8192
_MAX_EXPONENT_BITS: Final = 32
_CURVES: Final = frozenset({"P-256", "P-384"})
_MEMBERS: Final[Mapping[str, frozenset[str]]] = {
    "EC": frozenset({"kty", "crv", "x", "y", "kid", "use"}),
    "RSA": frozenset({"kty", "n", "e", "kid", "use"}),
}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class AttestedKey:
    """A public key of an enclave, and what the enclave made it for."""

    key: RSAKey | ECKey
    context: ReleaseContext


def attested_key(claims: Mapping[str, JsonValue]) -> AttestedKey:
    """The key in the runtime data of a token that was verified.

    Runtime data that was sent as JSON is the claim `x-ms-runtime`; what was sent as bytes is the
    claim `x-ms-sgx-ehd`. Nothing else of a request can name a key.

    Raises:
        ReleaseRefusedError: There is not exactly one key to encrypt to, or no context.
    """
    runtime = _runtime(claims)
    keys = runtime.get("keys")
    if not isinstance(keys, list) or len(keys) != 1 or not isinstance(keys[0], dict):
        raise refused(
            "keyrelease.token.runtime_data", "one key in the runtime data's `keys`", "other data"
        )
    return AttestedKey(key=_read_key(keys[0]), context=read_context(runtime.get("release")))


def _runtime(claims: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    runtime = claims.get("x-ms-runtime")
    if isinstance(runtime, dict):
        return runtime
    held = claims.get("x-ms-sgx-ehd")
    if not isinstance(held, str):
        raise refused("keyrelease.token.runtime_data", "runtime data in the token", "none")
    try:
        return parse_json_object(decode_base64url(held, "held data"), "held data")
    except EncodingError as error:
        raise refused("keyrelease.token.runtime_data", "a JSON object", error.message) from error


def _read_key(jwk: Mapping[str, JsonValue]) -> RSAKey | ECKey:
    kind = jwk.get("kty")
    known = _MEMBERS.get(kind) if isinstance(kind, str) else None
    texts: _Members = {name: text for name, text in jwk.items() if isinstance(text, str)}
    if known is None or texts.keys() != jwk.keys() or jwk.keys() - known:
        raise refused(
            "keyrelease.token.key", "a public RSA or EC key as a JWK", f"{sorted(jwk)}"[:80]
        )
    if texts.get("use", "enc") != "enc":
        raise refused("keyrelease.token.key", "a key to encrypt to", f"use {texts['use']!r}"[:80])
    try:
        key = _read_rsa(texts) if kind == "RSA" else _read_ec(texts)
        thumbprint = key.thumbprint()
    except (JoseError, EncodingError, ValueError, KeyError) as error:
        # `cryptography` refuses points off the curve.
        raise refused("keyrelease.token.key", "a key", f"{type(error).__name__}") from error
    if texts.get("kid", thumbprint) != thumbprint:
        raise refused("keyrelease.token.key", f"its thumbprint {thumbprint} as kid", "another")
    return key


def _read_rsa(texts: _Members) -> RSAKey:
    # Before it is made into a key: its size decides what that costs.
    modulus, exponent = (
        int.from_bytes(decode_base64url(str(texts[name]), name), "big") for name in ("n", "e")
    )
    bits, exponent_bits = modulus.bit_length(), exponent.bit_length()
    if not (_MIN_RSA_BITS <= bits <= _MAX_RSA_BITS and exponent_bits <= _MAX_EXPONENT_BITS):
        raise refused(
            "keyrelease.token.key",
            f"RSA of {_MIN_RSA_BITS} to {_MAX_RSA_BITS} bits and a small exponent",
            f"{bits} bits and an exponent of {exponent_bits}",
        )
    if not modulus & 1:
        raise refused("keyrelease.token.key", "an RSA modulus that is odd", "an even one")
    return RSAKey.import_key(texts)


def _read_ec(texts: _Members) -> ECKey:
    if texts["crv"] not in _CURVES:
        raise refused("keyrelease.token.key", " or ".join(sorted(_CURVES)), f"{texts['crv']}"[:80])
    return ECKey.import_key(texts)
