"""The original service's own client from PyPI, unmodified, against a real server."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import ipaddress
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.security.attestation import AttestationClient
from azure.security.attestation.aio import AttestationClient as AsyncAttestationClient
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from assay import clock
from assay.encoding import decode_base64url
from assay.simulator import SimulatedPlatform, save_platform
from assay.simulator.openenclave import legacy_report
from assay.simulator.tpm.platform import SimulatedTpm
from assay.simulator.tpm.request import draft_v2
from assay.token import read_unverified
from tests.serving import RUNTIME_DATA, RunningServer, running_server

_DRAFT: Final = "version= 1.0;authorizationrules{=> permit();};"
_TPM_POLICY: Final = """version=1.2;
configurationrules { => issueproperty(type="require_valid_aik_cert", value=false); };
authorizationrules { => permit(); };
issuancerules {};"""
_DENY: Final = "version= 1.0;authorizationrules{=> deny();};"


@dataclass(frozen=True, slots=True)
class _Service:
    """A running server and how the client is told to call it."""

    server: RunningServer
    options: dict[str, Any]
    quote: bytes

    @property
    def report(self) -> bytes:
        return legacy_report(self.quote)

    def client(self) -> AttestationClient:
        return AttestationClient(self.server.url, _Credential(), **self._client_options())

    def async_client(self) -> AsyncAttestationClient:
        return AsyncAttestationClient(self.server.url, _Credential(), **self._client_options())

    def _client_options(self) -> dict[str, Any]:
        checks = {
            "validate_token": True,
            "validate_signature": True,
            "validate_expiration": True,
            "validate_not_before_time": True,
            "validate_issuer": True,
            "issuer": self.server.url,
        }
        return {**checks, **self.options}


class _Credential:
    """The client will not be made without one; nothing here asks for a token over HTTP."""

    def get_token(self, *_scopes: str, **_options: object) -> Any:  # noqa: ANN401  the client's
        raise AssertionError("no token is needed for attesting")


class _AsyncTlsCredential:
    async def get_token(self, *_scopes: str, **_options: object) -> Any:  # noqa: ANN401
        raise AssertionError("no token is needed for attesting")


def _make_tls(folder: Path) -> tuple[Path, Path]:
    """A certificate of this machine's address, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = clock.now()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "tls.pem", folder / "tls.key"
    files[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


@pytest.fixture(scope="module", params=["http", "https"])
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[_Service]:
    folder = tmp_path_factory.mktemp("service")
    platform = SimulatedPlatform.create(clock.now())
    save_platform(platform, folder / "simulator")
    flags: dict[str, object] = {
        "dev": True,
        "simulator": str(folder / "simulator"),
        "instance.policies.Tpm": _TPM_POLICY,
    }
    # The client attaches its bearer token to every call, and refuses to over plain HTTP.
    options: dict[str, Any] = {"authentication_policy": SansIOHTTPPolicy()}
    if request.param == "https":
        certificate, key = _make_tls(folder)
        flags |= {"tls.certificate": str(certificate), "tls.key": str(key)}
        options["connection_verify"] = str(certificate)
    quote = platform.quote(report_data=hashlib.sha256(RUNTIME_DATA).digest())
    with running_server(folder, flags) as server:
        yield _Service(server, options, quote)


def test_metadata_and_signers_are_read(service: _Service) -> None:
    with service.client() as client:
        metadata = client.get_open_id_metadata()
        signers = client.get_signing_certificates()

    assert metadata["issuer"] == service.server.url
    assert metadata["jwks_uri"] == f"{service.server.url}/certs"
    assert [x509.load_pem_x509_certificate(s.certificates[0].encode()) for s in signers]


@pytest.mark.parametrize("kind", ["sgx", "open"])
def test_binary_runtime_data_comes_back(service: _Service, kind: str) -> None:
    with service.client() as client:
        result, token = _attest(client, service, kind, runtime_data=RUNTIME_DATA)

    assert result.issuer == service.server.url
    assert result.enclave_held_data == RUNTIME_DATA
    assert result.runtime_claims is None
    assert result.sgx_collateral is not None
    assert result.is_debuggable is False
    assert token.algorithm == "RS256"


@pytest.mark.parametrize("kind", ["sgx", "open"])
def test_json_runtime_data_becomes_claims(service: _Service, kind: str) -> None:
    with service.client() as client:
        result, token = _attest(client, service, kind, runtime_json=RUNTIME_DATA)

    assert result.enclave_held_data is None
    assert result.runtime_claims == json.loads(RUNTIME_DATA)
    assert token._get_body().iss == result.issuer  # noqa: SLF001  as the client's own tests do


@pytest.mark.parametrize("kind", ["sgx", "open"])
def test_a_draft_policy_is_evaluated_and_not_signed(service: _Service, kind: str) -> None:
    with service.client() as client:
        result, token = _attest(
            client, service, kind, runtime_data=RUNTIME_DATA, draft_policy=_DRAFT
        )

    assert result.issuer == service.server.url
    assert token.algorithm == "none"


@pytest.mark.parametrize("kind", ["sgx", "open"])
def test_init_time_json_is_sent_without_data_and_ignored(service: _Service, kind: str) -> None:
    # This version of the client forgets the data.
    with service.client() as client:
        result, _ = _attest(
            client, service, kind, runtime_data=RUNTIME_DATA, inittime_json=b'{"a":1}'
        )

    assert result.inittime_claims is None


def test_evidence_without_runtime_data_is_attested(service: _Service) -> None:
    with service.client() as client:
        result, _ = client.attest_sgx_enclave(service.quote)

    assert result.enclave_held_data is None


def test_a_refusal_is_the_documented_one(service: _Service) -> None:
    with service.client() as client, pytest.raises(HttpResponseError) as caught:
        client.attest_sgx_enclave(service.quote, runtime_data=b"other")

    assert caught.value.status_code == 400
    assert caught.value.error is not None
    assert caught.value.error.code == "InvalidParameter"
    assert "appraisal.runtime_data.binding" in str(caught.value)


def test_a_policy_that_denies_is_the_documented_refusal(service: _Service) -> None:
    with service.client() as client, pytest.raises(HttpResponseError) as caught:
        client.attest_open_enclave(service.report, draft_policy=_DENY)

    assert caught.value.error is not None
    assert caught.value.error.code == "PolicyEvaluationError"


def test_the_asynchronous_client_attests_the_same(service: _Service) -> None:
    async def run() -> tuple[Any, Any, Any]:
        async with service.async_client() as client:
            sgx, sgx_token = await client.attest_sgx_enclave(
                service.quote, runtime_data=RUNTIME_DATA
            )
            enclave, _ = await client.attest_open_enclave(service.report, runtime_json=RUNTIME_DATA)
            _, draft_token = await client.attest_sgx_enclave(service.quote, draft_policy=_DRAFT)
            assert sgx.enclave_held_data == RUNTIME_DATA
            assert enclave.runtime_claims == json.loads(RUNTIME_DATA)
            return sgx, sgx_token, draft_token

    sgx, token, draft = asyncio.run(run())

    assert sgx.issuer == service.server.url
    assert (token.algorithm, draft.algorithm) == ("RS256", "none")


def test_a_tpm_is_attested_in_both_legs(service: _Service) -> None:
    with service.client() as client:
        challenge = _tpm(client, {"type": "aikcert"})
        draft = draft_v2(
            SimulatedTpm.create(clock.now()),
            challenge=decode_base64url(challenge["challenge"], "challenge"),
            service_context=challenge["service_context"],
        )
        report = _tpm(client, {"request": draft.sign()})["report"]

    assert read_unverified(report).claims["iss"] == service.server.url


def _tpm(client: AttestationClient, payload: dict[str, str]) -> dict[str, str]:
    answer = client.attest_tpm(json.dumps({"payload": payload}))
    found: dict[str, str] = json.loads(answer)["payload"]
    return found


def _attest(
    client: AttestationClient,
    service: _Service,
    kind: str,
    **options: Any,  # noqa: ANN401  the client's
) -> tuple[Any, Any]:
    if kind == "sgx":
        return client.attest_sgx_enclave(service.quote, **options)  # type: ignore[no-any-return]
    return client.attest_open_enclave(service.report, **options)  # type: ignore[no-any-return]
