"""The documents that a relying party finds the signing keys with.

Source: recorded answers of Microsoft Azure Attestation; members and their order are its own.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from cryptography.hazmat.primitives.asymmetric import rsa

from assay.encoding import JsonValue
from assay.keys import SigningAlgorithm, SigningKey

_CLAIMS_SUPPORTED: Final = (
    "cnf",
    "nonce",
    "x-ms-ver",
    "x-ms-attestation-type",
    "x-ms-policy-hash",
    "x-ms-policy-signer",
    "x-ms-sgx-is-debuggable",
    "x-ms-sgx-mrenclave",
    "x-ms-sgx-mrsigner",
    "x-ms-sgx-svn",
    "x-ms-sgx-ehd",
    "x-ms-sgx-collateral",
    "is-debuggable",
    "sgx-mrsigner",
    "sgx-mrenclave",
    "product-id",
    "svn",
    "tee",
)


def jwks(
    keys: Iterable[tuple[SigningKey, bytes]],
    *,
    issuers: Mapping[str, Sequence[bytes]] = MappingProxyType({}),
) -> dict[str, JsonValue]:
    """The key set of an instance, in the order given.

    Each key has `x5c`, `kid` and `kty` and nothing else: clients of the original service need the
    certificate and read no other member.

    Args:
        keys: Each key with its signing certificate in DER.
        issuers: The certificates above a key's own, by its identifier, where there are any.
    """
    return {
        "keys": [_jwk(key, (certificate, *issuers.get(key.kid, ()))) for key, certificate in keys]
    }


def openid_configuration(
    issuer: str, *, algorithms: Iterable[SigningAlgorithm]
) -> dict[str, JsonValue]:
    """The OpenID metadata document of an instance.

    Args:
        issuer: The instance's URL without a trailing slash.
        algorithms: Of the keys that the instance signs with, the preferred one first.
    """
    return {
        "response_types_supported": ["token", "none"],
        # Once each: an instance may hold several keys of one algorithm.
        "id_token_signing_alg_values_supported": list(
            dict.fromkeys(algorithm.value for algorithm in algorithms)
        ),
        "revocation_endpoint": f"{issuer}/revoke",
        "issuer": issuer,
        "jwks_uri": f"{issuer}/certs",
        "claims_supported": list(_CLAIMS_SUPPORTED),
    }


def _jwk(key: SigningKey, chain: Sequence[bytes]) -> JsonValue:
    return {
        "x5c": [base64.b64encode(certificate).decode("ascii") for certificate in chain],
        "kid": key.kid,
        "kty": "RSA" if isinstance(key.public_key, rsa.RSAPublicKey) else "EC",
    }
