"""Tokens of one issuer, as it signs them and as nobody should, and how they are refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

import pytest

from assay.encoding import JsonValue, encode_base64url, encode_json
from assay.errors import TokenError
from assay.keys import SigningAlgorithm, SigningKey, generate_key
from assay.token import (
    KeySet,
    TokenExpectations,
    attestation_claims,
    jwks,
    parse_key_set,
    signing_certificate,
    verify_token,
)

AT: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)
ISSUER: Final = "https://assay.example"
EXPECT: Final = TokenExpectations(issuer=ISSUER)

RSA_KEY: Final = generate_key(SigningAlgorithm.RS256, created_at=AT)
PSS_KEY: Final = generate_key(SigningAlgorithm.PS256, created_at=AT)
P256_KEY: Final = generate_key(SigningAlgorithm.ES256, created_at=AT)
P384_KEY: Final = generate_key(SigningAlgorithm.ES384, created_at=AT)
ALL_KEYS: Final = (RSA_KEY, PSS_KEY, P256_KEY, P384_KEY)
STRANGER: Final = generate_key(SigningAlgorithm.ES256, created_at=AT)


def make_key_set(*keys: SigningKey) -> KeySet:
    document = jwks([(key, signing_certificate(key, issuer=ISSUER)) for key in keys])
    return parse_key_set(json.dumps(document).encode())


KEYS: Final = make_key_set(*ALL_KEYS)


def issued_claims(**changes: JsonValue) -> dict[str, JsonValue]:
    claims = attestation_claims({"tee": "sgx"}, issuer=ISSUER, issued_at=AT, jti="0" * 64)
    return {**claims, **changes}


def claims_without(name: str) -> dict[str, JsonValue]:
    return {one: value for one, value in issued_claims().items() if one != name}


def make_token(
    header: Mapping[str, JsonValue] | bytes, payload: bytes, sign: Callable[[bytes], bytes]
) -> str:
    raw = header if isinstance(header, bytes) else encode_json(dict(header))
    signing_input = f"{encode_base64url(raw)}.{encode_base64url(payload)}"
    return f"{signing_input}.{encode_base64url(sign(signing_input.encode()))}"


def token_with_header(key: SigningKey = P256_KEY, **changes: JsonValue) -> str:
    """A token rightly signed, with a header of our making."""
    header: dict[str, JsonValue] = {"alg": key.algorithm.value, "kid": key.kid, "typ": "JWT"}
    return make_token({**header, **changes}, encode_json(issued_claims()), key.sign)


def refusal_of(token: str, expect: TokenExpectations = EXPECT, keys: KeySet = KEYS) -> list[str]:
    with pytest.raises(TokenError) as raised:
        verify_token(token, keys, at=AT, expect=expect)
    assert raised.value.findings
    return [finding.check for finding in raised.value.findings]
