"""azure-security-attestation for Java, by what it sends and reads.

Source: Azure/azure-sdk-for-java, sdk/attestation: its tests, and the models that it reads into.
"""

from __future__ import annotations

import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from assay.encoding import decode_base64url, encode_base64url
from tests.administration import PERMIT, UNSECURED_RESET, Hosted, certify, owner, rsa_key
from tests.conformance.wire import (
    INSTANCES,
    TRACEPARENT,
    Answer,
    hash_of,
    jws,
    published,
    standard_x5c,
    stored_text,
    thumbprint,
    verified_by,
)
from tests.serving import RUNTIME_DATA, open_enclave_request, sgx_request

_HEADERS = {
    "Accept": "application/json",
    "Authorization": "Bearer opaque",
    "User-Agent": "azsdk-java-azure-security-attestation/1.1.0 (17.0.15; Linux; 6.1.0)",
    "traceparent": TRACEPARENT,
    "x-ms-client-request-id": "b6d7d0c5-4b24-4a0c-a0b8-7f6a1a1f0001",
}
_KEYS = _HEADERS | {"Accept": "application/jwk+json, application/json;q=0.9"}
_VERSION = "api-version=2020-10-01"
_TYPES = ("SgxEnclave", "OpenEnclave", "Tpm")


def _send(service: Hosted, method: str, path: str, body: str = "", media_type: str = "") -> Answer:
    headers = _HEADERS | ({"Content-Type": media_type} if media_type else {})
    return Answer(service.call(method, f"{path}?{_VERSION}", content=body, headers=headers))


def _header(certificate: x509.Certificate | None) -> str:
    if certificate is None:
        return '{"alg":"none"}'
    return f'{{"x5c":["{standard_x5c(certificate)}"],"alg":"RS256"}}'


def _policy(key: rsa.RSAPrivateKey | None, certificate: x509.Certificate | None) -> str:
    payload = f'{{"AttestationPolicy":"{encode_base64url(PERMIT.encode())}"}}'
    return jws(_header(certificate), payload, key)


@pytest.mark.parametrize("kind", ["SgxEnclave", "OpenEnclave"])
@pytest.mark.parametrize("data_type", ["", "Binary", "JSON"])
@pytest.mark.parametrize("instance", INSTANCES)
def test_attest(service: Hosted, instance: str, kind: str, data_type: str) -> None:
    make = sgx_request if kind == "SgxEnclave" else open_enclave_request
    request = make(data_type=data_type) if data_type else make(runtime_data=None)

    answer = _send(
        service,
        "POST",
        f"/{instance}/attest/{kind}",
        json.dumps(request, separators=(",", ":")),
        "application/json",
    )

    body = answer.body
    assert verified_by(answer.token, published(service, instance, _KEYS)[answer.header["kid"]])
    assert body["iss"] == f"https://{instance}.example"
    assert bytes.fromhex(body["x-ms-sgx-mrenclave"])
    assert bytes.fromhex(body["x-ms-sgx-mrsigner"])
    assert isinstance(body["x-ms-sgx-svn"], int)
    assert "nonce" not in body
    match data_type:
        case "Binary":
            assert decode_base64url(body["x-ms-sgx-ehd"], "ehd") == RUNTIME_DATA
        case "JSON":
            assert body["x-ms-runtime"] == json.loads(RUNTIME_DATA)
        case _:
            assert not {"x-ms-sgx-ehd", "x-ms-runtime"} & body.keys()


def test_attest_with_a_draft_policy(service: Hosted) -> None:
    request = sgx_request() | {"draftPolicyForAttestation": PERMIT}

    answer = _send(
        service, "POST", "/shared/attest/SgxEnclave", json.dumps(request), "application/json"
    )

    # Nimbus takes a plain header with more members than `alg`.
    assert answer.header["alg"] == "none"
    assert answer.header["jku"] == "https://shared.example/certs"
    assert answer.token.endswith(".")
    assert answer.response.headers["x-ms-request-id"] == TRACEPARENT


@pytest.mark.parametrize("kind", _TYPES)
@pytest.mark.parametrize("instance", INSTANCES)
def test_get_attestation_policy(service: Hosted, instance: str, kind: str) -> None:
    answer = _send(service, "GET", f"/{instance}/policies/{kind}")

    text = stored_text(answer.token)
    assert "version" in text or (kind == "Tpm" and not text)


@pytest.mark.parametrize("kind", _TYPES)
@pytest.mark.parametrize("signer", ["owner", "anybody", "nobody"])
@pytest.mark.parametrize("instance", ["aad", "isolated"])
def test_set_and_reset_attestation_policy(
    service: Hosted, instance: str, signer: str, kind: str
) -> None:
    key, certificate = {
        "owner": (rsa_key(), owner()),
        "anybody": (rsa_key(7), certify(rsa_key(7), "anybody")),
        "nobody": (None, None),
    }[signer]
    token = _policy(key, certificate)
    empty = UNSECURED_RESET if key is None else jws(_header(certificate), "", key)

    path = f"/{instance}/policies/{kind}"
    updated = _send(service, "PUT", path, token, "text/plain")

    if (instance, signer) in {("isolated", "anybody"), ("isolated", "nobody")}:
        assert updated.response.status_code == 400
        return
    read = _send(service, "GET", path)
    reset = _send(service, "POST", f"{path}:reset", empty, "text/plain")
    assert updated.body["x-ms-policy-result"] == "Updated"
    assert updated.body["x-ms-policy-token-hash"] == hash_of(token)
    assert stored_text(read.token) == PERMIT
    assert reset.body["x-ms-policy-result"] == "Removed"
    assert stored_text(_send(service, "GET", path).token) != PERMIT
    if certificate is not None:
        assert updated.body["x-ms-policy-signer"]["x5c"] == [standard_x5c(certificate)]


@pytest.mark.parametrize("instance", INSTANCES)
def test_get_policy_management_certificates(service: Hosted, instance: str) -> None:
    answer = _send(service, "GET", f"/{instance}/certificates")

    keys = answer.body["x-ms-policy-certificates"]["keys"]
    assert len(keys) == (1 if instance == "isolated" else 0)
    for key in keys:
        assert (key["kty"], key["alg"]) == ("RSA", "RS256")
        assert all(isinstance(text, str) for text in key["x5c"])


def test_the_token_that_added_a_certificate_removes_it(service: Hosted) -> None:
    added = certify(rsa_key(6), "successor")
    payload = f'{{"policyCertificate":{{"kty":"RSA","x5c":["{standard_x5c(added)}"]}}}}'
    body = json.dumps(jws(_header(owner()), payload, rsa_key()))

    present, absent = (
        _send(service, "POST", f"/isolated/certificates:{action}", body, "application/json").body
        for action in ("add", "remove")
    )

    assert present["x-ms-policycertificates-result"] == "IsPresent"
    assert absent["x-ms-policycertificates-result"] == "IsAbsent"
    assert present["x-ms-certificate-thumbprint"] == thumbprint(added)
