from __future__ import annotations

import json
from typing import Any

import pytest

from assay.client import AttestationClient, HttpResponse, ServiceError, TokenValidationError
from assay.client.sealed_token import SealedToken, read_sealed_token
from assay.client.testing import FakeService, FakeTransport
from assay.encoding import encode_base64url


def _sealed(service: FakeService) -> SealedToken:
    client = AttestationClient(service.url, transport=FakeTransport(service))
    return client.attest_azure_guest("{}")


@pytest.mark.parametrize("key", [bytes(32), bytes(5)])
def test_another_key_does_not_open_it(key: bytes) -> None:
    with pytest.raises(TokenValidationError, match="does not open"):
        _sealed(FakeService(algorithm="ES256")).open(key)


def test_its_parts_are_not_shown() -> None:
    assert repr(_sealed(FakeService(algorithm="ES256"))) == "SealedToken()"


@pytest.mark.parametrize(
    "changes",
    [
        {"EncryptionParams": 1},
        {"EncryptionParams": {"Cipher": "DES"}},
        {"Jwt": 1},
        {"Jwt": "?"},
        {"AuthenticationData": None},
    ],
)
def test_what_is_sealed_otherwise_is_told(changes: dict[str, Any]) -> None:
    parameters = {
        "BlockMode": "ChainingModeGCM",
        "Cipher": "AES",
        "KeySizeInBits": 256,
        "Iv": "AAAA",
    }
    document = {
        "Jwt": "AAAA",
        "EncryptedInnerKey": "AAAA",
        "EncryptionParams": parameters,
        "AuthenticationData": "AAAA",
        **changes,
    }
    token = encode_base64url(json.dumps(document).encode())
    body = json.dumps({"token": token}).encode()

    with pytest.raises(ServiceError, match="without a sealed token"):
        read_sealed_token(HttpResponse(status=200, body=body))
