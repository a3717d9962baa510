"""The client library against the recorded exchanges of the original's own client.

A stub answers with what the real service answered, and the client must have sent what the
original's client sent. JSON is compared as JSON: the original's has spaces. Owners' tokens are sent
as they were recorded, since their signing keys were not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest

from assay.client import (
    AttestationClient,
    AttestationData,
    AttestationDataType,
    AttestationResult,
    AttestationSigner,
    AttestationToken,
    AttestationType,
    CertificateModification,
    ClientOptions,
    HttpRequest,
    HttpResponse,
    PolicyModification,
    PolicyResult,
    ServiceError,
    SnpClaims,
    TokenValidationOptions,
)
from assay.client.answers import check_answer
from assay.client.attestation_result import read_attestation
from assay.encoding import decode_base64url
from tests.clients import KINDS, Clients, clients_of
from tests.corpus.recordings import read_recording
from tests.vectors import vector_params

_KEY_SET: Final = re.compile(r"jwks/[0-9a-f]+\.json")
_OPTIONS: Final = ClientOptions(api_version="2020-10-01")
_VALUES: Final = {"JSON": AttestationDataType.JSON, "Binary": AttestationDataType.BINARY}


@dataclass
class _Service:
    """Answers one recorded interaction, and hands out the keys of its time."""

    interaction: dict[str, Any]
    vectors: Path
    requests: list[HttpRequest] = field(default_factory=list)

    @property
    def token(self) -> dict[str, Any]:
        found: dict[str, Any] = self.interaction.get("response_token", {})
        return found

    @property
    def validation(self) -> TokenValidationOptions:
        return TokenValidationOptions(
            issuer=self.token["claims"]["iss"],
            at=datetime.fromtimestamp(self.token["claims"]["iat"], UTC),
        )

    def send(self, request: HttpRequest) -> HttpResponse:
        if urlsplit(request.url).path == "/certs":
            recorded = json.loads((self.vectors / "maa" / self.token["verify_with"]).read_bytes())
            return HttpResponse(status=200, body=json.dumps(recorded["jwks"]).encode())
        self.requests.append(request)
        body = {"token": self.token["raw"]} if self.token else self.interaction["response_body"]
        return HttpResponse(status=self.interaction["status"], body=json.dumps(body).encode())

    def close(self) -> None:
        """Nothing is open."""

    def check_request(self) -> HttpRequest:
        """The one request has the recorded method, address and content type."""
        [sent] = self.requests
        recorded = urlsplit(self.interaction["uri"])
        assert sent.method == self.interaction["method"]
        assert urlsplit(sent.url).path == recorded.path
        assert urlsplit(sent.url).query == recorded.query
        headers = self.interaction["request_headers"]
        assert sent.headers["accept"] == headers["Accept"]
        assert sent.headers.get("content-type") == headers.get("Content-Type")
        return sent


class _AsyncService:
    def __init__(self, service: _Service) -> None:
        self._service = service

    async def send(self, request: HttpRequest) -> HttpResponse:
        return self._service.send(request)

    async def close(self) -> None:
        """Nothing is open."""


def _interactions(path: Path, *, but: tuple[str, ...] = ("/certs",)) -> list[dict[str, Any]]:
    interactions: list[dict[str, Any]] = json.loads(path.read_bytes())["interactions"]
    return [one for one in interactions if not urlsplit(one["uri"]).path.endswith(but)]


@pytest.fixture(params=KINDS)
def clients(request: pytest.FixtureRequest) -> Any:  # noqa: ANN401  a generator
    with clients_of(request.param) as made:
        yield made


def _made(make: Callable[..., Any], service: _Service, kind: str) -> Any:  # noqa: ANN401
    origin = urlsplit(service.interaction["uri"])
    return make(
        f"{origin.scheme}://{origin.netloc}",
        options=_OPTIONS,
        transport=service if kind == "sync" else _AsyncService(service),
    )


@pytest.mark.parametrize("path", vector_params("maa/python/*attest_*_enclave.json"))
def test_recorded_attestations(path: Path, vectors: Path, clients: Clients) -> None:
    attestations = list(read_recording(path))
    assert len(attestations) == 9
    for recorded in attestations:
        service = _Service(recorded.interaction, vectors)
        client = _made(clients.attestation, service, clients.kind)
        attest = {"quote": client.attest_sgx_enclave, "report": client.attest_open_enclave}
        [member] = recorded.body.keys() & attest.keys()
        held = recorded.body["runtimeData"]

        response = attest[member](
            recorded.evidence,
            runtime_data=AttestationData(
                decode_base64url(held["data"], "data"), _VALUES[held["dataType"]]
            ),
            draft_policy=recorded.draft_policy,
            validation=service.validation,
        )

        assert json.loads(service.check_request().body) == recorded.body
        assert response.token.serialize() == recorded.token["raw"]
        _compare_result(response.value, recorded.claims)
        assert (response.value.enclave_held_data is None) == (held["dataType"] == "JSON")


def _compare_result(result: AttestationResult, claims: dict[str, Any]) -> None:
    assert dict(result.claims) == claims
    assert result.issuer == claims["iss"]
    assert result.unique_identifier == claims["jti"]
    assert result.expires_at == datetime.fromtimestamp(claims["exp"], UTC)
    assert result.issued_at == result.not_before == datetime.fromtimestamp(claims["iat"], UTC)
    assert (result.version, result.attestation_type) == ("1.0", "sgx")
    assert result.policy_hash == decode_base64url(claims["x-ms-policy-hash"], "hash")
    assert result.runtime_claims == claims.get("x-ms-runtime")
    assert result.is_debuggable is claims["x-ms-sgx-is-debuggable"]
    assert result.mr_enclave == claims["x-ms-sgx-mrenclave"]
    assert result.mr_signer == claims["x-ms-sgx-mrsigner"]
    assert (result.product_id, result.svn) == (
        claims["x-ms-sgx-product-id"],
        claims["x-ms-sgx-svn"],
    )
    assert result.sgx is not None
    assert result.sgx.report_data == claims["x-ms-sgx-report-data"]
    assert result.sgx_collateral is not None
    assert result.sgx_collateral.quote_hash == claims["x-ms-sgx-collateral"]["quotehash"]
    assert (result.policy_signer is None) == ("x-ms-policy-signer" not in claims)
    if result.policy_signer is not None:
        assert len(result.policy_signer.certificates) == 1


@pytest.mark.parametrize("path", vector_params("maa/python/*policy_getset*.json"))
def test_recorded_administration(path: Path, vectors: Path, clients: Clients) -> None:
    interactions = _interactions(path)
    assert interactions
    for interaction in interactions:
        service = _Service(interaction, vectors)
        client = _made(clients.administration, service, clients.kind)
        last = urlsplit(interaction["uri"]).path.rpartition("/")[2]

        _administer(client, service, last)

        sent = service.check_request()
        if "request_jws" in interaction:
            raw = interaction["request_jws"]["raw"]
            quoted = interaction["request_body_is_json_string"]
            assert sent.body.decode() == (json.dumps(raw) if quoted else raw)


def _administer(client: Any, service: _Service, last: str) -> None:  # noqa: ANN401  of either kind
    claims = service.token["claims"]
    recorded = service.interaction.get("request_jws")
    token = None if recorded is None else AttestationToken.decode(recorded["raw"])
    validation = service.validation
    match (service.interaction["method"], last):
        case ("GET", "certificates"):
            signers = client.get_policy_management_certificates(validation=validation).value
            keys = claims["x-ms-policy-certificates"]["keys"]
            assert [dict(one.jwk) for one in signers] == keys
            assert all(len(one.certificates) == 1 for one in signers)
        case (_, "certificates:add" | "certificates:remove"):
            change = {
                "certificates:add": client.add_policy_management_certificate,
                "certificates:remove": client.remove_policy_management_certificate,
            }[last]
            result = change(token, validation=validation).value
            assert result.thumbprint == claims["x-ms-certificate-thumbprint"]
            assert result.resolution is CertificateModification(
                claims["x-ms-policycertificates-result"]
            )
        case ("GET", kind):
            policy = client.get_policy(AttestationType(kind), validation=validation).value
            stored = AttestationToken.decode(claims["x-ms-policy"])
            assert (policy is None) == (not stored.payload)
            assert policy is None or policy.startswith("version")
        case ("PUT", kind):
            changed = client.set_policy(AttestationType(kind), token, validation=validation)
            _compare_change(changed.value, claims)
        case (_, reset):
            kind = reset.removesuffix(":reset")
            changed = client.reset_policy(AttestationType(kind), token=token, validation=validation)
            _compare_change(changed.value, claims)


def _compare_change(result: PolicyResult, claims: dict[str, Any]) -> None:
    assert result.resolution is PolicyModification(claims["x-ms-policy-result"])
    hashed = claims.get("x-ms-policy-token-hash")
    assert result.token_hash == (None if hashed is None else decode_base64url(hashed, "hash"))
    signer = claims.get("x-ms-policy-signer")
    assert (None if result.signer is None else result.signer.jwk) == signer


@pytest.mark.parametrize("path", vector_params("maa/python/*policy_getset*.json"))
def test_what_we_would_write_means_what_was_recorded(path: Path) -> None:
    for interaction in _interactions(path):
        if (recorded := interaction.get("request_jws")) is None:
            continue
        theirs = AttestationToken.decode(recorded["raw"])
        if not theirs.payload:
            ours = AttestationToken.create()
        elif "policy_text" in recorded:
            ours = AttestationToken.for_policy(recorded["policy_text"])
        else:
            [certificate] = _certificates(theirs)
            ours = AttestationToken.for_certificate(certificate)

        assert ours.claims == theirs.claims
        if not theirs.secured:
            assert ours.header == theirs.header


def _certificates(token: AttestationToken) -> tuple[Any, ...]:
    jwk: Any = token.claims["policyCertificate"]
    return AttestationSigner.from_jwk(jwk).certificates


@pytest.mark.parametrize("path", vector_params("maa/python/*tpm_attestation.json"))
def test_the_recorded_tpm_exchange(path: Path, vectors: Path, clients: Clients) -> None:
    set_policy, attest = _interactions(path)
    policy_service, service = _Service(set_policy, vectors), _Service(attest, vectors)
    administration = _made(clients.administration, policy_service, clients.kind)
    client = _made(clients.attestation, service, clients.kind)

    _administer(administration, policy_service, "Tpm")
    answer = client.attest_tpm(attest["request_decoded"]["data"])

    assert json.loads(service.check_request().body) == attest["request_body"]
    assert json.loads(answer) == attest["response_decoded"]


@pytest.mark.parametrize("path", vector_params("maa/python/*getsigningcertificates.json"))
def test_recorded_key_sets_are_signers_with_certificates(path: Path, vectors: Path) -> None:
    [interaction] = _interactions(path, but=("nothing",))
    recorded = interaction["response_body"]
    name = _KEY_SET.search(recorded["body_file"])
    assert name is not None
    token = {"verify_with": name.group()}
    service = _Service({**interaction, "response_token": token}, vectors)

    signers = AttestationClient(recorded["instance"], transport=service).get_signing_certificates()

    assert [len(one.certificates) for one in signers].count(3) == 4
    assert len(signers) == 6
    assert all(one.key_id for one in signers)


@pytest.mark.parametrize("path", vector_params("maa/other/openid_configuration_recorded.json"))
def test_recorded_metadata(path: Path) -> None:
    body = json.loads(path.read_bytes())["body"]

    class Service:
        def send(self, _request: HttpRequest) -> HttpResponse:
            return HttpResponse(status=200, body=json.dumps(body).encode())

        def close(self) -> None:
            """Nothing is open."""

    metadata = AttestationClient("https://x.test", transport=Service()).get_openid_metadata()

    assert metadata.issuer == body["issuer"]
    assert metadata.jwks_uri == body["jwks_uri"]
    assert list(metadata.claims_supported) == body["claims_supported"]
    assert metadata.members == body


@pytest.mark.parametrize("path", vector_params("maa/other/errors_recorded.json"))
def test_recorded_errors(path: Path) -> None:
    recorded = [one for one in json.loads(path.read_bytes()) if "body" in one]
    assert recorded
    for one in recorded:
        status = int(str(one["status"]).split()[0])
        response = HttpResponse(status=status, body=json.dumps(one["body"]).encode())

        with pytest.raises(ServiceError) as caught:
            check_answer(response)

        assert caught.value.code == one["body"]["error"]["code"]
        assert one["body"]["error"]["message"] in caught.value.message
        assert not caught.value.retryable


@pytest.mark.parametrize("path", vector_params("maa/other/sevsnp_azure_samples*.json"))
def test_a_real_snp_token_is_typed(path: Path) -> None:
    token = AttestationToken.decode(json.loads(path.read_bytes())["response_token"]["raw"])

    result = read_attestation(token)

    assert result.sev_snp is not None
    assert result.sev_snp.microcode_svn == 115
    assert result.sev_snp.launch_measurement == token.claims["x-ms-sevsnpvm-launchmeasurement"]


@pytest.mark.parametrize(
    "path",
    [
        *vector_params("maa/other/azurevm_sample_claims.json"),
        *vector_params("maa/other/tdx_docs_sample_claims.json"),
    ],
)
def test_documented_claims_are_typed(path: Path) -> None:
    claims = json.loads(path.read_bytes())["claims"]

    result = read_attestation(AttestationToken.create(claims))

    if result.tdx is not None:
        assert (result.tdx.mr_td, result.tdx.seam_svn) == (claims["tdx_mrtd"], 3)
    else:
        assert result.azure_vm is not None
        assert result.azure_vm.vm_id == claims["x-ms-azurevm-vmid"]
        assert isinstance(result.azure_vm.isolation, SnpClaims)
        assert result.azure_vm.isolation.compliance_status == "azure-compliant-cvm"
