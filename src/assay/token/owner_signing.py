"""Writing what an instance's owner sends; `assay.token.owner` reads it.

Source: MAA protocol, sections 5.1 to 5.3.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from assay.encoding import JsonValue, encode_base64url, encode_json
from assay.errors import SettingsError
from assay.keys import PrivateKey
from assay.token.owner import OWNER_REGISTRY

RESET_PAYLOAD: Final = b""
"""What a reset says."""


def policy_payload(text: str) -> bytes:
    """What setting a policy says."""
    return encode_json({"AttestationPolicy": encode_base64url(text.encode("utf-8"))})


def certificate_payload(certificate: x509.Certificate) -> bytes:
    """What adding or removing a signer says."""
    key = certificate.public_key()
    kty = "RSA" if isinstance(key, rsa.RSAPublicKey) else "EC"
    return encode_json({"policyCertificate": {"kty": kty, "x5c": _x5c([certificate])}})


def unsecured_owner_token(payload: bytes) -> str:
    """A JWS that nobody signs."""
    header = encode_base64url(encode_json({"alg": "none"}))
    return f"{header}.{encode_base64url(payload)}."


def sign_owner_token(
    payload: bytes, key: PrivateKey, certificates: Sequence[x509.Certificate]
) -> str:
    """A JWS signed by `key`.

    Args:
        payload: As one of the functions above returns it.
        key: RSA, or EC on P-256.
        certificates: The key's own first, then those that issued it, as far as they are needed.

    Raises:
        SettingsError: The key is of another kind, or not the first certificate's.
    """
    if not certificates or certificates[0].public_key() != key.public_key():
        raise SettingsError(
            "the signing key is not that of the first certificate; name the certificate that was "
            "issued for it"
        )
    algorithm, jwk = _jwk(key)
    header = {"alg": algorithm, "x5c": _x5c(certificates)}
    return jws.serialize_compact(header, payload, jwk, registry=OWNER_REGISTRY)


def _jwk(key: PrivateKey) -> tuple[str, RSAKey | ECKey]:
    if isinstance(key, rsa.RSAPrivateKey):
        return "RS256", RSAKey(key, key)
    if isinstance(key.curve, ec.SECP256R1):
        return "ES256", ECKey(key, key)
    raise SettingsError(
        f"a policy signer needs an RSA key or an EC key on P-256, got one on {key.curve.name}"
    )


def _x5c(certificates: Sequence[x509.Certificate]) -> list[JsonValue]:
    return [
        base64.b64encode(certificate.public_bytes(Encoding.DER)).decode("ascii")
        for certificate in certificates
    ]
