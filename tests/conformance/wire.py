"""What the clients in other languages send and read, without the clients: requests by the byte."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx2
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from assay.encoding import decode_base64url, encode_base64url
from tests.administration import Hosted

INSTANCES: Final = ("aad", "isolated", "shared")
TRACEPARENT: Final = "00-d293abc4bc9fd94bb9ae9717be78fca4-205c665529678741-00"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as every client begins to read it: a token in JSON."""

    response: httpx2.Response

    @property
    def token(self) -> str:
        """The member that the protocol has, and no other."""
        assert self.response.status_code == 200, self.response.text
        assert self.response.headers["content-type"] == "application/json; charset=utf-8"
        assert list(self.response.json()) == ["token"]
        return str(self.response.json()["token"])

    @property
    def header(self) -> dict[str, Any]:
        """Of the token."""
        return part(self.token, 0)

    @property
    def body(self) -> dict[str, Any]:
        """Of the token."""
        return part(self.token, 1)

    @property
    def error(self) -> dict[str, Any]:
        """What is read of a refusal."""
        assert self.response.status_code >= 400
        found: dict[str, Any] = self.response.json()["error"]
        return found


def part(token: str, index: int) -> dict[str, Any]:
    """A part of a token."""
    found: dict[str, Any] = json.loads(decode_base64url(token.split(".")[index], "token"))
    return found


def verified_by(token: str, certificate: x509.Certificate) -> bool:
    """As the clients do it: PKCS #1 v1.5 over the token's text, by the certificate's key."""
    text, _, signature = token.rpartition(".")
    key = certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    key.verify(
        decode_base64url(signature, "signature"),
        text.encode(),
        padding.PKCS1v15(),
        hashes.SHA256(),
    )
    return True


def published(found: Hosted, instance: str, headers: Mapping[str, str]) -> dict[str, Any]:
    """The keys of an instance by their identifiers, each of the members that clients need."""
    answer = found.call("GET", f"/{instance}/certs", headers=headers)
    # One of them reads nothing else.
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    keys = answer.json()["keys"]
    assert all(key["kty"] == "RSA" and key["x5c"] for key in keys)
    return {
        key["kid"]: x509.load_der_x509_certificate(base64.b64decode(key["x5c"][0], validate=True))
        for key in keys
    }


def standard_x5c(certificate: x509.Certificate) -> str:
    """A certificate as JWS and JWK have it."""
    return base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()


def jws(header: str, payload: str, key: rsa.RSAPrivateKey | None = None) -> str:
    """A JWS of texts as a client writes them; without a key the third part is empty."""
    text = f"{encode_base64url(header.encode())}.{encode_base64url(payload.encode())}"
    if key is None:
        return f"{text}."
    signature = key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{text}.{encode_base64url(signature)}"


def hash_of(sent: str) -> str:
    """What clients compare `x-ms-policy-token-hash` with."""
    return encode_base64url(hashlib.sha256(sent.encode("ascii")).digest())


def thumbprint(certificate: x509.Certificate) -> str:
    """SHA-1 in upper case."""
    der = certificate.public_bytes(Encoding.DER)
    return hashlib.sha1(der, usedforsecurity=False).hexdigest().upper()


def stored_text(token: str) -> str:
    """The policy inside the JWS inside an answer to `GET`."""
    inner = part(token, 1)["x-ms-policy"]
    assert set(part(inner, 0)).isdisjoint({"iss", "exp", "nbf", "iat"})
    payload = inner.split(".")[1]
    if not payload:
        return ""
    stored = json.loads(decode_base64url(payload, "policy"))
    return decode_base64url(stored["AttestationPolicy"], "AttestationPolicy").decode()
