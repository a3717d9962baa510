"""Key sets from outside: the keys that a relying party may check tokens with.

Source: RFC 7517 section 5 for the set, RFC 7518 section 6 for the keys. As section 5 asks, a key
of a kind that is not understood is passed over, and the set stays usable; why it was passed over
is kept for the error that a token of that key causes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc.jwk import ECKey, RSAKey

from assay.encoding import (
    EncodingError,
    JsonValue,
    decode_base64,
    decode_base64url,
    json_type,
    parse_json_object,
)
from assay.errors import Finding, TokenError
from assay.keys import PublicKey
from assay.x509.chain import PARSE_ERRORS

_MAX_BYTES: Final = 1 << 20
"""Some twenty times the largest key set recorded, which has six keys with their evidence."""

_MAX_KEYS: Final = 64

_MIN_RSA_BITS: Final = 2048
_MAX_RSA_BITS: Final = 8192
"""Beyond it one signature check costs more than it can be worth."""

_CURVES: Final[dict[str, ec.EllipticCurve]] = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1()}

KeyKind: TypeAlias = Literal["RSA", "P-256", "P-384"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationKey:
    """A public key that signatures may be checked with."""

    kid: str
    kind: KeyKind

    algorithm: str | None
    """The one algorithm that the set binds the key to, where it does."""

    key: RSAKey | ECKey

    public_key: PublicKey
    """The same as `cryptography` has it."""

    certificate: bytes | None = None
    """What the key came in, in DER. Nobody vouches for it but what may be inside it."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class KeySet:
    """The usable keys of a set by identifier, and why the others are not."""

    keys: Mapping[str, VerificationKey]
    passed_over: Mapping[str, str]
    """Reasons by key identifier."""


def parse_key_set(document: bytes) -> KeySet:
    """The keys of a JWKS document. Certificates carry keys here; they are not validated.

    Raises:
        TokenError: Not a key set, too large, or two keys have one identifier.
    """
    if len(document) > _MAX_BYTES:
        raise _malformed(f"at most {_MAX_BYTES} bytes", f"{len(document)}")
    try:
        members = parse_json_object(document, "key set").get("keys")
    except EncodingError as error:
        raise _malformed("a JSON object", error.message) from error
    if not isinstance(members, list) or len(members) > _MAX_KEYS:
        raise _malformed(f"an array `keys` of at most {_MAX_KEYS}", json_type(members))
    keys: dict[str, VerificationKey] = {}
    passed_over: dict[str, str] = {}
    for member in members:
        kid = member.get("kid") if isinstance(member, dict) else None
        if not isinstance(member, dict) or not isinstance(kid, str):
            continue  # Nothing can ask for a key without an identifier.
        if kid in keys or kid in passed_over:
            raise _malformed("one key for each kid", f"two for {kid!r}")
        try:
            keys[kid] = _key(kid, member)
        except _UnusableKeyError as reason:
            passed_over[kid] = str(reason)
    return KeySet(keys=keys, passed_over=passed_over)


class _UnusableKeyError(Exception):
    """Why a key is passed over."""


def _key(kid: str, jwk: Mapping[str, JsonValue]) -> VerificationKey:
    if jwk.get("use", "sig") != "sig":
        raise _UnusableKeyError("its use is not signatures")
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        raise _UnusableKeyError("its operations do not have `verify`")
    algorithm = jwk.get("alg")
    if algorithm is not None and not isinstance(algorithm, str):
        raise _UnusableKeyError("its algorithm is not a string")
    certificate, certified = _certified_key(jwk["x5c"]) if "x5c" in jwk else (None, None)
    public_key = _public_key(jwk, certified)
    kind, key = _import(jwk.get("kty"), public_key)
    return VerificationKey(
        kid=kid,
        kind=kind,
        algorithm=algorithm,
        key=key,
        public_key=public_key,
        certificate=certificate,
    )


def _import(kty: JsonValue, public_key: PublicKey) -> tuple[KeyKind, RSAKey | ECKey]:
    if isinstance(public_key, rsa.RSAPublicKey):
        if kty != "RSA":
            raise _UnusableKeyError(f"its kty is {kty!r} and its key is RSA")
        if not _MIN_RSA_BITS <= public_key.key_size <= _MAX_RSA_BITS:
            raise _UnusableKeyError(
                f"its RSA key has {public_key.key_size} bits, "
                f"outside {_MIN_RSA_BITS} to {_MAX_RSA_BITS}"
            )
        return "RSA", RSAKey(public_key, public_key)
    if kty != "EC":
        raise _UnusableKeyError(f"its kty is {kty!r} and its key is EC")
    match public_key.curve:
        case ec.SECP256R1():
            return "P-256", ECKey(public_key, public_key)
        case ec.SECP384R1():
            return "P-384", ECKey(public_key, public_key)
        case _:
            raise _UnusableKeyError(f"its curve is {public_key.curve.name}")


def _public_key(jwk: Mapping[str, JsonValue], certified: PublicKey | None) -> PublicKey:
    if not jwk.keys() & {"n", "e", "crv", "x", "y"}:
        if certified is None:
            raise _UnusableKeyError("it has neither x5c nor a bare key that is understood")
        return certified
    bare = _bare_key(jwk)
    # RFC 7517 section 4.7: the certificate's key must be the one that the other members give.
    if certified is not None and certified != bare:
        raise _UnusableKeyError("its x5c and its bare key differ")
    return bare


def _certified_key(x5c: JsonValue) -> tuple[bytes, PublicKey]:
    """The first certificate in DER, and its key."""
    if not isinstance(x5c, list) or not x5c or not isinstance(x5c[0], str):
        raise _UnusableKeyError("its x5c is not an array of certificates")
    try:
        der = decode_base64(x5c[0], "x5c")
        key = x509.load_der_x509_certificate(der).public_key()
    except (EncodingError, *PARSE_ERRORS) as error:
        raise _UnusableKeyError("its certificate does not parse") from error
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise _UnusableKeyError("its certificate has a key of another kind than RSA or EC")
    return der, key


def _bare_key(jwk: Mapping[str, JsonValue]) -> PublicKey:
    try:
        if jwk.get("kty") == "RSA":
            return rsa.RSAPublicNumbers(n=_number(jwk, "n"), e=_number(jwk, "e")).public_key()
        curve = _CURVES.get(str(jwk.get("crv")))
        if jwk.get("kty") != "EC" or curve is None:
            raise _UnusableKeyError("its kind or curve is not understood")
        size = (curve.key_size + 7) // 8
        x, y = _number(jwk, "x", size=size), _number(jwk, "y", size=size)
        return ec.EllipticCurvePublicNumbers(x, y, curve).public_key()
    except ValueError as error:
        # `cryptography` refuses points off the curve, even exponents and the like.
        raise _UnusableKeyError("its numbers are not a key") from error


def _number(jwk: Mapping[str, JsonValue], member: str, *, size: int | None = None) -> int:
    text = jwk.get(member)
    if not isinstance(text, str):
        raise _UnusableKeyError(f"its {member} is missing or not a string")
    try:
        data = decode_base64url(text, member)
    except EncodingError as error:
        raise _UnusableKeyError(f"its {member} is not base64url") from error
    if size is not None and len(data) != size:
        raise _UnusableKeyError(f"its {member} has {len(data)} bytes and its curve {size}")
    return int.from_bytes(data, "big")


def _malformed(expected: str, actual: str) -> TokenError:
    finding = Finding(check="token.key_set.key_set_format", expected=expected, actual=actual)
    return TokenError(f"the key set needs {expected}, got {actual}", findings=[finding])
