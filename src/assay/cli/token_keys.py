"""The keys that a token is checked with, from wherever the user keeps them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from assay.cli.input_file import read_input
from assay.encoding import JsonValue, encode_base64url, encode_json
from assay.errors import RequestError, TokenError
from assay.token import KeySet, UnverifiedToken, parse_key_set
from assay.x509.chain import PARSE_ERRORS

_CURVES: Final = {"secp256r1": "P-256", "secp384r1": "P-384"}


def read_key_set(file: Path) -> KeySet:
    """The keys of a JWKS file.

    Raises:
        RequestError: The file cannot be read, or holds no key set.
    """
    document = read_input(file)
    try:
        return parse_key_set(document)
    except TokenError as error:
        # It is the user's file that is wrong, not the token.
        raise RequestError(f"--jwks: {file}: {error.message}") from error


def read_pem_key(file: Path, token: UnverifiedToken) -> KeySet:
    """The one key of a PEM file: a certificate or a public key.

    A PEM names no key identifier; as its holder picked it for this token, it answers to whichever
    the token names.

    Raises:
        RequestError: The file holds no such key.
    """
    key = _public_key(read_input(file), file)
    members = _members(key, file) | {"kid": token.header.get("kid")}
    return parse_key_set(encode_json({"keys": [members]}))


def _public_key(pem: bytes, file: Path) -> object:
    try:
        if b"-----BEGIN CERTIFICATE" in pem:
            return x509.load_pem_x509_certificate(pem).public_key()
        return load_pem_public_key(pem)
    except PARSE_ERRORS as error:
        raise RequestError(
            f"{file}: expected a certificate or a public key in PEM, got something else"
        ) from error


def _members(key: object, file: Path) -> dict[str, JsonValue]:
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        return {"kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e)}
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        point = key.public_numbers()
        size = (key.key_size + 7) // 8
        return {
            "kty": "EC",
            "crv": _CURVES[key.curve.name],
            "x": _number(point.x, size),
            "y": _number(point.y, size),
        }
    raise RequestError(f"{file}: expected an RSA key, or one on P-256 or P-384, got another")


def _number(value: int, size: int | None = None) -> str:
    return encode_base64url(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))
