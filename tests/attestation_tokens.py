"""Tokens of an attestation service in this process, sound or not, and its documents."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Final

import httpx2

from assay.encoding import JsonValue, encode_json
from assay.errors import IssuerUnavailableError
from assay.keys import SigningAlgorithm, SigningKey, generate_key
from assay.token import (
    KeySet,
    attestation_claims,
    jwks,
    openid_configuration,
    parse_key_set,
    sign_token,
    signing_certificate,
)
from tests.conftest import AT

ISSUER: Final = "https://attest.example"
MR_SIGNER: Final = "5a" * 32
MR_ENCLAVE: Final = "a5" * 32


def service_key(
    number: int = 0, algorithm: SigningAlgorithm = SigningAlgorithm.ES256
) -> SigningKey:
    """One of the service's keys; the same number gives the same key."""
    return _key(number, algorithm)


@cache
def _key(_number: int, algorithm: SigningAlgorithm) -> SigningKey:
    return generate_key(algorithm, created_at=AT)


def claims(**changes: JsonValue) -> dict[str, JsonValue]:
    """The claims of a token that was issued at the instant of the tests; `None` leaves one out."""
    found: dict[str, JsonValue] = {
        "x-ms-attestation-type": "sgx",
        "x-ms-sgx-is-debuggable": False,
        "x-ms-sgx-mrenclave": MR_ENCLAVE,
        "x-ms-sgx-mrsigner": MR_SIGNER,
        "x-ms-sgx-product-id": 7,
        "x-ms-sgx-svn": 3,
        "x-assay-tcb-status": "UpToDate",
        "x-ms-policy-hash": "hash-of-a-policy",
    }
    own = attestation_claims(found, issuer=ISSUER, issued_at=AT, jti="0" * 64)
    named = {name.replace("_", "-"): value for name, value in changes.items()}
    return {name: value for name, value in (own | named).items() if value is not None}


def token(*, key: SigningKey | None = None, **changes: JsonValue) -> str:
    """A token with these claims; underscores in names stand for hyphens."""
    return sign_token(claims(**changes), key or service_key(), issuer=ISSUER)


def key_document(
    keys: Iterable[SigningKey] = (), *, extensions: Iterable[tuple[str, bytes]] = ()
) -> bytes:
    """The service's JWKS, of its first key where none are named."""
    chosen = tuple(keys) or (service_key(),)
    return encode_json(
        jwks(
            [
                (key, signing_certificate(key, issuer=ISSUER, extensions=tuple(extensions)))
                for key in chosen
            ]
        )
    )


def key_set(*keys: SigningKey, extensions: Iterable[tuple[str, bytes]] = ()) -> KeySet:
    """The keys of that document."""
    return parse_key_set(key_document(keys, extensions=extensions))


@dataclass(slots=True)
class FakeService:
    """Answers for the service's metadata and keys, and notes what it is asked."""

    keys: bytes = field(default_factory=key_document)
    metadata: dict[str, JsonValue] = field(
        default_factory=lambda: openid_configuration(ISSUER, algorithms=[SigningAlgorithm.ES256])
    )
    fault: Exception | Callable[[], httpx2.Response] | None = None
    asked: list[str] = field(default_factory=list)

    @property
    def transport(self) -> httpx2.MockTransport:
        return httpx2.MockTransport(self._answer)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        url = str(request.url)
        self.asked.append(url)
        if isinstance(self.fault, Exception):
            raise self.fault
        if self.fault is not None:
            return self.fault()
        if url == f"{ISSUER}/.well-known/openid-configuration":
            return served(encode_json(self.metadata))
        return served(self.keys) if url == f"{ISSUER}/certs" else served(b"", status=404)


def served(body: bytes, *, status: int = 200, **headers: str) -> httpx2.Response:
    """An answer whose body is still to be read, as the network gives it."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx2.Response(status, headers=named, stream=httpx2.ByteStream(body))


class Keys:
    """A source of keys that changes, fails, and counts, for threads."""

    issuer = ISSUER

    def __init__(self, *keys: SigningKey) -> None:
        self.keys = key_set(*keys)
        self.fails = False
        self.fetches = 0
        self.closed = False

    def fetch_keys(self) -> KeySet:
        self.fetches += 1
        if self.fails:
            raise IssuerUnavailableError(f"attempt {self.fetches} failed")
        return self.keys

    def close(self) -> None:
        self.closed = True


class AsyncKeys:
    """The same for an event loop."""

    issuer = ISSUER

    def __init__(self, *keys: SigningKey) -> None:
        self.source = Keys(*keys)

    async def fetch_keys(self) -> KeySet:
        return self.source.fetch_keys()

    async def close(self) -> None:
        self.source.close()
