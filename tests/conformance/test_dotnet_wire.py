"""Azure.Security.Attestation for .NET, by what it sends and reads.

Source: recorded sessions and tests of Azure/azure-sdk-for-net, sdk/attestation.
"""

from __future__ import annotations

import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from assay.encoding import decode_base64url, encode_base64url
from tests.administration import (
    PERMIT,
    UNSECURED_RESET,
    Hosted,
    certify,
    owner,
    rsa_key,
)
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
    "User-Agent": "azsdk-net-Security.Attestation/1.0.0 (.NET 6.0.1; Ubuntu 22.04)",
    "traceparent": TRACEPARENT,
    "x-ms-client-request-id": "043a4efe70c7167b8af88c1f5eff354a",
    "x-ms-return-client-request-id": "true",
}
_KEYS = _HEADERS | {"Accept": "application/jwk+json, application/json"}
_VERSION = "api-version=2020-10-01"
_TYPES = ("SgxEnclave", "OpenEnclave", "Tpm")


def _send(service: Hosted, method: str, path: str, body: str = "", media_type: str = "") -> Answer:
    headers = _HEADERS | ({"Content-Type": media_type} if media_type else {})
    return Answer(service.call(method, f"{path}?{_VERSION}", content=body, headers=headers))


def _set(service: Hosted, instance: str, kind: str, token: str) -> Answer:
    return _send(service, "PUT", f"/{instance}/policies/{kind}", token, "text/plain")


def _reset(service: Hosted, instance: str, kind: str, token: str) -> Answer:
    return _send(service, "POST", f"/{instance}/policies/{kind}:reset", token, "text/plain")


def _header(certificate: x509.Certificate) -> str:
    # System.Text.Json writes a plus sign so.
    x5c = standard_x5c(certificate).replace("+", "\\u002B")
    return f'{{"alg":"RSA256","jwk":{{"x5c":["{x5c}"]}}}}'


def _policy(
    key: rsa.RSAPrivateKey | None = None, certificate: x509.Certificate | None = None
) -> str:
    header = '{"alg":"none"}' if certificate is None else _header(certificate)
    payload = f'{{"AttestationPolicy":"{encode_base64url(PERMIT.encode())}"}}'
    return jws(header, payload, key)


def _reads_as_a_token_of(service: Hosted, instance: str, answer: Answer) -> bool:
    keys = published(service, instance, _KEYS)
    return verified_by(answer.token, keys[answer.header["kid"]])


@pytest.mark.parametrize(("kind", "member"), [("SgxEnclave", "quote"), ("OpenEnclave", "report")])
@pytest.mark.parametrize("data_type", ["Binary", "JSON"])
@pytest.mark.parametrize("instance", INSTANCES)
def test_attest(service: Hosted, instance: str, kind: str, member: str, data_type: str) -> None:
    request = sgx_request(data_type=data_type)
    if member == "report":
        request = open_enclave_request(data_type=data_type)

    answer = _send(
        service,
        "POST",
        f"/{instance}/attest/{kind}",
        json.dumps(request, separators=(",", ":")),
        "application/json",
    )

    assert _reads_as_a_token_of(service, instance, answer)
    body = answer.body
    assert body["iss"] == f"https://{instance}.example"
    assert body["exp"] > body["nbf"] == body["iat"]
    assert body["x-ms-attestation-type"] == "sgx"
    assert body["x-ms-sgx-collateral"]["quotehash"]
    if data_type == "JSON":
        assert body["x-ms-runtime"] == json.loads(RUNTIME_DATA)
        assert "x-ms-sgx-ehd" not in body
    else:
        assert decode_base64url(body["x-ms-sgx-ehd"], "ehd") == RUNTIME_DATA
        assert "x-ms-runtime" not in body


def test_an_answer_names_the_trace_of_its_request(service: Hosted) -> None:
    answer = service.call("GET", "/aad/certs", headers=_KEYS)

    assert answer.headers["x-ms-request-id"] == TRACEPARENT


@pytest.mark.parametrize("version", ["2020-10-01", "2022-08-01", "2025-06-01"])
def test_every_version_of_the_service_that_it_can_ask_for(service: Hosted, version: str) -> None:
    query = f"?api-version={version}"
    body = json.dumps(sgx_request())

    attested = service.call(
        "POST",
        f"/shared/attest/SgxEnclave{query}",
        content=body,
        headers=_HEADERS | {"Content-Type": "application/json"},
    )
    keys = service.call("GET", f"/shared/certs{query}", headers=_KEYS)
    metadata = service.call("GET", f"/shared/.well-known/openid-configuration{query}")

    assert [one.status_code for one in (attested, keys, metadata)] == [200] * 3


@pytest.mark.parametrize("instance", INSTANCES)
def test_get_policy(service: Hosted, instance: str) -> None:
    answer = _send(service, "GET", f"/{instance}/policies/SgxEnclave")

    assert _reads_as_a_token_of(service, instance, answer)
    assert stored_text(answer.token).startswith("version")


def test_a_policy_that_is_not_set_is_read_as_none(service: Hosted) -> None:
    answer = _send(service, "GET", "/aad/policies/Tpm")

    assert answer.body["x-ms-policy"] == UNSECURED_RESET
    assert stored_text(answer.token) == ""


@pytest.mark.parametrize("kind", _TYPES)
def test_set_policy_unsecured_aad(service: Hosted, kind: str) -> None:
    original = stored_text(_send(service, "GET", f"/aad/policies/{kind}").token)
    token = _policy()

    reset = _reset(service, "aad", kind, UNSECURED_RESET)
    updated = _set(service, "aad", kind, token)
    read = _send(service, "GET", f"/aad/policies/{kind}")
    again = _reset(service, "aad", kind, UNSECURED_RESET)

    assert reset.body["x-ms-policy-result"] == "Removed"
    assert updated.body["x-ms-policy-result"] == "Updated"
    assert updated.body["x-ms-policy-token-hash"] == hash_of(token)
    assert "x-ms-policy-signer" not in updated.body
    assert read.body["x-ms-policy"] == token
    assert stored_text(read.token) == PERMIT
    assert again.body["x-ms-policy-result"] == "Removed"
    assert stored_text(_send(service, "GET", f"/aad/policies/{kind}").token) == original


def test_set_policy_unsecured_isolated(service: Hosted) -> None:
    answer = _set(service, "isolated", "SgxEnclave", _policy())

    assert answer.response.status_code == 400
    assert answer.error["code"] == "InvalidOperation"


@pytest.mark.parametrize("instance", ["aad", "isolated"])
@pytest.mark.parametrize("kind", _TYPES)
def test_set_policy_secured(service: Hosted, instance: str, kind: str) -> None:
    key, certificate = rsa_key(), owner()
    if instance == "aad":
        key, certificate = rsa_key(5), certify(rsa_key(5), "anybody", ca=False)
    token = _policy(key, certificate)

    updated = _set(service, instance, kind, token)
    reset = _reset(service, instance, kind, jws(_header(certificate), "", key))

    signer = updated.body["x-ms-policy-signer"]
    assert updated.body["x-ms-policy-token-hash"] == hash_of(token)
    assert signer["x5c"] == [standard_x5c(certificate)]
    assert signer["kty"] == "RSA"
    assert reset.body["x-ms-policy-result"] == "Removed"


@pytest.mark.parametrize(("instance", "count"), [("isolated", 1), ("shared", 0)])
def test_get_policy_management_certificates(service: Hosted, instance: str, count: int) -> None:
    answer = _send(service, "GET", f"/{instance}/certificates")

    keys = answer.body["x-ms-policy-certificates"]["keys"]
    assert [key["x5c"] for key in keys] == [[standard_x5c(owner())]] * count


def test_add_remove_policy_management_certificate(service: Hosted) -> None:
    added = certify(rsa_key(6), "successor")
    payload = json.dumps(
        {
            "policyCertificate": {
                "alg": "RS256",
                "use": "sig",
                "kty": "RSA",
                "x5c": [standard_x5c(added)],
            }
        }
    )
    # The client sends the token as a string in JSON.
    body = json.dumps(jws(_header(owner()), payload, rsa_key()))

    found = [
        _send(service, "POST", f"/isolated/certificates:{action}", body, "application/json").body
        for action in ("add", "add", "remove", "remove")
    ]

    assert [one["x-ms-policycertificates-result"] for one in found] == [
        "IsPresent",
        "IsPresent",
        "IsAbsent",
        "IsAbsent",
    ]
    assert {one["x-ms-certificate-thumbprint"] for one in found} == {thumbprint(added)}
