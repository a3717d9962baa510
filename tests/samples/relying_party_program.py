"""A program as a relying party writes it, for the type checker: nobody runs it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import assert_type

from assay.encoding import JsonValue
from assay.errors import IssuerUnavailableError, TokenError
from assay.keyrelease import (
    AttestedKey,
    ReleaseContext,
    ReleaseKey,
    WrapAlgorithm,
    attested_key,
    wrap,
)
from assay.relying_party import (
    KeySet,
    TokenDemands,
    TokenVerifier,
    VerifiedToken,
    load_key_set,
    require,
)
from assay.relying_party.aio import AsyncTokenVerifier


def check(token: str) -> str:
    demands = TokenDemands(
        policy_hashes=frozenset({"z0FRjKS0ssQTNur1V6BV8WIrh9M3fzgTo0EfHRvapWU"}),
        audiences=frozenset({"my service"}),
        clock_skew=timedelta(seconds=5),
        max_age=timedelta(minutes=10),
    )
    wanted = require({"tier": "gold"}, mrsigner="5a" * 32, svn__ge=3, debuggable=False)
    with TokenVerifier("https://attest.example.com", wanted, demands=demands) as verifier:
        try:
            verified = verifier.verify(token, nonce="mine")
        except TokenError as error:
            return error.findings[0].check
        except IssuerUnavailableError as error:
            return error.message
    assert_type(verified, VerifiedToken)
    assert_type(verified.claims, Mapping[str, JsonValue])
    return str(verified.claims["iss"])


def check_offline(token: str, file: Path) -> VerifiedToken:
    keys = load_key_set(file)
    assert_type(keys, KeySet)
    return TokenVerifier("https://attest.example.com", keys=keys).verify(token)


async def check_on_a_loop(token: str) -> VerifiedToken:
    async with AsyncTokenVerifier("https://attest.example.com", require(svn__ge=3)) as verifier:
        return await verifier.verify(token)


def release(verified: VerifiedToken, secret: bytes, context: ReleaseContext) -> str:
    key = attested_key(verified.claims)
    assert_type(key, AttestedKey)
    return wrap(secret, key.key, context)


def receive(envelope: str, context: ReleaseContext) -> bytes:
    key = ReleaseKey.generate(WrapAlgorithm.RSA_OAEP_256)
    assert_type(key.jwk, dict[str, JsonValue])
    assert_type(key.runtime_data(context), bytes)
    return key.unwrap(envelope, context)


def issued_at(verified: VerifiedToken) -> datetime | None:
    at = verified.claims.get("iat")
    return datetime.fromtimestamp(at, UTC) if isinstance(at, int) else None
