"""An OIDC issuer in this process: its documents, and tokens of any form, sound or not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Final

import httpx2
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from assay.access import Right
from assay.encoding import JsonValue, encode_base64url, encode_json
from assay.keys import PublicKey, SigningAlgorithm, SigningKey, generate_key
from assay.server.auth.settings import ClaimGrant, IssuerSettings
from tests.conftest import AT

ISSUER: Final = "https://login.example/tenant/v2.0"
AUDIENCE: Final = "api://assay"
_NOW: Final = int(AT.timestamp())


def issuer_key(number: int = 0, algorithm: SigningAlgorithm = SigningAlgorithm.ES256) -> SigningKey:
    """One of an issuer's keys; the same number gives the same key."""
    return _key(number, algorithm)


@cache
def _key(_number: int, algorithm: SigningAlgorithm) -> SigningKey:
    return generate_key(algorithm, created_at=AT)


def jwk(key: SigningKey, **changes: JsonValue) -> dict[str, JsonValue]:
    """A public key as issuers publish it."""
    return {
        "kid": key.kid,
        "use": "sig",
        "alg": key.algorithm.value,
        **_numbers(key.public_key),
        **changes,
    }


def _numbers(key: PublicKey) -> dict[str, JsonValue]:
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        n = numbers.n.to_bytes((key.key_size + 7) // 8, "big")
        return {"kty": "RSA", "n": encode_base64url(n), "e": encode_base64url(b"\1\0\1")}
    assert isinstance(key, ec.EllipticCurvePublicKey)
    point = key.public_numbers()
    size = (key.curve.key_size + 7) // 8
    x, y = (encode_base64url(one.to_bytes(size, "big")) for one in (point.x, point.y))
    return {"kty": "EC", "crv": f"P-{key.curve.key_size}", "x": x, "y": y}


def grant(claim: str | tuple[str, ...], value: str, *rights: Right, to: str = "*") -> ClaimGrant:
    """Rights for a value of a claim."""
    return ClaimGrant(claim=claim, value=value, rights=rights, instances=(to,))


GRANTS: Final = (
    grant("roles", "reader", Right.READ),
    grant("roles", "writer", Right.READ, Right.WRITE, Right.DELETE),
    grant("roles", "writer-b", Right.READ, Right.WRITE, Right.DELETE, to="b"),
)


def issuer_settings(**changes: object) -> IssuerSettings:
    """The settings of an issuer whose tokens have roles."""
    fields: dict[str, object] = {"issuer": ISSUER, "audiences": (AUDIENCE,), "grants": GRANTS}
    return IssuerSettings(**{**fields, **changes})  # type: ignore[arg-type]


def claims(**changes: JsonValue) -> dict[str, JsonValue]:
    """The claims of a token that was made at the instant of the tests; `None` leaves one out."""
    found: dict[str, JsonValue] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "somebody",
        "iat": _NOW,
        "nbf": _NOW,
        "exp": _NOW + 3600,
        **changes,
    }
    return {name: value for name, value in found.items() if value is not None}


def token(
    content: Mapping[str, JsonValue] | bytes,
    key: SigningKey | None = None,
    *,
    sign: Callable[[bytes], bytes] | None = None,
    **header: JsonValue,
) -> str:
    """A token with any header, signed by any key, or by any function."""
    chosen = key or issuer_key()
    head: dict[str, JsonValue] = {"alg": chosen.algorithm.value, "kid": chosen.kid, "typ": "JWT"}
    head = {name: value for name, value in (head | header).items() if value is not None}
    payload = content if isinstance(content, bytes) else encode_json(dict(content))
    signing_input = f"{encode_base64url(encode_json(head))}.{encode_base64url(payload)}"
    signature = (sign or chosen.sign)(signing_input.encode())
    return f"{signing_input}.{encode_base64url(signature)}"


@dataclass(slots=True)
class FakeIssuer:
    """Answers for an issuer, and counts what it is asked."""

    keys: list[dict[str, JsonValue]] = field(default_factory=lambda: [jwk(issuer_key())])
    metadata: dict[str, JsonValue] = field(
        default_factory=lambda: {"issuer": ISSUER, "jwks_uri": "https://keys.example/jwks"}
    )
    fault: Exception | httpx2.Response | None = None
    """What happens in place of every answer."""

    asked: list[str] = field(default_factory=list)

    @property
    def transport(self) -> httpx2.MockTransport:
        return httpx2.MockTransport(self._answer)

    @property
    def fetches(self) -> int:
        """How often the keys were asked for."""
        return self.asked.count("https://keys.example/jwks")

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        url = str(request.url)
        self.asked.append(url)
        if isinstance(self.fault, Exception):
            raise self.fault
        if self.fault is not None:
            return self.fault
        if url.endswith("/.well-known/openid-configuration"):
            return served(encode_json(self.metadata))
        if url == "https://keys.example/jwks":
            return served(encode_json({"keys": [*self.keys]}))
        return served(b"", status=404)


def served(body: bytes, *, status: int = 200, **headers: str) -> httpx2.Response:
    """An answer whose body is still to be read, as the network gives it."""
    return httpx2.Response(status, headers=headers, stream=httpx2.ByteStream(body))
