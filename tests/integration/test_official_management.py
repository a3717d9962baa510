"""The original service's own management client from PyPI, unmodified, over TLS.

A whole life of providers, and then what they are for: the instance that was made is administered
and attested with by the other official clients, at the `attestUri` that it was given.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
)
from azure.mgmt.attestation import AttestationManagementClient
from azure.mgmt.attestation.aio import AttestationManagementClient as AsyncManagementClient
from azure.mgmt.attestation.models import (
    AttestationServiceCreationParams,
    AttestationServiceCreationSpecificParams,
    AttestationServicePatchParams,
    AttestationServicePatchSpecificParams,
    JSONWebKey,
    JSONWebKeySet,
    PrivateEndpointConnection,
    PrivateEndpointConnectionProperties,
    PrivateLinkServiceConnectionState,
)
from azure.security.attestation import (
    AttestationAdministrationClient,
    AttestationClient,
    AttestationType,
    PolicyModification,
)
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from assay import clock
from assay.keys import load_key_encryption_key
from assay.server.arm.versions import VERSIONS
from assay.service.keys import KeyChest
from assay.service.provisioning import NewInstance, ProvisioningService
from assay.simulator import SimulatedPlatform, save_platform
from assay.store import Author, Store, TrustModel
from tests.administration import PERMIT, certify, rsa_key
from tests.servers.tls import tls_identity
from tests.serving import RUNTIME_DATA, RunningServer, running_server

_SUBSCRIPTION: Final = "7a5b3c1d-0000-4000-8000-00000000abcd"
_GROUP: Final = "Payments-RG"


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

    def client(self, subscription: str = _SUBSCRIPTION, **options: Any) -> Any:  # noqa: ANN401  nearly all is optional
        return _client(self.server.url, self.certificate, subscription, **options)

    def async_client(self) -> Any:  # noqa: ANN401  ditto
        credential: Any = _AsyncCredential()
        return AsyncManagementClient(
            credential,
            _SUBSCRIPTION,
            base_url=self.server.url,
            connection_verify=str(self.certificate),
        )

    def options(self, issuer: str) -> dict[str, Any]:
        return {
            "connection_verify": str(self.certificate),
            "validate_token": True,
            "validate_signature": True,
            "validate_issuer": True,
            "issuer": issuer,
        }


def _client(url: str, certificate: Path, subscription: str = _SUBSCRIPTION, **options: Any) -> Any:  # noqa: ANN401  ditto
    credential: Any = _Credential()
    return AttestationManagementClient(
        credential, subscription, base_url=url, connection_verify=str(certificate), **options
    )


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Service]:
    folder = tmp_path_factory.mktemp("management")
    platform = SimulatedPlatform.create(clock.now())
    save_platform(platform, folder / "simulator")
    files = _tls_files(folder)
    flags = {
        "dev": True,
        "simulator": str(folder / "simulator"),
        "tls.certificate": str(files[0]),
        "tls.key": str(files[1]),
        "management.enabled": True,
    }
    quote = platform.quote(report_data=hashlib.sha256(RUNTIME_DATA).digest())
    with running_server(folder, flags) as server:
        _add_shared_instance(folder / "data", server.url)
        yield _Service(server, files[0], certify(rsa_key(), at=clock.now()), quote)


def _tls_files(folder: Path) -> tuple[Path, Path]:
    certificate, key = tls_identity("127.0.0.1", at=clock.now())
    files = folder / "tls.pem", folder / "tls.key"
    files[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


def _add_shared_instance(data: Path, url: str) -> None:
    """Only an operator makes one, on the server itself."""
    store = Store.open(f"sqlite:///{data}/assay.sqlite3")
    chest = KeyChest(
        store=store, key_encryption_key=load_key_encryption_key(data / "key-encryption.key")
    )
    ProvisioningService(chest=chest, now=clock.now).create(
        NewInstance(
            name="sharedcus",
            issuer=f"{url}/sharedcus",
            trust_model=TrustModel.SHARED,
            region="Central US",
        ),
        by=Author(name="test"),
    )
    store.close()


def _new(
    *certificates: x509.Certificate, location: str = "westus", **tags: str
) -> AttestationServiceCreationParams:
    keys = [
        JSONWebKey(
            kty="RSA",
            alg="RS256",
            use="sig",
            x5_c=[base64.b64encode(one.public_bytes(Encoding.DER)).decode()],
        )
        for one in certificates
    ]
    return AttestationServiceCreationParams(
        location=location,
        tags=tags or None,
        properties=AttestationServiceCreationSpecificParams(
            policy_signing_certificates=JSONWebKeySet(keys_property=keys)
        ),
    )


def _approved(description: str) -> PrivateEndpointConnection:
    state = PrivateLinkServiceConnectionState(status="Approved", description=description)
    return PrivateEndpointConnection(
        properties=PrivateEndpointConnectionProperties(private_link_service_connection_state=state)
    )


def _pem(certificate: x509.Certificate) -> dict[str, str]:
    private = rsa_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return {
        "signing_key": private.decode(),
        "signing_certificate": certificate.public_bytes(Encoding.PEM).decode(),
    }


def test_a_provider_lives_from_its_creation_to_its_deletion(service: _Service) -> None:
    with service.client() as client:
        providers = client.attestation_providers
        made = providers.create(_GROUP, "whole-life", _new(team="a"))
        again = providers.create(_GROUP, "whole-life", _new(team="a"))
        got = providers.get(_GROUP.upper(), "Whole-Life")
        patched = providers.update(
            _GROUP,
            "whole-life",
            AttestationServicePatchParams(
                tags={"team": "b", "stage": "test"},
                properties=AttestationServicePatchSpecificParams(public_network_access="Enabled"),
            ),
        )
        in_subscription = providers.list().value
        in_group = providers.list_by_resource_group(_GROUP.lower()).value
        elsewhere = providers.list_by_resource_group("another").value
        providers.delete(_GROUP, "whole-life")
        providers.delete(_GROUP, "whole-life")
        with pytest.raises(ResourceNotFoundError) as caught:
            providers.get(_GROUP, "whole-life")

    identifier = (
        f"/subscriptions/{_SUBSCRIPTION}/resourceGroups/{_GROUP}/providers"
        "/Microsoft.Attestation/attestationProviders/whole-life"
    )
    assert (made.id, made.name, made.location) == (identifier, "whole-life", "westus")
    assert made.type == "Microsoft.Attestation/attestationProviders"
    assert made.properties.trust_model == "AAD"
    assert made.properties.status == "Ready"
    assert made.properties.attest_uri == f"{service.server.url}/whole-life"
    assert made.system_data.created_by == "developer"
    assert made.system_data.created_by_type == "User"
    assert made == again == got
    assert patched.tags == {"team": "b", "stage": "test"}
    assert patched.properties.public_network_access == "Enabled"
    assert patched.system_data.created_at == made.system_data.created_at
    assert patched.system_data.last_modified_at >= made.system_data.created_at
    assert identifier in {one.id for one in in_subscription}
    assert identifier in {one.id for one in in_group}
    assert elsewhere == []
    assert caught.value.error is not None
    assert caught.value.error.code == "ResourceNotFound"


@pytest.mark.parametrize("version", VERSIONS)
def test_clients_of_every_version_manage_the_same(service: _Service, version: str) -> None:
    with service.client(api_version=version) as client:
        providers = client.attestation_providers
        made = providers.create(_GROUP, "versions", _new(team="a"))
        got = providers.get(_GROUP, "versions")
        patched = providers.update(
            _GROUP, "versions", AttestationServicePatchParams(tags={"team": "b"})
        )
        listed = providers.list().value
        operations = list(client.operations.list())
        providers.delete(_GROUP, "versions")

    assert made == got
    assert patched.tags == {"team": "b"}
    assert patched in listed
    assert operations


def test_the_clients_of_the_data_plane_use_an_aad_provider_that_was_made(
    service: _Service,
) -> None:
    with service.client() as client:
        made = client.attestation_providers.create(_GROUP, "data-plane", _new())
    url = made.properties.attest_uri
    options = service.options(url)

    with (
        AttestationAdministrationClient(url, _Credential(), **options) as owner,
        AttestationClient(url, _Credential(), **options) as attester,
    ):
        updated, _ = owner.set_policy(AttestationType.SGX_ENCLAVE, PERMIT)
        policy, _ = owner.get_policy(AttestationType.SGX_ENCLAVE)
        result, _ = attester.attest_sgx_enclave(service.quote, runtime_data=RUNTIME_DATA)
        metadata = attester.get_open_id_metadata()

    assert updated.policy_resolution == PolicyModification.UPDATED
    assert policy == PERMIT
    assert result.issuer == metadata["issuer"] == url


def test_an_isolated_provider_begins_with_its_signers(service: _Service) -> None:
    with service.client() as client:
        made = client.attestation_providers.create(_GROUP, "isolated", _new(service.owner))
    url = made.properties.attest_uri
    options = service.options(url)

    assert made.properties.trust_model == "Isolated"
    with AttestationAdministrationClient(
        url, _Credential(), **_pem(service.owner), **options
    ) as owner:
        [[listed]], _ = owner.get_policy_management_certificates()
        updated, _ = owner.set_policy(AttestationType.SGX_ENCLAVE, PERMIT)
    with (
        AttestationAdministrationClient(url, _Credential(), **options) as stranger,
        pytest.raises(HttpResponseError) as caught,
    ):
        stranger.set_policy(AttestationType.SGX_ENCLAVE, PERMIT)

    assert x509.load_pem_x509_certificate(listed.encode()) == service.owner
    assert updated.policy_resolution == PolicyModification.UPDATED
    assert caught.value.status_code == 400


def test_what_a_provider_began_with_does_not_change(service: _Service) -> None:
    with service.client() as client:
        providers = client.attestation_providers
        providers.create(_GROUP, "fixed", _new())
        for other in (_new(location="eastus"), _new(service.owner)):
            with pytest.raises(HttpResponseError) as caught:
                providers.create(_GROUP, "fixed", other)
            assert caught.value.status_code == 409
        with pytest.raises(HttpResponseError) as taken:
            providers.create("another", "FIXED", _new())

    assert taken.value.status_code == 409
    assert taken.value.error is not None
    assert taken.value.error.code == "Conflict"


def test_a_private_endpoint_connection_is_kept(service: _Service) -> None:
    with service.client() as client:
        client.attestation_providers.create(_GROUP, "private", _new())
        connections = client.private_endpoint_connections
        before = list(connections.list(_GROUP, "private"))
        made = connections.create(_GROUP, "private", "link-1", _approved("known"))
        listed = list(connections.list(_GROUP, "private"))
        got = connections.get(_GROUP, "private", "LINK-1")
        shown = client.attestation_providers.get(_GROUP, "private")
        connections.delete(_GROUP, "private", "link-1")
        connections.delete(_GROUP, "private", "link-1")
        with pytest.raises(ResourceNotFoundError):
            connections.get(_GROUP, "private", "link-1")
        [link] = client.private_link_resources.list_by_provider(_GROUP, "private").value

    state = made.properties.private_link_service_connection_state
    assert before == []
    assert (state.status, state.description) == ("Approved", "known")
    assert made.properties.provisioning_state == "Succeeded"
    assert listed == [got] == [made]
    assert shown.properties.private_endpoint_connections == [made]
    assert link.properties.group_id == "standard"


def test_what_is_there_for_everybody(service: _Service) -> None:
    with service.client() as client:
        operations = {one.name for one in client.operations.list()}
        defaults = client.attestation_providers.list_default().value
        by_name = client.attestation_providers.get_default_by_location("Central US")
        by_label = client.attestation_providers.get_default_by_location("centralus")
        with pytest.raises(ResourceNotFoundError):
            client.attestation_providers.get_default_by_location("westus")
        names = {one.name for one in client.attestation_providers.list().value}

    assert "Microsoft.Attestation/attestationProviders/write" in operations
    assert [(one.name, one.location) for one in defaults] == [("sharedcus", "Central US")]
    assert by_name == by_label == defaults[0]
    assert by_name.id == "providers/Microsoft.Attestation/attestationProviders/sharedcus"
    assert by_name.properties.attest_uri == f"{service.server.url}/sharedcus"
    assert "sharedcus" not in names


def test_the_first_instance_is_where_the_settings_say_and_is_not_deleted(
    service: _Service,
) -> None:
    with service.client("00000000-0000-0000-0000-000000000000") as client:
        found = client.attestation_providers.get("assay", "default")
        with pytest.raises(HttpResponseError) as caught:
            client.attestation_providers.delete("assay", "default")

    assert found.location == "local"
    assert found.properties.attest_uri == service.server.url
    assert caught.value.error is not None
    assert caught.value.error.code == "OperationNotAllowed"


def test_what_cannot_be_promised_is_refused(service: _Service) -> None:
    with service.client() as client:
        client.attestation_providers.create(_GROUP, "promised", _new())
        with pytest.raises(HttpResponseError) as caught:
            client.attestation_providers.update(
                _GROUP,
                "promised",
                AttestationServicePatchParams(
                    properties=AttestationServicePatchSpecificParams(
                        public_network_access="Disabled"
                    )
                ),
            )

    assert caught.value.error is not None
    assert caught.value.error.code == "NotSupported"


def test_the_asynchronous_client_manages_the_same(service: _Service) -> None:
    async def run() -> list[Any]:
        async with service.async_client() as client:
            providers = client.attestation_providers
            made = await providers.create(_GROUP, "async", _new(service.owner, team="a"))
            got = await providers.get(_GROUP, "async")
            patched = await providers.update(
                _GROUP, "async", AttestationServicePatchParams(tags={"team": "b"})
            )
            listed = await providers.list()
            grouped = await providers.list_by_resource_group(_GROUP)
            defaults = await providers.list_default()
            default = await providers.get_default_by_location("centralus")
            connection = await client.private_endpoint_connections.create(
                _GROUP, "async", "link", _approved("x")
            )
            connections = [
                one async for one in client.private_endpoint_connections.list(_GROUP, "async")
            ]
            await client.private_endpoint_connections.delete(_GROUP, "async", "link")
            links = await client.private_link_resources.list_by_provider(_GROUP, "async")
            operations = [one async for one in client.operations.list()]
            await providers.delete(_GROUP, "async")
            assert made == got
            assert default in defaults.value
            assert connections == [connection]
            assert {one.name for one in listed.value} >= {one.name for one in grouped.value}
            return [
                made.properties.trust_model,
                patched.tags,
                len(links.value),
                len(operations) > 0,
            ]

    assert asyncio.run(run()) == ["Isolated", {"team": "b"}, 1, True]


def test_who_has_no_credential_manages_nothing(tmp_path: Path) -> None:
    certificate, key = _tls_files(tmp_path)
    flags = {
        "tls.certificate": str(certificate),
        "tls.key": str(key),
        "management.enabled": True,
    }

    with (
        running_server(tmp_path, flags) as server,
        _client(server.url, certificate) as client,
        pytest.raises(ClientAuthenticationError) as caught,
    ):
        client.attestation_providers.create(_GROUP, "nobody", _new())

    assert caught.value.status_code == 401
