"""azure-security-attestation for C++, by what it sends and reads.

It declares every request as JSON, also those without a body and those whose body is a bare JWS;
its JSON has its members in order and no spaces.

Source: Azure/azure-sdk-for-cpp, sdk/attestation.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from assay.encoding import decode_base64url, encode_base64url
from tests.administration import PERMIT, UNSECURED_RESET, Hosted, certify, owner, rsa_key
from tests.conformance.wire import (
    INSTANCES,
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
    "accept": "application/json",
    "authorization": "Bearer opaque",
    "content-type": "application/json",
    "user-agent": "azsdk-cpp-Attestation/1.1.0 (Linux 6.1.0 x86_64 #1 SMP)",
    "x-ms-client-request-id": "0cd0b0c3-1d1b-4dc8-8ad2-a4b7f1b40001",
}
_VERSION = "api-version=2020-10-01"
_CUSTOM = """version= 1.0;
authorizationrules
{
    [ type=="x-ms-sgx-is-debuggable", value==%s ] &&
    [ type=="x-ms-sgx-product-id", value==%s ] &&
    [ type=="x-ms-sgx-svn", value>= 0 ] &&
    [ type=="x-ms-sgx-mrsigner", value=="%s" ] => permit();
};
issuancerules {
    c:[type=="x-ms-sgx-mrsigner"] => issue(type="custom-name", value=c.value);
};"""


def _send(service: Hosted, method: str, path: str, body: str = "") -> Answer:
    return Answer(service.call(method, f"{path}?{_VERSION}", content=body, headers=_HEADERS))


def _attest(service: Hosted, instance: str, kind: str, request: dict[str, Any]) -> Answer:
    text = json.dumps(request, separators=(",", ":"), sort_keys=True)
    return _send(service, "POST", f"/{instance}/attest/{kind}", text)


def _header(certificate: x509.Certificate | None) -> str:
    if certificate is None:
        return '{"alg":"none"}'
    return f'{{"alg":"RS256","x5c":["{standard_x5c(certificate)}"]}}'


def _policy(key: rsa.RSAPrivateKey | None, certificate: x509.Certificate | None) -> str:
    payload = f'{{"AttestationPolicy":"{encode_base64url(PERMIT.encode())}"}}'
    return jws(_header(certificate), payload, key)


@pytest.mark.parametrize("instance", INSTANCES)
def test_its_making_reads_the_keys(service: Hosted, instance: str) -> None:
    assert published(service, instance, _HEADERS)


@pytest.mark.parametrize("instance", INSTANCES)
def test_openid_metadata(service: Hosted, instance: str) -> None:
    answer = service.call(
        "GET", f"/{instance}/.well-known/openid-configuration", headers=_HEADERS
    ).json()

    assert answer["issuer"] == f"https://{instance}.example"
    assert answer["jwks_uri"] == f"https://{instance}.example/certs"
    for name in (
        "claims_supported",
        "id_token_signing_alg_values_supported",
        "response_types_supported",
    ):
        assert all(isinstance(one, str) for one in answer[name])


@pytest.mark.parametrize("kind", ["SgxEnclave", "OpenEnclave"])
@pytest.mark.parametrize("data_type", ["", "Binary", "JSON"])
@pytest.mark.parametrize("instance", INSTANCES)
def test_attest(service: Hosted, instance: str, data_type: str, kind: str) -> None:
    make = sgx_request if kind == "SgxEnclave" else open_enclave_request
    request = make(data_type=data_type) if data_type else make(runtime_data=None)

    answer = _attest(service, instance, kind, request)

    body = answer.body
    assert verified_by(answer.token, published(service, instance, _HEADERS)[answer.header["kid"]])
    assert body["x-ms-ver"] == "1.0"
    assert isinstance(body["x-ms-sgx-is-debuggable"], bool)
    assert isinstance(body["x-ms-sgx-product-id"], int)
    assert decode_base64url(body["x-ms-policy-hash"], "hash")
    if data_type == "Binary":
        assert decode_base64url(body["x-ms-sgx-ehd"], "ehd") == RUNTIME_DATA
    if data_type == "JSON":
        # Compared after sorting.
        sent = json.dumps(json.loads(RUNTIME_DATA), sort_keys=True)
        assert json.dumps(body["x-ms-runtime"], sort_keys=True) == sent


def test_its_spelling_of_init_time_data_is_that_member(service: Hosted) -> None:
    data = {"data": encode_base64url(b"not what the enclave was started with")}

    answer = _attest(
        service, "aad", "SgxEnclave", sgx_request() | {"inittimeData": data | {"dataType": "JSON"}}
    )

    # Looked at, and found not to be bound: an unknown member would be refused by its name.
    assert answer.response.status_code == 400
    assert "inittimeData" not in answer.error["message"]
    assert "init" in answer.error["message"].lower()


def test_attest_with_a_draft_policy_that_permits(service: Hosted) -> None:
    facts = _attest(service, "aad", "SgxEnclave", sgx_request()).body
    draft = _CUSTOM % (
        json.dumps(facts["x-ms-sgx-is-debuggable"]),
        facts["x-ms-sgx-product-id"],
        facts["x-ms-sgx-mrsigner"],
    )

    answer = _attest(
        service, "aad", "SgxEnclave", sgx_request() | {"draftPolicyForAttestation": draft}
    )

    assert answer.header["alg"] == "none"
    assert answer.body["x-ms-policy"]["custom-name"] == facts["x-ms-sgx-mrsigner"]


def test_attest_with_a_draft_policy_that_refuses(service: Hosted) -> None:
    facts = _attest(service, "aad", "SgxEnclave", sgx_request()).body
    draft = _CUSTOM % (
        json.dumps(not facts["x-ms-sgx-is-debuggable"]),
        facts["x-ms-sgx-product-id"],
        facts["x-ms-sgx-mrsigner"],
    )

    answer = _attest(
        service, "aad", "SgxEnclave", sgx_request() | {"draftPolicyForAttestation": draft}
    )

    assert answer.response.status_code in range(400, 500)
    assert answer.error["code"] == "PolicyEvaluationError"


@pytest.mark.parametrize("kind", ["SgxEnclave", "OpenEnclave", "Tpm"])
@pytest.mark.parametrize("instance", INSTANCES)
def test_get_policy(service: Hosted, instance: str, kind: str) -> None:
    text = stored_text(_send(service, "GET", f"/{instance}/policies/{kind}").token)

    assert text.startswith("version") or (kind == "Tpm" and not text)


@pytest.mark.parametrize("kind", ["SgxEnclave", "OpenEnclave", "Tpm"])
@pytest.mark.parametrize(
    ("instance", "secured"), [("aad", False), ("aad", True), ("isolated", True)]
)
def test_set_and_reset_policy(service: Hosted, instance: str, kind: str, *, secured: bool) -> None:
    key, certificate = (rsa_key(), owner()) if secured else (None, None)
    token = _policy(key, certificate)
    empty = jws(_header(certificate), "", key) if secured else UNSECURED_RESET
    path = f"/{instance}/policies/{kind}"

    updated = _send(service, "PUT", path, token)
    read = _send(service, "GET", path)
    reset = _send(service, "POST", f"{path}:reset", empty)

    assert updated.body["x-ms-policy-result"] == "Updated"
    assert updated.body["x-ms-policy-token-hash"] == hash_of(token)
    # Its reader needs `kty` in every key.
    assert updated.body.get("x-ms-policy-signer", {"kty": "RSA"})["kty"] == "RSA"
    assert stored_text(read.token) == PERMIT
    assert reset.body["x-ms-policy-result"] == "Removed"


def _certificate_body(certificate: x509.Certificate) -> str:
    payload = f'{{"policyCertificate":{{"kty":"RSA","x5c":["{standard_x5c(certificate)}"]}}}}'
    return json.dumps(jws(_header(owner()), payload, rsa_key()))


@pytest.mark.parametrize(("instance", "count"), [("aad", 0), ("isolated", 1), ("shared", 0)])
def test_get_certificates(service: Hosted, instance: str, count: int) -> None:
    keys = _send(service, "GET", f"/{instance}/certificates").body["x-ms-policy-certificates"]

    assert len(keys["keys"]) == count


def test_add_and_remove_certificates(service: Hosted) -> None:
    added = certify(rsa_key(6), "successor")

    present = _send(service, "POST", "/isolated/certificates:add", _certificate_body(added)).body
    two = _send(service, "GET", "/isolated/certificates").body["x-ms-policy-certificates"]["keys"]
    absent = _send(service, "POST", "/isolated/certificates:remove", _certificate_body(added)).body
    one = _send(service, "GET", "/isolated/certificates").body["x-ms-policy-certificates"]["keys"]

    assert present["x-ms-certificate-thumbprint"] == thumbprint(added)
    assert (present["x-ms-policycertificates-result"], len(two)) == ("IsPresent", 2)
    assert (absent["x-ms-policycertificates-result"], len(one)) == ("IsAbsent", 1)


@pytest.mark.parametrize("action", ["add", "remove"])
def test_certificates_of_an_aad_instance_are_not_changed(service: Hosted, action: str) -> None:
    answer = _send(service, "POST", f"/aad/certificates:{action}", _certificate_body(owner()))

    assert answer.response.status_code == 400
    assert answer.error["message"]
