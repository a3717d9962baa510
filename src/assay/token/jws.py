"""Tokens of the service in JWS compact form, byte for byte as the original service writes them.

This is the hot path: everything that does not change from token to token is kept, and
`cryptography` signs directly. Nothing hostile enters here; tokens from outside are read by
`assay.token.verify`.

Source: RFC 7515 section 7.1 for the form, RFC 7519 section 6 for unsecured tokens; members and
their order from recorded tokens of Microsoft Azure Attestation.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import msgspec

from assay.encoding import JsonValue, encode_base64url, encode_json
from assay.keys import SigningKey

_ENCODER: Final = msgspec.json.Encoder(order="sorted")

_KEPT_HEADERS: Final = 4096
"""One for each instance and key; many times what one server hosts, and less than 2 MB."""


def sign_token(claims: Mapping[str, JsonValue], key: SigningKey, *, issuer: str) -> str:
    """The claims as a token signed by `key`.

    The header is `alg`, `jku`, `kid` and `typ` in this order, where `jku` is the issuer's
    `/certs`. Claims are compact JSON, members sorted by code point at every level.

    Args:
        claims: All of them; nothing is added.
        key: What signs.
        issuer: The instance's URL without a trailing slash.
    """
    header = _header(key.algorithm, key.kid, issuer)
    signing_input = header + encode_base64url(_ENCODER.encode(claims))
    return f"{signing_input}.{encode_base64url(key.sign(signing_input.encode('ascii')))}"


def unsecured_token(claims: Mapping[str, JsonValue], *, kid: str, issuer: str) -> str:
    """The claims as a token without a signature, which is how a draft policy's result is returned.

    The header is that of a signed token but for `alg`, which is `none`; the third part is empty.
    """
    return f"{_header('none', kid, issuer)}{encode_base64url(_ENCODER.encode(claims))}."


@lru_cache(maxsize=_KEPT_HEADERS)
def _header(algorithm: str, kid: str, issuer: str) -> str:
    header: JsonValue = {"alg": algorithm, "jku": f"{issuer}/certs", "kid": kid, "typ": "JWT"}
    return encode_base64url(encode_json(header)) + "."
