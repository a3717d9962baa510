"""Attestation and metadata as the clients for .NET, Java and C++ speak of them.

A test's name is that of the clients' own tests.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from typing import Any, Final

import httpx2
import pytest
from cryptography.x509.oid import NameOID

from assay.encoding import decode_base64url, encode_base64url
from tests.administration import DENY, PERMIT
from tests.conformance.dialects import (
    ATTESTERS,
    CPP,
    DOTNET,
    JAVA,
    TRACEPARENT,
    Dialect,
    Json,
)
from tests.conformance.wire_client import Token, WireClient, wire_client
from tests.servers.three_instances import MODELS, RUNTIME_DATA, ThreeInstances

_OPERATIONS: Final = {"SgxEnclave": "quote", "OpenEnclave": "report"}
_TYPED_CLAIMS: Final[dict[str, type]] = {
    "iat": int,
    "is-debuggable": bool,
    "jti": str,
    "maa-attestationcollateral": dict,
    "product-id": int,
    "sgx-mrenclave": str,
    "sgx-mrsigner": str,
    "svn": int,
    "tee": str,
    "x-ms-attestation-type": str,
    "x-ms-policy": dict,
    "x-ms-policy-hash": str,
    "x-ms-sgx-collateral": dict,
    "x-ms-sgx-is-debuggable": bool,
    "x-ms-sgx-mrenclave": str,
    "x-ms-sgx-mrsigner": str,
    "x-ms-sgx-product-id": int,
    "x-ms-sgx-svn": int,
    "x-ms-ver": str,
}
"""What the clients read into fields of a type, from a token of the default policy."""

_CPP_POLICY: Final = """version= 1.0;
authorizationrules
{
    [ type=="x-ms-sgx-is-debuggable", value==%s ] &&
    [ type=="x-ms-sgx-product-id", %s ] &&
    [ type=="x-ms-sgx-svn", value>= 0 ] &&
    [ type=="x-ms-sgx-mrsigner", value=="%s" ]
        => permit();
};
issuancerules {
    c:[type=="x-ms-sgx-mrsigner"] => issue(type="custom-name", value=c.value);
};"""

Opened = Callable[[str], AbstractContextManager[WireClient]]


@pytest.fixture(params=ATTESTERS, ids=lambda dialect: dialect.name)
def opened(request: pytest.FixtureRequest, server: ThreeInstances) -> Opened:
    return partial(wire_client, server, request.param)


def _evidence(server: ThreeInstances, operation: str) -> Json:
    evidence = server.quote if operation == "SgxEnclave" else server.report
    return {_OPERATIONS[operation]: encode_base64url(evidence)}


def _data(data_type: str) -> Json:
    return {"runtimeData": {"data": encode_base64url(RUNTIME_DATA), "dataType": data_type}}


def _attested(client: WireClient, operation: str, members: Json) -> Token:
    return client.read(client.attest(operation, _evidence(client.server, operation) | members))


@pytest.mark.parametrize("instance", MODELS)
def test_get_attestation_signers(opened: Opened, server: ThreeInstances, instance: str) -> None:
    with opened(instance) as client:
        certificates = client.signing_certificates()

    assert certificates
    for certificate in certificates.values():
        [name] = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        assert name.value == server.url(instance)


@pytest.mark.parametrize("instance", MODELS)
def test_get_open_id_metadata(opened: Opened, server: ThreeInstances, instance: str) -> None:
    with opened(instance) as client:
        answer = client.discovery()

    assert answer.status_code == 200
    metadata = answer.json()
    assert metadata["issuer"] == server.url(instance)
    assert metadata["jwks_uri"] == f"{server.url(instance)}/certs"
    for member in (
        "response_types_supported",
        "id_token_signing_alg_values_supported",
        "claims_supported",
    ):
        assert all(isinstance(value, str) for value in metadata[member])
        assert metadata[member]


@pytest.mark.parametrize("instance", MODELS)
@pytest.mark.parametrize("operation", _OPERATIONS)
def test_attest_with_runtime_data(opened: Opened, instance: str, operation: str) -> None:
    with opened(instance) as client:
        token = _attested(client, operation, _data("Binary"))

    types = {name: type(token.claims.get(name)) for name in _TYPED_CLAIMS}
    assert types == _TYPED_CLAIMS
    for name in ("x-ms-sgx-ehd", "aas-ehd", "maa-ehd"):
        assert decode_base64url(token.claims[name], name) == RUNTIME_DATA
    assert "x-ms-runtime" not in token.claims
    assert "nonce" not in token.claims
    assert len(bytes.fromhex(token.claims["x-ms-sgx-mrenclave"])) == 32
    assert len(decode_base64url(token.claims["x-ms-policy-hash"], "hash")) == 32
    # As .NET's callback, and Java, which takes `jku` for an address and `typ` for a text.
    assert token.signer is not None
    assert token.header["jku"] == f"{client.url}/certs"
    assert token.header["typ"] == "JWT"


@pytest.mark.parametrize("instance", MODELS)
@pytest.mark.parametrize("operation", _OPERATIONS)
def test_attest_with_runtime_data_json(opened: Opened, instance: str, operation: str) -> None:
    with opened(instance) as client:
        token = _attested(client, operation, _data("JSON"))

    runtime = token.claims["x-ms-runtime"]
    assert _canonical(runtime) == _canonical(json.loads(RUNTIME_DATA))
    assert runtime["jwk"]["crv"] == "P-256"
    assert "x-ms-sgx-ehd" not in token.claims


def _canonical(value: Any) -> str:  # noqa: ANN401  any JSON
    return json.dumps(value, sort_keys=True)


@pytest.mark.parametrize("instance", MODELS)
@pytest.mark.parametrize("operation", _OPERATIONS)
def test_attest_without_runtime_data(opened: Opened, instance: str, operation: str) -> None:
    with opened(instance) as client:
        token = _attested(client, operation, {})

    assert "x-ms-sgx-ehd" not in token.claims
    assert "x-ms-runtime" not in token.claims
    assert token.claims["x-ms-sgx-collateral"]["quotehash"]


@pytest.mark.parametrize("instance", MODELS)
@pytest.mark.parametrize("operation", _OPERATIONS)
def test_attest_with_draft_policy(opened: Opened, instance: str, operation: str) -> None:
    draft = {"draftPolicyForAttestation": PERMIT}

    with opened(instance) as client:
        token = _attested(client, operation, _data("Binary") | draft)

    # Java takes a header of `none` with a key id and an address for an unsecured one.
    assert token.header["alg"] == "none"
    assert token.signer is None
    assert "x-ms-policy-signer" not in token.claims
    assert decode_base64url(token.claims["x-ms-sgx-ehd"], "ehd") == RUNTIME_DATA


def test_attest_with_draft_policy_that_denies(opened: Opened) -> None:
    with opened("shared") as client:
        members = _evidence(client.server, "SgxEnclave") | {"draftPolicyForAttestation": DENY}
        answer = client.attest("SgxEnclave", members)

    assert answer.status_code == 400
    assert _error(answer)["code"] == "PolicyEvaluationError"


def _error(answer: httpx2.Response) -> dict[str, Any]:
    error: dict[str, Any] = answer.json()["error"]
    assert isinstance(error["code"], str)
    assert isinstance(error["message"], str)
    return error


def test_attest_bad_evidence(opened: Opened) -> None:
    # .NET and C++ read code and message, Java shows the message in what it throws.
    with opened("aad") as client:
        answer = client.attest("SgxEnclave", {"quote": encode_base64url(b"no quote")})

    assert answer.status_code == 400
    assert _error(answer)["code"] == "InvalidParameter"


def test_attest_with_a_nonce_and_init_time_data_of_no_content(opened: Opened) -> None:
    with opened("aad") as client:
        members = {client.dialect.init_time_data: None, "nonce": "a nonce"}
        token = _attested(client, "SgxEnclave", _data("Binary") | members)

    assert token.claims["nonce"] == "a nonce"
    assert "x-ms-inittime" not in token.claims


def test_attest_with_init_time_data_under_the_client_s_own_name(opened: Opened) -> None:
    # The enclave has no field for it, so that it is read, and refused for what it is.
    data = {"data": encode_base64url(b"{}"), "dataType": "JSON"}
    with opened("aad") as client:
        members = _evidence(client.server, "SgxEnclave") | {client.dialect.init_time_data: data}
        answer = client.attest("SgxEnclave", members)

    assert answer.status_code == 400
    assert "init" in _error(answer)["message"].lower()
    assert "members" not in _error(answer)["message"]


@pytest.mark.parametrize("version", ["2020-10-01", "2022-08-01", "2025-06-01"])
def test_every_version_of_the_service_that_dotnet_asks_for(
    server: ThreeInstances, version: str
) -> None:
    dialect = replace(DOTNET, api_version=version, versioned_metadata=True)

    with wire_client(server, dialect, "shared") as client:
        token = _attested(client, "SgxEnclave", _data("Binary"))
        metadata = client.discovery()

    assert token.signer is not None
    assert metadata.json()["issuer"] == client.url


@pytest.mark.parametrize("dialect", [DOTNET, JAVA], ids=lambda dialect: dialect.name)
@pytest.mark.parametrize("operation", _OPERATIONS)
def test_an_answer_s_request_id_is_the_request_s_traceparent(
    server: ThreeInstances,
    dialect: Dialect,
    operation: str,
) -> None:
    draft = {"draftPolicyForAttestation": PERMIT}
    with wire_client(server, dialect, "shared") as client:
        answers = client.key_set(), client.attest(operation, _evidence(server, operation) | draft)

    for answer in answers:
        assert answer.headers["x-ms-request-id"] == TRACEPARENT


@pytest.mark.parametrize("instance", MODELS)
def test_cpp_attest_with_draft_policy_that_issues_a_claim(
    server: ThreeInstances, instance: str
) -> None:
    members = {"quote": encode_base64url(server.debug_quote)} | _data("Binary")
    with wire_client(server, CPP, instance) as client:
        plain = client.read(client.attest("SgxEnclave", members)).claims
        signer = plain["x-ms-sgx-mrsigner"]
        good = _CPP_POLICY % ("true", "value!=0", signer)
        bad = _CPP_POLICY % ("false", "value==0", signer)
        permitted = client.attest("SgxEnclave", members | {"draftPolicyForAttestation": good})
        denied = client.attest("SgxEnclave", members | {"draftPolicyForAttestation": bad})
        claims = client.read(permitted).claims

    assert plain["x-ms-sgx-is-debuggable"] is True
    assert claims["x-ms-policy"] == {"custom-name": signer}
    assert denied.status_code == 400
    assert _error(denied)["code"] == "PolicyEvaluationError"


@pytest.mark.parametrize("instance", ["aad", "isolated"])
def test_attest_tpm(opened: Opened, server: ThreeInstances, instance: str) -> None:
    begin = {"data": encode_base64url(b'{ "payload": { "type": "aikcert" } }')}
    signer = server.owner if instance == "isolated" else None

    with opened(instance) as client:
        unset = client.attest("Tpm", begin)
        client.read(client.set_policy("Tpm", PERMIT, signer))
        try:
            answer = client.attest("Tpm", begin)
        finally:
            client.read(client.reset_policy("Tpm", signer))

    assert unset.status_code == 400
    assert _error(unset) == {
        "code": "Bad request",
        "message": "A VBS attestation policy has not been set on the attestation provider.",
    }
    assert answer.status_code == 200
    assert list(answer.json()) == ["data"]
    payload = json.loads(decode_base64url(answer.json()["data"], "data"))["payload"]
    assert len(decode_base64url(payload["challenge"], "challenge")) == 16
    assert payload["service_context"]


def test_attest_tpm_by_nobody_known(server: ThreeInstances) -> None:
    with wire_client(server, JAVA, "aad") as client:
        answer = client.http.post(
            f"{client.url}/attest/Tpm?api-version=2020-10-01",
            content='{"data":"e30"}',
            headers={"Content-Type": "application/json"},
        )

    assert answer.status_code == 401
