"""Policies and signers through the original service's Python clients.

A test's name is that of the client's own test, where there is one.
"""

from __future__ import annotations

import hashlib
from typing import Final

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.security.attestation import (
    AttestationPolicyToken,
    AttestationType,
    CertificateModification,
    PolicyModification,
)
from cryptography import x509

from assay.token import UNSET_POLICY, read_unverified, signer_jwk
from tests.administration import DENY, PERMIT
from tests.conformance.python_clients import PythonClients, signing
from tests.servers.three_instances import MODELS, RUNTIME_DATA, ThreeInstances

_TYPES: Final = (AttestationType.SGX_ENCLAVE, AttestationType.OPEN_ENCLAVE, AttestationType.TPM)


def _policy_hash(policy: str, **signer: str) -> bytes:
    """As the client's own tests compute it: from their own serialisation."""
    token = AttestationPolicyToken(policy, **signer)
    return hashlib.sha256(token.to_jwt_string().encode()).digest()


@pytest.mark.parametrize("instance", MODELS)
@pytest.mark.parametrize("kind", _TYPES)
def test_get_policy(python: PythonClients, instance: str, kind: AttestationType) -> None:
    with python.administration(instance) as client:
        policy, token = client.get_policy(kind)

    assert policy.startswith("version") or (not policy and kind == AttestationType.TPM)
    assert token.algorithm == "RS256"


def test_get_policy_that_is_not_set(python: PythonClients) -> None:
    with python.administration("aad") as client:
        policy, token = client.get_policy(AttestationType.TPM)

    assert policy == ""
    claims = read_unverified(token.to_jwt_string()).claims
    assert claims["x-ms-policy"] == UNSET_POLICY


@pytest.mark.parametrize("kind", _TYPES)
def test_aad_set_policy_unsecured(python: PythonClients, kind: AttestationType) -> None:
    with python.administration("aad") as client:
        result, _ = client.set_policy(kind, PERMIT)
        policy, _ = client.get_policy(kind)
        client.reset_policy(kind)

    assert result.policy_resolution == PolicyModification.UPDATED
    assert result.policy_token_hash == _policy_hash(PERMIT)
    assert result.policy_signer is None
    assert policy == PERMIT


@pytest.mark.parametrize("kind", _TYPES)
def test_aad_reset_policy_unsecured(python: PythonClients, kind: AttestationType) -> None:
    with python.administration("aad") as client:
        original, _ = client.get_policy(kind)
        client.set_policy(kind, PERMIT)
        result, _ = client.reset_policy(kind)
        policy, _ = client.get_policy(kind)

    assert result.policy_resolution == PolicyModification.REMOVED
    assert result.policy_token_hash is None
    assert policy == original


@pytest.mark.parametrize("kind", _TYPES)
def test_aad_set_policy_secured_and_aad_reset_policy_secured(
    python: PythonClients, server: ThreeInstances, kind: AttestationType
) -> None:
    # This version of the client cannot sign with EC keys: it names an argument that does not exist.
    signer = signing(server.stranger)

    with python.administration("aad") as client:
        result, _ = client.set_policy(kind, PERMIT, **signer)
        policy, _ = client.get_policy(kind)
        reset, _ = client.reset_policy(kind, **signer)

    [shown] = result.policy_signer.certificates
    assert x509.load_pem_x509_certificate(shown.encode()) == server.stranger.certificate
    assert result.policy_token_hash == _policy_hash(PERMIT, **signer)
    assert policy == PERMIT
    assert reset.policy_resolution == PolicyModification.REMOVED
    assert reset.policy_token_hash is None


@pytest.mark.parametrize("kind", _TYPES)
def test_isolated_set_policy_secured_and_isolated_reset_policy_secured(
    python: PythonClients, server: ThreeInstances, kind: AttestationType
) -> None:
    signer = signing(server.owner)

    with python.administration("isolated", **signer) as client:
        result, _ = client.set_policy(kind, PERMIT)
        policy, _ = client.get_policy(kind)
        reset, _ = client.reset_policy(kind)

    [shown] = result.policy_signer.certificates
    assert result.policy_resolution == PolicyModification.UPDATED
    assert result.policy_token_hash == _policy_hash(PERMIT, **signer)
    assert x509.load_pem_x509_certificate(shown.encode()) == server.owner.certificate
    assert policy == PERMIT
    assert reset.policy_resolution == PolicyModification.REMOVED
    assert reset.policy_token_hash is None


def test_isolated_set_policy_unsecured_is_refused(python: PythonClients) -> None:
    with python.administration("isolated") as client, pytest.raises(HttpResponseError) as caught:
        client.set_policy(AttestationType.SGX_ENCLAVE, PERMIT)

    assert caught.value.status_code == 400
    assert _code(caught) == "InvalidOperation"


def test_isolated_set_policy_by_a_stranger_is_refused(
    python: PythonClients, server: ThreeInstances
) -> None:
    with (
        python.administration("isolated", **signing(server.stranger)) as client,
        pytest.raises(HttpResponseError) as caught,
    ):
        client.set_policy(AttestationType.SGX_ENCLAVE, PERMIT)

    assert _code(caught) == "InvalidParameter"


@pytest.mark.parametrize(("change", "arguments"), [("set_policy", [PERMIT]), ("reset_policy", [])])
def test_shared_changes_are_refused(
    python: PythonClients, change: str, arguments: list[str]
) -> None:
    with python.administration("shared") as client, pytest.raises(HttpResponseError) as caught:
        getattr(client, change)(AttestationType.SGX_ENCLAVE, *arguments)

    assert _code(caught) == "InvalidOperation"


def test_a_text_that_is_no_policy_is_refused(python: PythonClients) -> None:
    with python.administration("aad") as client, pytest.raises(HttpResponseError) as caught:
        client.set_policy(AttestationType.SGX_ENCLAVE, "nonsense")

    assert _code(caught) == "PolicyParsingError"


@pytest.mark.parametrize(("instance", "count"), [("aad", 0), ("isolated", 1), ("shared", 0)])
def test_get_policy_management_certificates(
    python: PythonClients, server: ThreeInstances, instance: str, count: int
) -> None:
    with python.administration(instance) as client:
        signers, _ = client.get_policy_management_certificates()

    certificates = [
        x509.load_pem_x509_certificate(pem.encode()) for chain in signers for pem in chain
    ]
    assert certificates == [server.owner.certificate] * count


def test_add_remove_policy_certificate(python: PythonClients, server: ThreeInstances) -> None:
    pem = server.successor.certificate_pem

    with python.administration("isolated", **signing(server.owner)) as client:
        with pytest.raises(TypeError):
            client.add_policy_management_certificate(pem, "more")
        with pytest.raises(TypeError):
            client.remove_policy_management_certificate()
        first, _ = client.add_policy_management_certificate(pem)
        again, _ = client.add_policy_management_certificate(pem)
        listed, _ = client.get_policy_management_certificates()
        successor = signing(server.successor)
        client.set_policy(AttestationType.TPM, PERMIT, **successor)
        client.reset_policy(AttestationType.TPM, **successor)
        removed, _ = client.remove_policy_management_certificate(pem)
        absent, _ = client.remove_policy_management_certificate(pem)
        left, _ = client.get_policy_management_certificates()

    assert [first.certificate_resolution, again.certificate_resolution] == [
        CertificateModification.IS_PRESENT
    ] * 2
    assert [removed.certificate_resolution, absent.certificate_resolution] == [
        CertificateModification.IS_ABSENT
    ] * 2
    for result in (first, again, removed, absent):
        assert result.certificate_thumbprint == server.successor.thumbprint
    assert _certificates(listed) == {
        server.owner.certificate,
        server.successor.certificate,
    }
    assert _certificates(left) == {server.owner.certificate}


def _certificates(signers: list[list[str]]) -> set[x509.Certificate]:
    return {x509.load_pem_x509_certificate(pem.encode()) for chain in signers for pem in chain}


def test_the_last_certificate_is_not_removed(python: PythonClients, server: ThreeInstances) -> None:
    with (
        python.administration("isolated", **signing(server.owner)) as client,
        pytest.raises(HttpResponseError) as caught,
    ):
        client.remove_policy_management_certificate(server.owner.certificate_pem)

    assert _code(caught) == "InvalidOperation"


@pytest.mark.parametrize("instance", ["aad", "shared"])
@pytest.mark.parametrize("change", ["add", "remove"])
def test_certificates_of_other_instances_are_refused(
    python: PythonClients, server: ThreeInstances, instance: str, change: str
) -> None:
    with (
        python.administration(instance, **signing(server.owner)) as client,
        pytest.raises(HttpResponseError) as caught,
    ):
        getattr(client, f"{change}_policy_management_certificate")(server.owner.certificate_pem)

    assert caught.value.status_code == 400


def test_a_policy_decides_from_the_moment_it_is_set(
    python: PythonClients, server: ThreeInstances
) -> None:
    with python.administration("aad") as owner, python.attestation("aad") as attester:
        owner.set_policy(AttestationType.SGX_ENCLAVE, DENY)
        with pytest.raises(HttpResponseError) as caught:
            attester.attest_sgx_enclave(server.quote, runtime_data=RUNTIME_DATA)
        owner.reset_policy(AttestationType.SGX_ENCLAVE)
        result, _ = attester.attest_sgx_enclave(server.quote, runtime_data=RUNTIME_DATA)

    assert _code(caught) == "PolicyEvaluationError"
    assert result.policy_signer is None


def test_a_signed_policy_names_its_signer_in_tokens(
    python: PythonClients, server: ThreeInstances
) -> None:
    with python.administration("isolated", **signing(server.owner)) as owner:
        owner.set_policy(AttestationType.SGX_ENCLAVE, PERMIT)
        with python.attestation("isolated") as attester:
            _, token = attester.attest_sgx_enclave(server.quote, runtime_data=RUNTIME_DATA)
        owner.reset_policy(AttestationType.SGX_ENCLAVE)

    # The client's own reading of it fails in this version.
    claims = read_unverified(token.to_jwt_string()).claims
    assert claims["x-ms-policy-signer"] == signer_jwk((server.owner.certificate,))


@pytest.mark.parametrize("instance", MODELS)
def test_a_token_that_is_not_the_owner_s_administers_nothing(
    python: PythonClients, instance: str
) -> None:
    with (
        python.of("stranger").administration(instance) as client,
        pytest.raises(ClientAuthenticationError) as caught,
    ):
        client.get_policy(AttestationType.SGX_ENCLAVE)

    assert caught.value.status_code == 401
    assert _code(caught) == "Unauthorized"


def _code(caught: pytest.ExceptionInfo[HttpResponseError]) -> str | None:
    assert caught.value.error is not None
    return caught.value.error.code
