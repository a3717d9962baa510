"""Pins: the signing keys that a relying party knows beforehand, and takes no others for.

A pin is a digest of the key, never a name that whoever publishes keys could give to another one.
A certificate pins its key: services make the certificate of a key anew again and again.

Source: RFC 7638 for thumbprints; recorded key sets of Azure Attestation for its key identifiers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from assay.encoding import EncodingError, decode_base64, encode_base64url
from assay.errors import SettingsError
from assay.keys import key_id
from assay.token import KeySet, VerificationKey
from assay.x509.chain import PARSE_ERRORS

_DIGEST_BYTES: Final = 32
_PEM: Final = re.compile(rb"-----BEGIN CERTIFICATE-----")
_NOT_PINNED: Final = "it is none of the pinned keys"


def read_pins(pins: Iterable[str | bytes]) -> frozenset[str]:
    """Pins in the form that keys are compared in.

    Args:
        pins: Each a SHA-256 thumbprint (RFC 7638), a key identifier of MAA's form, which Assay's
            are too, or a certificate in PEM or DER.

    Raises:
        SettingsError: None of these.
    """
    return frozenset(_read(pin) for pin in pins)


def keep_pinned(keys: KeySet, pins: frozenset[str]) -> KeySet:
    """The pinned keys of a set; the others count as passed over, with the reason."""
    kept = {kid: key for kid, key in keys.keys.items() if not pins.isdisjoint(_digests(key))}
    others = dict.fromkeys(keys.keys.keys() - kept.keys(), _NOT_PINNED)
    return KeySet(keys=kept, passed_over={**keys.passed_over, **others})


def _digests(key: VerificationKey) -> tuple[str, str]:
    return key.key.thumbprint(), _plain(key_id(key.public_key))


def _read(pin: str | bytes) -> str:
    if isinstance(pin, bytes):
        return _of_certificate(pin)
    if _PEM.search(pin.encode()):
        return _of_certificate(pin.encode())
    try:
        fits = len(decode_base64(pin, "pin")) == _DIGEST_BYTES
    except EncodingError:
        fits = False
    if not fits:
        raise SettingsError(
            "a pin needs to be a SHA-256 thumbprint, a key identifier that is a digest, or a "
            f"certificate, got {pin[:80]!r}"
        )
    return _plain(pin)


def _plain(digest: str) -> str:
    """One spelling of base64."""
    return encode_base64url(decode_base64(digest, "digest"))


def _of_certificate(data: bytes) -> str:
    load = x509.load_pem_x509_certificate if _PEM.search(data) else x509.load_der_x509_certificate
    try:
        key = load(data).public_key()
    except PARSE_ERRORS as error:
        raise SettingsError("a pin needs to be a certificate, got other bytes") from error
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise SettingsError("a pin needs a certificate of an RSA or EC key, got another")
    return _plain(key_id(key))
