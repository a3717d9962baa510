"""The original service's own administration client from PyPI, unmodified, over TLS.

One server with an instance of each trust model; the rows about policies and certificates that the
client's own tests have.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.security.attestation import (
    AttestationAdministrationClient,
    AttestationClient,
    AttestationPolicyToken,
    AttestationType,
    CertificateModification,
    PolicyModification,
)
from azure.security.attestation.aio import (
    AttestationAdministrationClient as AsyncAdministrationClient,
)
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from assay import clock
from assay.keys import load_key_encryption_key
from assay.service.instance_options import InstanceOptions
from assay.service.keys import KeyChest
from assay.service.provisioning import NewInstance, ProvisioningService
from assay.simulator import SimulatedPlatform, save_platform
from assay.simulator.openenclave import legacy_report
from assay.store import Author, Store, TrustModel
from assay.token import read_unverified, signer_jwk
from tests.administration import PERMIT, PrivateKey, certify, rsa_key
from tests.servers.tls import tls_identity
from tests.serving import RUNTIME_DATA, RunningServer, running_server

_TYPES: Final = (AttestationType.SGX_ENCLAVE, AttestationType.OPEN_ENCLAVE, AttestationType.TPM)
_MODELS: Final = {
    "aad": TrustModel.AAD,
    "isolated": TrustModel.ISOLATED,
    "shared": TrustModel.SHARED,
}
_START_SECONDS: Final = 30


class _Token:
    token = "an opaque bearer token"  # noqa: S105  nothing reads it
    expires_on = 1 << 40


class _Credential:
    def get_token(self, *_scopes: str, **_options: object) -> _Token:
        return _Token()


class _AsyncCredential:
    async def get_token(self, *_scopes: str, **_options: object) -> _Token:
        return _Token()


@dataclass(frozen=True, slots=True)
class _Service:
    server: RunningServer
    certificate: Path
    owner: x509.Certificate
    quote: bytes

    def url(self, instance: str) -> str:
        return f"{self.server.url}/{instance}"

    def client(self, instance: str, **options: Any) -> AttestationAdministrationClient:  # noqa: ANN401
        return AttestationAdministrationClient(
            self.url(instance), _Credential(), **self._options(instance), **options
        )

    def async_client(self, instance: str, **options: Any) -> AsyncAdministrationClient:  # noqa: ANN401
        return AsyncAdministrationClient(
            self.url(instance), _AsyncCredential(), **self._options(instance), **options
        )

    def attestation_client(self, instance: str) -> AttestationClient:
        return AttestationClient(self.url(instance), _Credential(), **self._options(instance))

    def _options(self, instance: str) -> dict[str, Any]:
        return {
            "connection_verify": str(self.certificate),
            "validate_token": True,
            "validate_signature": True,
            "validate_expiration": True,
            "validate_not_before_time": True,
            "validate_issuer": True,
            "issuer": self.url(instance),
        }


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Service]:
    folder = tmp_path_factory.mktemp("administration")
    platform = SimulatedPlatform.create(clock.now())
    save_platform(platform, folder / "simulator")
    certificate, key = tls_identity("127.0.0.1", at=clock.now())
    files = folder / "tls.pem", folder / "tls.key"
    files[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    flags = {
        "dev": True,
        "simulator": str(folder / "simulator"),
        "tls.certificate": str(files[0]),
        "tls.key": str(files[1]),
    }
    quote = platform.quote(report_data=hashlib.sha256(RUNTIME_DATA).digest())
    with running_server(folder, flags) as server:
        found = _Service(server, files[0], certify(rsa_key(), at=clock.now()), quote)
        _create_instances(folder / "data", found)
        yield found


def _create_instances(data: Path, service: _Service) -> None:
    store = Store.open(f"sqlite:///{data}/assay.sqlite3")
    chest = KeyChest(
        store=store, key_encryption_key=load_key_encryption_key(data / "key-encryption.key")
    )
    provisioning = ProvisioningService(chest=chest, now=clock.now)
    for name, model in _MODELS.items():
        provisioning.create(
            NewInstance(
                name=name,
                issuer=service.url(name),
                trust_model=model,
                options=InstanceOptions(simulator=True),
                signers=(service.owner,) if model is TrustModel.ISOLATED else (),
            ),
            by=Author(name="test"),
        )
    store.close()
    _wait_for(service, "shared")


def _wait_for(service: _Service, instance: str) -> None:
    """Until the server has seen what another process did."""
    context = ssl.create_default_context(cafile=str(service.certificate))
    deadline = time.monotonic() + _START_SECONDS
    with httpx2.Client(verify=context) as client:
        while client.get(f"{service.url(instance)}/certs").status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def _pem(key: PrivateKey, certificate: x509.Certificate) -> dict[str, str]:
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return {
        "signing_key": private.decode(),
        "signing_certificate": certificate.public_bytes(Encoding.PEM).decode(),
    }


def _owner(service: _Service) -> dict[str, str]:
    return _pem(rsa_key(), service.owner)


def _policy_hash(policy: str, **signer: str) -> bytes:
    """As the client's own tests compute it: from their own serialisation."""
    token = AttestationPolicyToken(policy, **signer)
    return hashlib.sha256(token.to_jwt_string().encode()).digest()


@pytest.mark.parametrize("instance", _MODELS)
@pytest.mark.parametrize("kind", _TYPES)
def test_get_policy(service: _Service, instance: str, kind: AttestationType) -> None:
    with service.client(instance) as client:
        policy, token = client.get_policy(kind)

    assert policy.startswith("version") or not policy
    assert token.algorithm == "RS256"


@pytest.mark.parametrize("kind", _TYPES)
def test_aad_set_policy_unsecured(service: _Service, kind: AttestationType) -> None:
    with service.client("aad") as client:
        result, _ = client.set_policy(kind, PERMIT)
        policy, _ = client.get_policy(kind)

    assert result.policy_resolution == PolicyModification.UPDATED
    assert result.policy_token_hash == _policy_hash(PERMIT)
    assert result.policy_signer is None
    assert policy == PERMIT


@pytest.mark.parametrize("kind", _TYPES)
def test_aad_reset_policy_unsecured(service: _Service, kind: AttestationType) -> None:
    with service.client("aad") as client:
        client.set_policy(kind, PERMIT)
        result, _ = client.reset_policy(kind)
        policy, _ = client.get_policy(kind)

    assert result.policy_resolution == PolicyModification.REMOVED
    assert result.policy_token_hash is None
    assert policy != PERMIT


@pytest.mark.parametrize("kind", _TYPES)
def test_aad_set_and_reset_policy_secured(service: _Service, kind: AttestationType) -> None:
    # This version of the client cannot sign with EC keys: it names an argument that does not exist.
    certificate = certify(rsa_key(5), "anybody", ca=False, at=clock.now())
    signer = _pem(rsa_key(5), certificate)

    with service.client("aad") as client:
        result, _ = client.set_policy(kind, PERMIT, **signer)
        policy, _ = client.get_policy(kind)
        reset, _ = client.reset_policy(kind, **signer)

    [shown] = result.policy_signer.certificates
    assert x509.load_pem_x509_certificate(shown.encode()) == certificate
    assert policy == PERMIT
    assert reset.policy_resolution == PolicyModification.REMOVED
    assert reset.policy_token_hash is None


@pytest.mark.parametrize("kind", _TYPES)
def test_isolated_set_and_reset_policy_secured(service: _Service, kind: AttestationType) -> None:
    with service.client("isolated", **_owner(service)) as client:
        result, _ = client.set_policy(kind, PERMIT)
        policy, _ = client.get_policy(kind)
        reset, _ = client.reset_policy(kind)

    [shown] = result.policy_signer.certificates
    assert result.policy_resolution == PolicyModification.UPDATED
    assert result.policy_token_hash == _policy_hash(PERMIT, **_owner(service))
    assert x509.load_pem_x509_certificate(shown.encode()) == service.owner
    assert policy == PERMIT
    assert reset.policy_resolution == PolicyModification.REMOVED


def test_isolated_set_policy_unsecured_is_refused(service: _Service) -> None:
    with service.client("isolated") as client, pytest.raises(HttpResponseError) as caught:
        client.set_policy(AttestationType.SGX_ENCLAVE, PERMIT)

    assert caught.value.status_code == 400
    assert caught.value.error is not None
    assert caught.value.error.code == "InvalidOperation"


def test_isolated_set_policy_by_a_stranger_is_refused(service: _Service) -> None:
    signer = _pem(rsa_key(5), certify(rsa_key(5), "stranger", at=clock.now()))

    with service.client("isolated", **signer) as client, pytest.raises(HttpResponseError) as caught:
        client.set_policy(AttestationType.SGX_ENCLAVE, PERMIT)

    assert caught.value.error is not None
    assert caught.value.error.code == "InvalidParameter"


@pytest.mark.parametrize(("change", "arguments"), [("set_policy", [PERMIT]), ("reset_policy", [])])
def test_shared_changes_are_refused(service: _Service, change: str, arguments: list[str]) -> None:
    with service.client("shared") as client, pytest.raises(HttpResponseError) as caught:
        getattr(client, change)(AttestationType.SGX_ENCLAVE, *arguments)

    assert caught.value.error is not None
    assert caught.value.error.code == "InvalidOperation"


def test_a_text_that_is_no_policy_is_refused(service: _Service) -> None:
    with service.client("aad") as client, pytest.raises(HttpResponseError) as caught:
        client.set_policy(AttestationType.SGX_ENCLAVE, "nonsense")

    assert caught.value.error is not None
    assert caught.value.error.code == "PolicyParsingError"


@pytest.mark.parametrize(("instance", "count"), [("aad", 0), ("isolated", 1), ("shared", 0)])
def test_get_policy_management_certificates(service: _Service, instance: str, count: int) -> None:
    with service.client(instance) as client:
        signers, _ = client.get_policy_management_certificates()

    certificates = [
        x509.load_pem_x509_certificate(pem.encode()) for chain in signers for pem in chain
    ]
    assert certificates == [service.owner] * count


def test_add_remove_policy_certificate(service: _Service) -> None:
    added = certify(rsa_key(6), "successor", at=clock.now())
    pem = added.public_bytes(Encoding.PEM).decode()

    with service.client("isolated", **_owner(service)) as client:
        with pytest.raises(TypeError):
            client.add_policy_management_certificate(pem, "more")
        with pytest.raises(TypeError):
            client.remove_policy_management_certificate()
        first, _ = client.add_policy_management_certificate(pem)
        again, _ = client.add_policy_management_certificate(pem)
        listed, _ = client.get_policy_management_certificates()
        successor = _pem(rsa_key(6), added)
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
    der = added.public_bytes(Encoding.DER)
    digest = hashlib.sha1(der, usedforsecurity=False).hexdigest().upper()
    assert first.certificate_thumbprint == removed.certificate_thumbprint == digest
    assert (len(listed), len(left)) == (2, 1)


def test_the_last_certificate_is_not_removed(service: _Service) -> None:
    pem = service.owner.public_bytes(Encoding.PEM).decode()

    with (
        service.client("isolated", **_owner(service)) as client,
        pytest.raises(HttpResponseError) as caught,
    ):
        client.remove_policy_management_certificate(pem)

    assert caught.value.error is not None
    assert caught.value.error.code == "InvalidOperation"


@pytest.mark.parametrize("instance", ["aad", "shared"])
def test_certificates_of_other_instances_are_refused(service: _Service, instance: str) -> None:
    pem = service.owner.public_bytes(Encoding.PEM).decode()

    with (
        service.client(instance, **_owner(service)) as client,
        pytest.raises(HttpResponseError) as caught,
    ):
        client.add_policy_management_certificate(pem)

    assert caught.value.status_code == 400


@pytest.mark.parametrize("instance", _MODELS)
def test_metadata_and_attestation_are_the_instance_s_own(service: _Service, instance: str) -> None:
    with service.attestation_client(instance) as client:
        metadata = client.get_open_id_metadata()
        signers = client.get_signing_certificates()
        sgx, _ = client.attest_sgx_enclave(service.quote, runtime_data=RUNTIME_DATA)
        enclave, _ = client.attest_open_enclave(
            legacy_report(service.quote), runtime_json=RUNTIME_DATA
        )
        _, draft = client.attest_sgx_enclave(
            service.quote, runtime_data=RUNTIME_DATA, draft_policy=PERMIT
        )

    assert metadata["issuer"] == service.url(instance)
    assert metadata["jwks_uri"] == f"{service.url(instance)}/certs"
    assert [x509.load_pem_x509_certificate(one.certificates[0].encode()) for one in signers]
    assert sgx.issuer == service.url(instance)
    assert sgx.enclave_held_data == RUNTIME_DATA
    assert enclave.runtime_claims == json.loads(RUNTIME_DATA)
    assert draft.algorithm == "none"


def test_a_policy_decides_from_the_moment_it_is_set(service: _Service) -> None:
    deny = "version= 1.0;authorizationrules{=> deny();};"
    with service.client("aad") as owner, service.attestation_client("aad") as attester:
        owner.set_policy(AttestationType.SGX_ENCLAVE, deny)
        with pytest.raises(HttpResponseError) as caught:
            attester.attest_sgx_enclave(service.quote, runtime_data=RUNTIME_DATA)
        owner.reset_policy(AttestationType.SGX_ENCLAVE)
        result, _ = attester.attest_sgx_enclave(service.quote, runtime_data=RUNTIME_DATA)

    assert caught.value.error is not None
    assert caught.value.error.code == "PolicyEvaluationError"
    assert result.policy_signer is None


def test_a_signed_policy_names_its_signer_in_tokens(service: _Service) -> None:
    with service.client("isolated", **_owner(service)) as owner:
        owner.set_policy(AttestationType.SGX_ENCLAVE, PERMIT)
        with service.attestation_client("isolated") as attester:
            _, token = attester.attest_sgx_enclave(service.quote, runtime_data=RUNTIME_DATA)
        owner.reset_policy(AttestationType.SGX_ENCLAVE)

    # The client's own reading of it fails in this version.
    claims = read_unverified(token.to_jwt_string()).claims
    assert claims["x-ms-policy-signer"] == signer_jwk((service.owner,))


def test_the_asynchronous_client_administers_the_same(service: _Service) -> None:
    added = certify(rsa_key(6), "successor", at=clock.now())
    pem = added.public_bytes(Encoding.PEM).decode()

    async def run() -> list[Any]:
        kind = AttestationType.OPEN_ENCLAVE
        async with service.async_client("aad") as client:
            updated, _ = await client.set_policy(kind, PERMIT)
            policy, _ = await client.get_policy(kind)
            reset, _ = await client.reset_policy(kind)
        async with service.async_client("isolated", **_owner(service)) as client:
            signed, _ = await client.set_policy(kind, PERMIT)
            present, _ = await client.add_policy_management_certificate(pem)
            listed, _ = await client.get_policy_management_certificates()
            absent, _ = await client.remove_policy_management_certificate(pem)
            await client.reset_policy(kind)
        assert updated.policy_token_hash == _policy_hash(PERMIT)
        assert signed.policy_token_hash == _policy_hash(PERMIT, **_owner(service))
        return [
            updated.policy_resolution,
            policy,
            reset.policy_resolution,
            present.certificate_resolution,
            len(listed),
            absent.certificate_resolution,
        ]

    assert asyncio.run(run()) == [
        PolicyModification.UPDATED,
        PERMIT,
        PolicyModification.REMOVED,
        CertificateModification.IS_PRESENT,
        2,
        CertificateModification.IS_ABSENT,
    ]


def test_a_server_without_authentication_lets_nobody_administer(tmp_path: Path) -> None:
    certificate, key = tls_identity("127.0.0.1", at=clock.now())
    files = tmp_path / "tls.pem", tmp_path / "tls.key"
    files[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    flags = {"tls.certificate": str(files[0]), "tls.key": str(files[1])}

    with (
        running_server(tmp_path, flags) as server,
        AttestationAdministrationClient(
            server.url, _Credential(), connection_verify=str(files[0])
        ) as client,
        pytest.raises(ClientAuthenticationError) as caught,
    ):
        client.get_policy(AttestationType.SGX_ENCLAVE)

    assert caught.value.status_code == 401
