"""The client library, both kinds, method by method against a running server over TLS.

One server with an instance of each trust model.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from assay import clock
from assay.client import (
    AttestationData,
    AttestationSigningKey,
    AttestationType,
    CertificateModification,
    ClientOptions,
    PolicyModification,
    RequestError,
    ServiceError,
    TransportError,
)
from assay.encoding import decode_base64url
from assay.keys import load_key_encryption_key
from assay.service.instance_options import InstanceOptions
from assay.service.keys import KeyChest
from assay.service.policies import POLICY_TYPES
from assay.service.provisioning import NewInstance, ProvisioningService
from assay.simulator import SimulatedPlatform, save_platform
from assay.simulator.openenclave import legacy_report
from assay.simulator.tpm.platform import SimulatedTpm
from assay.simulator.tpm.request import draft_v2
from assay.store import Author, Store, TrustModel
from assay.token import read_unverified
from tests.administration import DENY, PERMIT, certify, ec_key, rsa_key
from tests.clients import KINDS, Clients, clients_of, wait_for_instance
from tests.servers.tls import tls_identity
from tests.serving import RUNTIME_DATA, RunningServer, running_server

_TPM_POLICY: Final = """version=1.2;
configurationrules { => issueproperty(type="require_valid_aik_cert", value=false); };
authorizationrules { => permit(); };
issuancerules {};"""
_MODELS: Final = {
    "aad": TrustModel.AAD,
    "isolated": TrustModel.ISOLATED,
    "shared": TrustModel.SHARED,
}
_SGX: Final = AttestationType.SGX_ENCLAVE


@dataclass(frozen=True, slots=True)
class _Service:
    server: RunningServer
    ca_file: Path
    owner: AttestationSigningKey
    quote: bytes

    def url(self, instance: str) -> str:
        return f"{self.server.url}/{instance}"

    @property
    def options(self) -> ClientOptions:
        return ClientOptions(ca_file=self.ca_file, trust_env=False)

    def attestation(self, clients: Clients, instance: str) -> Any:  # noqa: ANN401  of either kind
        return clients.attestation(self.url(instance), options=self.options)

    def administration(self, clients: Clients, instance: str) -> Any:  # noqa: ANN401
        credential = clients.static_token("a token that a server in development does not look at")
        return clients.administration(self.url(instance), credential, options=self.options)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Service]:
    folder = tmp_path_factory.mktemp("client")
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
    owner = AttestationSigningKey(rsa_key(), certify(rsa_key(), at=clock.now()))
    with running_server(folder, flags) as server:
        found = _Service(server, files[0], owner, quote)
        _create_instances(folder / "data", found)
        yield found


@pytest.fixture(params=KINDS)
def clients(request: pytest.FixtureRequest) -> Iterator[Clients]:
    with clients_of(request.param) as made:
        yield made


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
                signers=(service.owner.certificate,) if model is TrustModel.ISOLATED else (),
            ),
            by=Author(name="test"),
        )
    store.close()
    wait_for_instance(service.url("shared"), service.ca_file)


@pytest.mark.parametrize("instance", _MODELS)
def test_metadata_and_keys(service: _Service, clients: Clients, instance: str) -> None:
    client = service.attestation(clients, instance)

    metadata = client.get_openid_metadata()
    [signer] = client.get_signing_certificates()

    assert metadata.issuer == client.endpoint == service.url(instance)
    assert metadata.jwks_uri == f"{service.url(instance)}/certs"
    [certificate] = signer.certificates
    assert certificate.subject.rfc4514_string() == f"CN={service.url(instance)}"


@pytest.mark.parametrize("instance", _MODELS)
@pytest.mark.parametrize("method", ["attest_sgx_enclave", "attest_open_enclave"])
def test_enclaves_are_attested(
    service: _Service, clients: Clients, instance: str, method: str
) -> None:
    client = service.attestation(clients, instance)
    attest = getattr(client, method)
    evidence = service.quote if method == "attest_sgx_enclave" else legacy_report(service.quote)

    binary, token = attest(evidence, runtime_data=RUNTIME_DATA, nonce="7")
    parsed = attest(evidence, runtime_data=AttestationData.json(RUNTIME_DATA)).value
    draft = attest(evidence, draft_policy=PERMIT)

    assert (binary.issuer, binary.nonce) == (service.url(instance), "7")
    assert binary.enclave_held_data == RUNTIME_DATA
    assert binary.runtime_claims is None
    assert binary.is_debuggable is False
    assert binary.sgx_collateral is not None
    assert token.algorithm == "RS256"
    assert parsed.enclave_held_data is None
    assert parsed.runtime_claims == json.loads(RUNTIME_DATA)
    assert draft.token.algorithm == "none"
    assert draft.value.mr_enclave == binary.mr_enclave


def test_a_refusal_says_why(service: _Service, clients: Clients) -> None:
    with pytest.raises(ServiceError) as caught:
        service.attestation(clients, "aad").attest_sgx_enclave(service.quote, runtime_data=b"x")

    error = caught.value
    assert (error.status, error.code, error.inner_code) == (
        400,
        "InvalidParameter",
        "InvalidQuote",
    )
    assert [one.code for one in error.details] == ["appraisal.runtime_data.binding"]
    assert error.request_id.startswith("00-")
    assert not error.retryable


def test_a_draft_policy_that_denies_is_a_refusal(service: _Service, clients: Clients) -> None:
    with pytest.raises(ServiceError) as caught:
        service.attestation(clients, "aad").attest_sgx_enclave(service.quote, draft_policy=DENY)

    assert caught.value.code == "PolicyEvaluationError"


def test_a_tpm_is_attested_in_both_legs(service: _Service, clients: Clients) -> None:
    owner = service.administration(clients, "aad")
    attester = service.attestation(clients, "aad")

    def exchange(payload: dict[str, str]) -> dict[str, str]:
        answer = attester.attest_tpm(json.dumps({"payload": payload}))
        found: dict[str, str] = json.loads(answer)["payload"]
        return found

    owner.set_policy(AttestationType.TPM, _TPM_POLICY)
    try:
        challenge = exchange({"type": "aikcert"})
        draft = draft_v2(
            SimulatedTpm.create(clock.now()),
            challenge=decode_base64url(challenge["challenge"], "challenge"),
            service_context=challenge["service_context"],
        )
        report = exchange({"request": draft.sign()})["report"]
    finally:
        owner.reset_policy(AttestationType.TPM)

    assert read_unverified(report).claims["iss"] == service.url("aad")


@pytest.mark.parametrize(
    "method", ["attest_sev_snp", "attest_tdx", "attest_azure_guest", "attest_tpm"]
)
def test_evidence_that_is_none_is_refused_by_the_service(
    service: _Service, clients: Clients, method: str
) -> None:
    with pytest.raises(ServiceError) as caught:
        getattr(service.attestation(clients, "shared"), method)(b"{}")

    assert caught.value.status in {400, 404}
    assert caught.value.code
    assert not caught.value.retryable


@pytest.mark.parametrize("kind", [AttestationType.SGX_ENCLAVE, AttestationType.TPM])
@pytest.mark.parametrize("instance", ["aad", "isolated"])
def test_policies_are_set_read_and_reset(
    service: _Service, clients: Clients, instance: str, kind: AttestationType
) -> None:
    client = service.administration(clients, instance)
    before = client.get_policy(kind).value

    updated = client.set_policy(kind, PERMIT, signing_key=service.owner).value
    read = client.get_policy(kind).value
    removed = client.reset_policy(kind, signing_key=service.owner).value
    after = client.get_policy(kind).value

    assert updated.resolution is PolicyModification.UPDATED
    assert updated.signer is not None
    assert updated.signer.certificates == (service.owner.certificate,)
    assert read == PERMIT
    assert (removed.resolution, removed.token_hash) == (PolicyModification.REMOVED, None)
    assert before == after
    assert (before is None) == (kind is AttestationType.TPM)


def test_unsigned_policies_are_for_instances_that_are_not_isolated(
    service: _Service, clients: Clients
) -> None:
    result = service.administration(clients, "aad").set_policy(AttestationType.SEV_SNP_VM, PERMIT)

    assert result.value.signer is None
    for instance in ("isolated", "shared"):
        with pytest.raises(ServiceError) as caught:
            service.administration(clients, instance).set_policy(_SGX, PERMIT)
        assert (caught.value.status, caught.value.code) == (400, "InvalidOperation")


def test_a_policy_that_does_not_parse_is_refused(service: _Service, clients: Clients) -> None:
    with pytest.raises(ServiceError) as caught:
        service.administration(clients, "aad").set_policy(_SGX, "version= 1.0; nonsense")

    assert caught.value.code == "PolicyParsingError"


@pytest.mark.parametrize("instance", ["aad", "shared"])
def test_only_isolated_instances_have_signers(
    service: _Service, clients: Clients, instance: str
) -> None:
    client = service.administration(clients, instance)

    assert client.get_policy_management_certificates().value == ()
    with pytest.raises(ServiceError):
        client.add_policy_management_certificate(
            service.owner.certificate, signing_key=service.owner
        )


def test_signers_are_added_and_removed(service: _Service, clients: Clients) -> None:
    client = service.administration(clients, "isolated")
    new = certify(ec_key(), "successor", at=clock.now())

    def listed() -> set[x509.Certificate]:
        found = client.get_policy_management_certificates().value
        return {one for signer in found for one in signer.certificates}

    added = client.add_policy_management_certificate(new, signing_key=service.owner).value
    present = listed()
    removed = client.remove_policy_management_certificate(new, signing_key=service.owner).value

    assert added.resolution is CertificateModification.IS_PRESENT
    assert removed.resolution is CertificateModification.IS_ABSENT
    assert added.thumbprint == removed.thumbprint
    assert present == {service.owner.certificate, new}
    assert listed() == {service.owner.certificate}


def test_a_service_that_nobody_vouches_for_is_not_spoken_to(
    service: _Service, clients: Clients
) -> None:
    client = clients.attestation(service.url("aad"), options=ClientOptions(trust_env=False))

    with pytest.raises(TransportError, match="CERTIFICATE_VERIFY_FAILED") as caught:
        client.get_openid_metadata()

    assert not caught.value.retryable


def test_a_ca_file_that_is_missing_is_named(clients: Clients, tmp_path: Path) -> None:
    options = ClientOptions(ca_file=tmp_path / "missing.pem")

    with pytest.raises(RequestError, match=r"missing\.pem"):
        clients.attestation("https://127.0.0.1:1", options=options).get_openid_metadata()


def test_policies_exist_for_the_types_that_the_client_knows() -> None:
    assert list(AttestationType) == list(POLICY_TYPES)
