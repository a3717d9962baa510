"""`az attestation`, by what it sends to an instance and reads of its answers.

What it sends to the management plane is in the tests of that. Every body is a JWS as a string in
JSON; unsigned ones are as PyJWT makes them. It reads tokens without verifying them.

Source: Azure/azure-cli-extensions, src/attestation.
"""

from __future__ import annotations

import json

import pytest

from assay.encoding import encode_base64url
from tests.administration import DENY, Hosted, certify, owner, rsa_key
from tests.conformance.wire import Answer, hash_of, jws, standard_x5c, stored_text, thumbprint

_HEADERS = {
    "Accept": "application/json",
    "Authorization": "Bearer opaque",
    "CommandName": "attestation policy set",
    "Content-Type": "application/json",
    "User-Agent": "AZURECLI/2.60.0 azsdk-python-attestation/unknown Python/3.11 (Linux)",
    "x-ms-client-request-id": "8f9b53d0-27f5-11ef-9f7a-000000000001",
}
_VERSION = "api-version=2022-08-01"
# The names that the command takes, which it puts into the path as they are.
_TYPES = ("SgxEnclave", "OpenEnclave", "SevSnpVm", "TPM")


def _send(service: Hosted, method: str, path: str, token: str | None = None) -> Answer:
    body = "" if token is None else json.dumps(token)
    return Answer(service.call(method, f"{path}?{_VERSION}", content=body, headers=_HEADERS))


def _unsecured(payload: str) -> str:
    return jws('{"typ": "JWT", "alg": "none"}', payload)


def _policy() -> str:
    return json.dumps({"AttestationPolicy": encode_base64url(DENY.encode())})


@pytest.mark.parametrize("kind", _TYPES)
def test_policy_set_show_and_reset(service: Hosted, kind: str) -> None:
    path, token = f"/aad/policies/{kind}", _unsecured(_policy())

    updated = _send(service, "PUT", path, token)
    read = _send(service, "GET", path)
    reset = _send(service, "POST", f"{path}:reset", "eyJhbGciOiJub25lIn0..")
    after = _send(service, "GET", path)

    assert updated.body["x-ms-policy-result"] == "Updated"
    assert updated.body["x-ms-policy-token-hash"] == hash_of(token)
    assert stored_text(read.token) == DENY
    assert reset.body["x-ms-policy-result"] == "Removed"
    assert stored_text(after.token) != DENY


def test_a_signed_policy_from_a_file(service: Hosted) -> None:
    header = json.dumps({"alg": "RS256", "x5c": [standard_x5c(owner())]})
    token = jws(header, _policy(), rsa_key())

    updated = _send(service, "PUT", "/isolated/policies/SgxEnclave", token)

    assert updated.body["x-ms-policy-signer"]["x5c"] == [standard_x5c(owner())]


def test_signers_are_added_listed_and_removed(service: Hosted) -> None:
    added = certify(rsa_key(6), "successor")
    header = json.dumps({"alg": "RS256", "x5c": [standard_x5c(owner())]})
    payload = {"policyCertificate": {"kty": "RSA", "x5c": [standard_x5c(added)]}}
    token = jws(header, json.dumps(payload), rsa_key())

    present = _send(service, "POST", "/isolated/certificates:add", token).body
    listed = _send(service, "GET", "/isolated/certificates").body
    absent = _send(service, "POST", "/isolated/certificates:remove", token).body

    assert present["x-ms-policycertificates-result"] == "IsPresent"
    assert present["x-ms-certificate-thumbprint"] == thumbprint(added)
    assert len(listed["x-ms-policy-certificates"]["keys"]) == 2
    assert absent["x-ms-policycertificates-result"] == "IsAbsent"


def test_a_refusal_is_what_it_prints(service: Hosted) -> None:
    answer = _send(service, "PUT", "/isolated/policies/SgxEnclave", _unsecured(_policy()))

    assert answer.response.status_code == 400
    assert answer.error["code"] == "InvalidOperation"
    assert answer.error["message"]
