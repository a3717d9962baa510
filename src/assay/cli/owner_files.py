"""What an owner signs with, and what they signed elsewhere, as files."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from assay.cli.input_file import read_input, read_text
from assay.errors import RequestError
from assay.keys import PrivateKey
from assay.token import sign_owner_token, unsecured_owner_token
from assay.x509.chain import PARSE_ERRORS


def read_certificates(path: Path) -> tuple[x509.Certificate, ...]:
    """The certificates in a file, in PEM or DER.

    Raises:
        RequestError: It cannot be read, or holds none.
    """
    content = read_input(path)
    try:
        if b"-----BEGIN" in content:
            return tuple(x509.load_pem_x509_certificates(content))
        return (x509.load_der_x509_certificate(content),)
    except PARSE_ERRORS as error:
        raise RequestError(
            f"{path}: expected certificates in PEM or DER, got something else"
        ) from error


def owner_token(payload: bytes, key: Path | None, certificate: Path | None) -> str:
    """A JWS of the payload: signed, where there is something to sign with.

    Raises:
        RequestError: A file cannot be read, or only one of the two is given.
        SettingsError: The key cannot sign, or is not the certificate's.
    """
    if key is None and certificate is None:
        return unsecured_owner_token(payload)
    if key is None or certificate is None:
        raise RequestError("signing takes both --key and --certificate, got one of them")
    return sign_owner_token(payload, _private_key(key), read_certificates(certificate))


def sent_token(path: Path) -> str:
    """A JWS that was made elsewhere.

    Raises:
        RequestError: The file cannot be read.
    """
    return read_text(path).strip()


def _private_key(path: Path) -> PrivateKey:
    try:
        key = load_pem_private_key(read_input(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise RequestError(
            f"{path}: expected a private key in PEM, not encrypted, got something else"
        ) from error
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise RequestError(f"{path}: expected an RSA or EC key, got another kind")
    return key
