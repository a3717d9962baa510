"""A running server over TLS, with an OIDC issuer beside it and a client certificate."""

from __future__ import annotations

import hashlib
import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.security.attestation import (
    AttestationAdministrationClient,
    AttestationType,
    PolicyModification,
)
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from assay import client, clock
from assay.client import (
    AuthenticationError,
    ClientCertificate,
    ClientOptions,
    ClientSecret,
    TokenValidationOptions,
    aio,
)
from tests.administration import DENY, PERMIT, VERSION, stored_policy, unsecured
from tests.certificates import CA_USAGE, Keys, Recipe, name, pem
from tests.clients import KINDS, Clients, clients_of
from tests.servers.oidc import AUDIENCE, CLIENT_SECRET, OidcIssuer, oidc_issuer
from tests.servers.tls import tls_identity
from tests.serving import running_server

_RIGHTS: Final = {"owner": ["read", "write", "delete"], "reader": ["read"]}
_POLICY: Final = f"/policies/SgxEnclave{VERSION}"
_LONG: Final = timedelta(days=3650)
_SGX: Final = client.AttestationType.SGX_ENCLAVE


@dataclass(frozen=True, slots=True, kw_only=True)
class _Service:
    url: str
    folder: Path
    issuer: OidcIssuer

    def our_client(self, clients: Clients, credential: Any) -> Any:  # noqa: ANN401  of either kind
        options = ClientOptions(ca_file=self.folder / "server.pem", trust_env=False)
        validation = TokenValidationOptions(issuer="https://attest.example")
        return clients.administration(self.url, credential, options=options, validation=validation)

    def client(self, certificate: str = "") -> httpx2.Client:
        context = ssl.create_default_context(cafile=self.folder / "server.pem")
        if certificate:
            context.load_cert_chain(self.folder / certificate)
        return httpx2.Client(verify=context, base_url=self.url, trust_env=False)

    def official_client(self, text: str) -> AttestationAdministrationClient:
        verify = str(self.folder / "server.pem")
        return AttestationAdministrationClient(self.url, _Given(text), connection_verify=verify)


@dataclass(frozen=True, slots=True)
class _Given:
    """A credential as the original clients take one: whatever is asked for, this token."""

    token: str
    expires_on: int = 1 << 40

    def get_token(self, *_scopes: str, **_options: object) -> _Given:
        return self


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Service]:
    folder = tmp_path_factory.mktemp("authentication")
    certificate, key = tls_identity("127.0.0.1", at=clock.now())
    (folder / "server.pem").write_bytes(pem(certificate))
    (folder / "server.key").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    pipeline = _client_certificates(folder)
    with oidc_issuer() as issuer:
        flags = {
            "host": "0.0.0.0",  # noqa: S104  as other machines reach it
            "instance.public_url": "https://attest.example",
            "tls.certificate": str(folder / "server.pem"),
            "tls.key": str(folder / "server.key"),
            "auth.issuers": [issuer.settings(_RIGHTS, ["default"])],
            "auth.client_certificates.ca_file": str(folder / "ca.pem"),
            "auth.client_certificates.grants": [
                {
                    "name": "pipeline",
                    "fingerprint": hashlib.sha256(pipeline.public_bytes(Encoding.DER)).hexdigest(),
                    "rights": ["read", "write"],
                    "instances": ["default"],
                }
            ],
        }
        with running_server(folder, flags) as server:
            url = server.url.replace("0.0.0.0", "127.0.0.1")  # noqa: S104
            yield _Service(url=url, folder=folder, issuer=issuer)


@pytest.fixture(params=KINDS)
def clients(request: pytest.FixtureRequest) -> Iterator[Clients]:
    with clients_of(request.param) as made:
        yield made


def _client_certificates(folder: Path) -> x509.Certificate:
    """A CA's file, and two clients of it with their keys; the certificate of the first."""
    keys = Keys()
    authority = Recipe(
        subject=name("clients"),
        issuer=name("clients"),
        key=keys.root.public_key(),
        ca=True,
        usage=CA_USAGE,
        validity=_LONG,
    ).sign(keys.root)
    (folder / "ca.pem").write_bytes(pem(authority))
    private = keys.leaf.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    found = [
        Recipe(
            subject=name(subject),
            issuer=name("clients"),
            key=keys.leaf.public_key(),
            serial=serial,
            extensions=((x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False),),
            validity=_LONG,
        ).sign(keys.root)
        for serial, subject in enumerate(("pipeline", "stranger"), start=1)
    ]
    for subject, certificate in zip(("pipeline", "stranger"), found, strict=True):
        (folder / f"{subject}.pem").write_bytes(pem(certificate) + private)
    return found[0]


def test_the_original_client_sets_a_policy_with_a_token_of_the_issuer(service: _Service) -> None:
    with service.official_client(service.issuer.token("owner")) as client:
        result, _ = client.set_policy(AttestationType.SGX_ENCLAVE, PERMIT)
        policy, _ = client.get_policy(AttestationType.SGX_ENCLAVE)

    assert result.policy_resolution == PolicyModification.UPDATED
    assert policy == PERMIT


@pytest.mark.parametrize(
    ("subject", "minutes"), [("reader", 5), ("stranger", 5), ("owner", -5)], ids=str
)
def test_the_original_client_sets_none_without_the_right(
    subject: str, minutes: int, service: _Service
) -> None:
    with (
        service.official_client(service.issuer.token(subject, minutes=minutes)) as client,
        pytest.raises(ClientAuthenticationError) as caught,
    ):
        client.set_policy(AttestationType.SGX_ENCLAVE, PERMIT)

    assert caught.value.status_code == 401
    response: Any = caught.value.response
    assert response.headers["www-authenticate"] == (
        f'Bearer authorization_uri="{service.issuer.url}", resource_id="{AUDIENCE}"'
    )


@pytest.mark.parametrize(
    ("certificate", "expected"),
    [
        ("pipeline.pem", {"get": 200, "set": 200, "reset": 401, "attest": 400}),
        ("stranger.pem", {"get": 401, "set": 401, "reset": 401, "attest": 400}),
        ("", {"get": 401, "set": 401, "reset": 401, "attest": 400}),
    ],
)
def test_a_client_certificate_gives_what_is_written_down_for_it(
    certificate: str, expected: dict[str, int], service: _Service
) -> None:
    body = json.dumps(unsecured(stored_policy(DENY)))

    with service.client(certificate) as client:
        answers = {
            "get": client.get(_POLICY),
            "set": client.put(_POLICY, content=body),
            "reset": client.post(f"/policies/SgxEnclave:reset{VERSION}", content=body),
            # Refused for what it is, whoever sends it.
            "attest": client.post(f"/attest/SgxEnclave{VERSION}", json={}),
        }

    assert {what: answer.status_code for what, answer in answers.items()} == expected


def test_a_certificate_and_a_token_together_are_refused(service: _Service) -> None:
    headers = {"authorization": f"Bearer {service.issuer.token('owner')}"}

    with service.client("pipeline.pem") as client:
        assert client.get(_POLICY, headers=headers).status_code == 401


def test_our_client_sets_a_policy_with_client_credentials(
    service: _Service, clients: Clients
) -> None:
    secret = ClientSecret(
        token_url=f"{service.issuer.url}/token", client_id="owner", client_secret=CLIENT_SECRET
    )
    kind = client if clients.kind == "sync" else aio
    credential = kind.ClientSecretCredential(secret, options=ClientOptions(trust_env=False))
    administration = service.our_client(clients, credential)

    administration.set_policy(_SGX, PERMIT)

    assert administration.get_policy(_SGX).value == PERMIT
    clients.run(credential.close())


def test_our_client_sets_a_policy_with_a_client_certificate(
    service: _Service, clients: Clients
) -> None:
    certificate = ClientCertificate(certificate=service.folder / "pipeline.pem")
    administration = service.our_client(clients, certificate)

    administration.set_policy(_SGX, DENY)

    assert administration.get_policy(_SGX).value == DENY
    with pytest.raises(AuthenticationError):
        administration.reset_policy(_SGX)


@pytest.mark.parametrize(("subject", "minutes"), [("reader", 5), ("owner", -5)], ids=str)
def test_our_client_is_told_that_it_may_not(
    subject: str, minutes: int, service: _Service, clients: Clients
) -> None:
    credential = clients.static_token(service.issuer.token(subject, minutes=minutes))

    with pytest.raises(AuthenticationError) as caught:
        service.our_client(clients, credential).set_policy(_SGX, PERMIT)

    assert (caught.value.status, caught.value.code) == (401, "Unauthorized")
    assert caught.value.request_id
