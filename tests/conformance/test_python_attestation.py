"""Attestation, metadata and tokens through the original service's Python clients.

A test's name is that of the client's own test, where there is one.
"""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
from azure.core.exceptions import HttpResponseError
from azure.security.attestation import (
    AttestationToken,
    AttestationTokenValidationException,
)
from cryptography import x509

from tests.administration import DENY, PERMIT
from tests.conformance.python_clients import PythonClients
from tests.servers.three_instances import MODELS, RUNTIME_DATA, ThreeInstances

_EVIDENCE: Final = {"attest_sgx_enclave": "quote", "attest_open_enclave": "report"}


@pytest.mark.parametrize("instance", MODELS)
def test_getopenidmetadata(python: PythonClients, server: ThreeInstances, instance: str) -> None:
    with python.attestation(instance) as client:
        metadata = client.get_open_id_metadata()

    assert metadata["response_types_supported"] is not None
    assert metadata["jwks_uri"] == f"{server.url(instance)}/certs"
    assert metadata["issuer"] == server.url(instance)


@pytest.mark.parametrize("instance", MODELS)
def test_getsigningcertificates(python: PythonClients, instance: str) -> None:
    with python.attestation(instance) as client:
        signers = client.get_signing_certificates()

    certificates = [signer.certificates[0].encode() for signer in signers]
    assert certificates
    for pem in certificates:
        x509.load_pem_x509_certificate(pem)


def _attest(
    python: PythonClients,
    instance: str,
    operation: str,
    **options: Any,  # noqa: ANN401  the client's
) -> tuple[Any, Any]:
    evidence = getattr(python.server, _EVIDENCE[operation])
    with python.attestation(instance) as client:
        found: tuple[Any, Any] = getattr(client, operation)(evidence, **options)
    return found


@pytest.mark.parametrize("instance", MODELS)
@pytest.mark.parametrize("operation", _EVIDENCE)
def test_attest_with_binary_runtime_data(
    python: PythonClients, server: ThreeInstances, instance: str, operation: str
) -> None:
    result, token = _attest(python, instance, operation, runtime_data=RUNTIME_DATA)

    assert result.issuer == server.url(instance)
    assert result.enclave_held_data == RUNTIME_DATA
    assert result.runtime_claims is None
    assert result.sgx_collateral is not None
    assert token.algorithm == "RS256"


@pytest.mark.parametrize("instance", MODELS)
@pytest.mark.parametrize("operation", _EVIDENCE)
def test_attest_with_json_runtime_data(
    python: PythonClients, server: ThreeInstances, instance: str, operation: str
) -> None:
    result, token = _attest(python, instance, operation, runtime_json=RUNTIME_DATA)

    assert result.enclave_held_data is None
    assert result.runtime_claims["jwk"]["crv"] == "P-256"
    assert result.runtime_claims == json.loads(RUNTIME_DATA)
    assert result.sgx_collateral is not None
    body = token._get_body()  # noqa: SLF001  as the client's own tests do
    assert body.iss == result.issuer == server.url(instance)


@pytest.mark.parametrize("instance", MODELS)
@pytest.mark.parametrize("operation", _EVIDENCE)
@pytest.mark.parametrize("data", ["runtime_data", "runtime_json"])
def test_attest_with_a_draft_policy(
    python: PythonClients, instance: str, operation: str, data: str
) -> None:
    result, token = _attest(
        python, instance, operation, draft_policy=PERMIT, **{data: RUNTIME_DATA}
    )

    assert (result.enclave_held_data is None) is (data == "runtime_json")
    assert (result.runtime_claims is None) is (data == "runtime_data")
    assert result.sgx_collateral is not None
    assert token.algorithm == "none"


@pytest.mark.parametrize("operation", _EVIDENCE)
def test_attest_with_a_draft_policy_that_denies(python: PythonClients, operation: str) -> None:
    with pytest.raises(HttpResponseError) as caught:
        _attest(python, "shared", operation, draft_policy=DENY)

    assert caught.value.status_code == 400
    assert caught.value.error is not None
    assert caught.value.error.code == "PolicyEvaluationError"


def test_the_validation_callback_sees_the_token_and_its_signer(python: PythonClients) -> None:
    seen = []

    def accept(token: AttestationToken, signer: Any) -> None:  # noqa: ANN401
        seen.append((token.issuer, token.expires is not None, signer.key_id == token.key_id))

    with python.attestation("aad", validation_callback=accept) as client:
        result, _ = client.attest_sgx_enclave(python.server.quote, runtime_data=RUNTIME_DATA)

    assert seen == [(result.issuer, True, True)]


def test_the_validation_callback_rejects_the_token(python: PythonClients) -> None:
    def refuse(_token: AttestationToken, _signer: object) -> None:
        raise AttestationTokenValidationException("not this one")

    with (
        python.attestation("aad", validation_callback=refuse) as client,
        pytest.raises(AttestationTokenValidationException, match="not this one"),
    ):
        client.attest_sgx_enclave(python.server.quote, runtime_data=RUNTIME_DATA)


def test_a_token_of_another_instance_is_not_what_a_client_expects(python: PythonClients) -> None:
    other = python.server.url("shared")

    with (
        python.attestation("aad", issuer=other) as client,
        pytest.raises(AttestationTokenValidationException, match="expected issuer"),
    ):
        client.attest_sgx_enclave(python.server.quote, runtime_data=RUNTIME_DATA)
