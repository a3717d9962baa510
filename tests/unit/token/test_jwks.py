from __future__ import annotations

import base64
import json
from datetime import datetime

from assay.keys import SigningAlgorithm, generate_key
from assay.token import jwks, openid_configuration

ISSUER = "https://assay.example"


def test_each_key_has_certificate_identifier_and_type_in_this_order(at: datetime) -> None:
    rsa_key = generate_key(SigningAlgorithm.RS256, created_at=at)
    ec_key = generate_key(SigningAlgorithm.ES384, created_at=at)

    document = jwks([(rsa_key, b"\xfb\xff"), (ec_key, b"two")])

    assert json.dumps(document) == json.dumps(
        {
            "keys": [
                {"x5c": ["+/8="], "kid": rsa_key.kid, "kty": "RSA"},
                {"x5c": [base64.b64encode(b"two").decode()], "kid": ec_key.kid, "kty": "EC"},
            ]
        }
    )


def test_the_openid_document_has_its_members_in_their_order() -> None:
    document = openid_configuration(ISSUER, algorithms=[SigningAlgorithm.RS256])

    assert list(document) == [
        "response_types_supported",
        "id_token_signing_alg_values_supported",
        "revocation_endpoint",
        "issuer",
        "jwks_uri",
        "claims_supported",
    ]
    assert document["response_types_supported"] == ["token", "none"]
    assert document["id_token_signing_alg_values_supported"] == ["RS256"]
    assert document["revocation_endpoint"] == "https://assay.example/revoke"
    assert document["issuer"] == ISSUER
    assert document["jwks_uri"] == "https://assay.example/certs"


def test_the_openid_document_names_each_algorithm_once() -> None:
    algorithms = [SigningAlgorithm.ES256, SigningAlgorithm.RS256, SigningAlgorithm.ES256]

    document = openid_configuration(ISSUER, algorithms=algorithms)

    assert document["id_token_signing_alg_values_supported"] == ["ES256", "RS256"]
