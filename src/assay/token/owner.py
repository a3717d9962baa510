"""What an instance's owner sends: policies and changes of signers, as JWS from outside.

Each official client writes its own kind. Taken is what their sum needs, and nothing more:

| | |
|---|---|
| unsecured | `alg` is `none`, and the signature is empty |
| signed | `alg` is `RS256` or `ES256`, or `RSA256` or `ECDH256` as two of the clients call them |
| the key | of the first certificate in `x5c`, or in `x5c` of `jwk`; no other member is looked at |
| ECDSA | P-256; the signature as JWS has it, or in DER |

That a signature holds says only that the sender has the certificate's key. Whether the
certificate counts for anything is decided elsewhere.

Source: MAA protocol, sections 5.1 to 5.3; RFC 7515 for the rest.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry

from assay.encoding import (
    EncodingError,
    JsonValue,
    decode_base64,
    decode_base64url,
    encode_base64url,
    json_type,
    parse_json_object,
)
from assay.errors import Finding, TokenError
from assay.x509.chain import PARSE_ERRORS, read_fields

MAX_OWNER_TOKEN_CHARACTERS: Final = 1 << 20
"""A policy of half a megabyte, which nobody has, encoded twice."""

_COMPACT: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)\.([A-Za-z0-9_-]*)")
_MAX_CERTIFICATES: Final = 8
_MAX_RSA_BITS: Final = 8192
"""Beyond it one signature check costs more than it can be worth."""

_MIN_RSA_BITS: Final = 1024
"""A client's own tests sign with keys this weak, where a signature means nothing. What an isolated
instance trusts is held to more."""

_P256_BYTES: Final = 32
_SHOWN_CHARACTERS: Final = 64

_POLICY: Final = "AttestationPolicy"
_CERTIFICATE_CLAIMS: Final = (
    "policyCertificate",
    "maa-policyCertificate",
    "x-ms-policyCertificate",
)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerToken:
    """A JWS whose signature, where it has one, was made with its own first certificate's key."""

    text: str
    """As it came."""

    payload: bytes
    certificates: tuple[x509.Certificate, ...]
    """The signer's first; empty where nobody signed."""

    @property
    def signed(self) -> bool:
        """Whether anybody signed it."""
        return bool(self.certificates)


def read_owner_token(text: str) -> OwnerToken:
    """The token, with its own signature checked.

    Raises:
        TokenError: Not a JWS of one of the forms above, or the signature does not hold.
    """
    # 1. Form and size, before anything is decoded.
    header_part, payload_part, signature_part = _split(text)
    payload = _bytes(payload_part, "payload")

    # 2. The header: strict JSON, and nothing in it that changes what a signature means.
    header = _header(header_part)
    algorithm = header.get("alg")
    if algorithm == "none":
        if signature_part:
            raise _refused("unsecured", "no signature under alg none", "one")
        return OwnerToken(text=text, payload=payload, certificates=())

    # 3. The signature, over the characters received.
    certificates = _certificates(header)
    key = _key(certificates[0], algorithm)
    _check_signature(header_part, payload_part, signature_part, key)
    return OwnerToken(text=text, payload=payload, certificates=certificates)


def read_policy_text(token: OwnerToken) -> str | None:
    """The policy in a token; nothing in an empty one, which is how policies are reset.

    Raises:
        TokenError: The payload is neither empty nor a stored policy.
    """
    if not token.payload:
        return None
    document = _document(token.payload)
    encoded = document.get(_POLICY)
    if document.keys() != {_POLICY} or not isinstance(encoded, str):
        raise _bad_payload(f"the member {_POLICY}, a string, and no other", _members(document))
    try:
        return decode_base64url(encoded, _POLICY).decode("utf-8")
    except (EncodingError, UnicodeDecodeError) as error:
        reason = error.message if isinstance(error, EncodingError) else "other bytes"
        raise _bad_payload(f"a policy's UTF-8 text in base64url as {_POLICY}", reason) from error


def read_certificate(token: OwnerToken) -> x509.Certificate:
    """The certificate that a token is about.

    Raises:
        TokenError: It names none, several, or something else.
    """
    document = _document(token.payload) if token.payload else {}
    names = [name for name in _CERTIFICATE_CLAIMS if name in document]
    if len(names) != 1 or len(document) != 1:
        raise _bad_payload(
            f"the member {_CERTIFICATE_CLAIMS[0]!r} and no other", _members(document)
        )
    jwk = document[names[0]]
    if not isinstance(jwk, dict):
        raise _bad_payload(f"a key with x5c as {names[0]!r}", json_type(jwk))
    certificates = _load_chain(jwk.get("x5c"))
    if len(certificates) != 1:
        raise _bad_payload("one certificate in x5c", f"{len(certificates)}")
    return certificates[0]


def signer_jwk(certificates: tuple[x509.Certificate, ...]) -> dict[str, JsonValue]:
    """A signer as tokens of the service show it.

    Args:
        certificates: The signer's first. Its key is one that `read_owner_token` takes.
    """
    is_rsa = isinstance(certificates[0].public_key(), rsa.RSAPublicKey)
    return {
        "alg": "RS256" if is_rsa else "ES256",
        "kty": "RSA" if is_rsa else "EC",
        "use": "sig",
        "x5c": [
            base64.b64encode(certificate.public_bytes(Encoding.DER)).decode("ascii")
            for certificate in certificates
        ],
    }


_RS256: Final = JWSRegistry.algorithms["RS256"]
_ES256: Final = JWSRegistry.algorithms["ES256"]
_ALGORITHMS: Final = MappingProxyType(
    {"RS256": _RS256, "RSA256": _RS256, "ES256": _ES256, "ECDH256": _ES256}
)


class _Registry(JWSRegistry):
    """The two algorithms under all their names. Sizes are limited before."""

    max_header_length = MAX_OWNER_TOKEN_CHARACTERS
    max_payload_length = MAX_OWNER_TOKEN_CHARACTERS
    max_signature_length = MAX_OWNER_TOKEN_CHARACTERS

    def __init__(self) -> None:
        super().__init__(algorithms=list(_ALGORITHMS), strict_check_header=False)
        self.algorithms = dict(_ALGORITHMS)


OWNER_REGISTRY: Final = _Registry()
"""For reading and writing alike."""


def _split(text: str) -> tuple[str, str, str]:
    if len(text) > MAX_OWNER_TOKEN_CHARACTERS:
        raise _refused("size", f"at most {MAX_OWNER_TOKEN_CHARACTERS} characters", f"{len(text)}")
    match = _COMPACT.fullmatch(text)
    if match is None:
        dots = text.count(".")
        wanted = 2
        raise _refused(
            "jws_format",
            "three parts of base64url with a dot between, the compact form of JWS",
            f"{dots + 1} parts" if dots != wanted else "characters of another alphabet",
        )
    header, payload, signature = match.groups()
    return header, payload, signature


def _bytes(part: str, what: str) -> bytes:
    try:
        data = decode_base64url(part, what)
    except EncodingError as error:
        raise _refused("jws_format", f"base64url as {what}", error.message) from error
    # Spare bits of the last character must be zero, or one token has several spellings.
    if encode_base64url(data) != part:
        raise _refused("jws_format", f"the only base64url spelling of the {what}", "another")
    return data


def _header(part: str) -> dict[str, JsonValue]:
    try:
        header = parse_json_object(_bytes(part, "header"), "header")
    except EncodingError as error:
        raise _refused("jws_format", "a strict JSON object as header", error.message) from error
    for member in ("crit", "b64"):
        if member in header:
            raise _refused("critical_header", "no header extensions", f"a member {member!r}")
    return header


def _certificates(header: dict[str, JsonValue]) -> tuple[x509.Certificate, ...]:
    jwk = header.get("jwk", {})
    if not isinstance(jwk, dict):
        raise _refused("certificate", "an object as jwk", json_type(jwk))
    if "x5c" in header and "x5c" in jwk:
        raise _refused("certificate", "one x5c, in the header or in its jwk", "both")
    return _load_chain(header.get("x5c", jwk.get("x5c")))


def _load_chain(x5c: JsonValue) -> tuple[x509.Certificate, ...]:
    if not isinstance(x5c, list) or not 1 <= len(x5c) <= _MAX_CERTIFICATES:
        count = f"{len(x5c)}" if isinstance(x5c, list) else json_type(x5c)
        raise _refused("certificate", f"an array x5c of 1 to {_MAX_CERTIFICATES}", count)
    return tuple(_load(member) for member in x5c)


def _load(member: JsonValue) -> x509.Certificate:
    if not isinstance(member, str):
        raise _refused("certificate", "certificates in base64 in x5c", json_type(member))
    try:
        certificate = x509.load_der_x509_certificate(decode_base64(member, "x5c"))
        read_fields(certificate)
    except (EncodingError, *PARSE_ERRORS) as error:
        raise _refused(
            "certificate", "X.509 certificates in DER in x5c", type(error).__name__
        ) from error
    return certificate


def _key(certificate: x509.Certificate, algorithm: JsonValue) -> RSAKey | ECKey:
    known = isinstance(algorithm, str) and algorithm in _ALGORITHMS
    if not known:
        raise _refused("algorithm", f"one of none, {', '.join(_ALGORITHMS)}", _shown(algorithm))
    key = certificate.public_key()
    kind = _ALGORITHMS[str(algorithm)].key_type
    if isinstance(key, rsa.RSAPublicKey) and kind == "RSA":
        if not _MIN_RSA_BITS <= key.key_size <= _MAX_RSA_BITS:
            raise _refused(
                "key", f"an RSA key of {_MIN_RSA_BITS} to {_MAX_RSA_BITS} bits", f"{key.key_size}"
            )
        return RSAKey(key, key)
    if isinstance(key, ec.EllipticCurvePublicKey) and kind == "EC":
        if not isinstance(key.curve, ec.SECP256R1):
            raise _refused("key", "an EC key on P-256", f"one on {key.curve.name}")
        return ECKey(key, key)
    raise _refused("key", f"a certificate with a key for {algorithm}", "one of another kind")


def _check_signature(header: str, payload: str, signature: str, key: RSAKey | ECKey) -> None:
    if isinstance(key, ECKey):
        signature = _fixed_size(signature)
    try:
        jws.deserialize_compact(f"{header}.{payload}.{signature}", key, registry=OWNER_REGISTRY)
    except JoseError as error:
        raise _refused(
            "signature", "a signature by the key of the first certificate in x5c", "another"
        ) from error


def _fixed_size(signature: str) -> str:
    """An ECDSA signature as JWS has it. Some clients send DER, whose length is another one."""
    data = _bytes(signature, "signature")
    if len(data) == 2 * _P256_BYTES:
        return signature
    try:
        numbers = decode_dss_signature(data)
        return encode_base64url(b"".join(n.to_bytes(_P256_BYTES, "big") for n in numbers))
    except (ValueError, OverflowError) as error:
        raise _refused("signature", "an ECDSA signature on P-256", "other bytes") from error


def _document(payload: bytes) -> dict[str, JsonValue]:
    try:
        return parse_json_object(payload, "payload")
    except EncodingError as error:
        raise _bad_payload("a strict JSON object", error.message) from error


def _members(document: dict[str, JsonValue]) -> str:
    return _shown(", ".join(document) or "none")


def _shown(value: JsonValue) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def _bad_payload(expected: str, actual: str) -> TokenError:
    return _error("owner.jws.payload", expected, actual)


def _refused(error_class: str, expected: str, actual: str) -> TokenError:
    return _error(f"owner.jws.{error_class}", expected, actual)


def _error(check: str, expected: str, actual: str) -> TokenError:
    finding = Finding(check=check, expected=expected, actual=actual)
    return TokenError(f"the JWS needs {expected}, got {actual}", findings=[finding])
