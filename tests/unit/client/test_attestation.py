"""Every method of the attestation clients, both kinds, against a service in memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import pytest

from assay.client import (
    AttestationClient,
    AttestationData,
    AttestationResult,
    AttestationSigner,
    AttestationToken,
    AuthenticationError,
    HttpResponse,
    RequestError,
    RetryPolicy,
    ServiceError,
    SnpEvidence,
    TokenValidationError,
    TokenValidationOptions,
    TransportError,
)
from assay.client.options import ClientOptions
from assay.client.testing import FakeService, refusal
from assay.encoding import decode_base64url, encode_base64url
from tests.clients import Clients

_QUICK: Final = ClientOptions(retry=RetryPolicy(first_wait_seconds=0))
_TCB: Final = "x-ms-sgx-is-debuggable"


def _client(clients: Clients, service: FakeService, **named: Any) -> Any:  # noqa: ANN401
    options = named.pop("options", _QUICK)
    transport = clients.transport(service)
    return clients.attestation(service.url, transport=transport, options=options, **named)


def _body(service: FakeService) -> dict[str, Any]:
    [request] = [one for one in service.requests if one.method == "POST"]
    found: dict[str, Any] = json.loads(request.body)
    return found


@pytest.mark.parametrize(
    ("method", "path", "member"),
    [
        ("attest_sgx_enclave", "SgxEnclave?api-version=2022-08-01", "quote"),
        ("attest_open_enclave", "OpenEnclave?api-version=2022-08-01", "report"),
        ("attest_sev_snp", "SevSnpVm?api-version=2022-08-01", "report"),
        ("attest_tdx", "TdxVm?api-version=2025-06-01", "quote"),
    ],
)
def test_evidence_is_sent_as_the_protocol_has_it(
    clients: Clients, service: FakeService, method: str, path: str, member: str
) -> None:
    client = _client(clients, service)

    result, token = getattr(client, method)(
        b"\xff\xfe\xfd",
        runtime_data=AttestationData.json('{"key": 1}'),
        init_time_data=AttestationData.json(b'{"b":2}'),
        nonce="n-1",
    )

    assert service.requests[0].url == f"{service.url}/attest/{path}"
    assert service.requests[0].headers["content-type"] == "application/json"
    assert _body(service) == {
        member: "__79",
        "runtimeData": {"data": encode_base64url(b'{"key": 1}'), "dataType": "JSON"},
        "initTimeData": {"data": "eyJiIjoyfQ", "dataType": "JSON"},
        "nonce": "n-1",
    }
    assert isinstance(result, AttestationResult)
    assert (result.issuer, result.nonce) == (service.url, "n-1")
    assert result.runtime_claims == {"key": 1}
    assert result.init_time_claims == {"b": 2}
    assert result.enclave_held_data is None
    assert token.claims["iss"] == service.url


def test_bytes_are_binary_data(clients: Clients, service: FakeService) -> None:
    result = _client(clients, service).attest_sgx_enclave(b"q", runtime_data=b"held").value

    assert _body(service)["runtimeData"] == {"data": "aGVsZA", "dataType": "Binary"}
    assert result.enclave_held_data == b"held"
    assert result.runtime_claims is None


@pytest.mark.parametrize("name", ["nonce", "draft_policy"])
def test_texts_that_are_not_unicode_are_not_sent(
    clients: Clients, service: FakeService, name: str
) -> None:
    client = _client(clients, service)

    with pytest.raises(RequestError, match=f"{name.replace('_', ' ')}: .* at character 1"):
        client.attest_sgx_enclave(b"q", **{name: "a\udcff"})

    assert service.requests == []


def test_members_that_are_not_given_are_not_sent(clients: Clients, service: FakeService) -> None:
    _client(clients, service).attest_open_enclave(b"r")

    assert _body(service) == {"report": "cg"}


@pytest.mark.parametrize("method", ["attest_sgx_enclave", "attest_open_enclave", "attest_sev_snp"])
def test_a_draft_policy_gives_a_token_without_signature(
    clients: Clients, service: FakeService, method: str
) -> None:
    response = getattr(_client(clients, service), method)(b"e", draft_policy="version= 1.0;...")

    assert _body(service)["draftPolicyForAttestation"] == "version= 1.0;..."
    assert not response.token.secured
    assert response.token.algorithm == "none"


def test_a_token_without_signature_is_refused_where_none_was_asked_for(
    clients: Clients, service: FakeService
) -> None:
    _client(clients, service).attest_sgx_enclave(b"q", draft_policy="d")
    unsecured = _client(clients, service).attest_sgx_enclave(b"q", draft_policy="d").token
    service.answer_next(_token_answer(unsecured.serialize()))

    with pytest.raises(TokenValidationError) as caught:
        _client(clients, service).attest_sgx_enclave(b"q")

    assert [one.check for one in caught.value.findings] == ["token.jws.unsecured"]


def test_snp_evidence_is_a_document(clients: Clients, service: FakeService) -> None:
    evidence = SnpEvidence(report=b"r", certificate_chain=b"c", endorsements=b"e")

    result = _client(clients, service).attest_sev_snp(evidence).value

    document = json.loads(decode_base64url(_body(service)["report"], "report"))
    assert document == {"SnpReport": "cg", "VcekCertChain": "Yw", "Endorsements": "ZQ"}
    assert result.sev_snp is not None
    assert result.is_debuggable is False


def test_snp_evidence_need_not_have_endorsements() -> None:
    evidence = SnpEvidence(report=b"r", certificate_chain=b"c")

    assert json.loads(evidence.to_json()) == {"SnpReport": "cg", "VcekCertChain": "Yw"}


def test_tpm_messages_are_opaque(clients: Clients, service: FakeService) -> None:
    service.answer_next(_json_answer({"data": "eyJwYXlsb2FkIjp7fX0"}))

    answer = _client(clients, service).attest_tpm('{"payload": {"type": "aikcert"}}')

    assert answer == b'{"payload":{}}'
    assert service.requests[0].url.endswith("/attest/Tpm?api-version=2022-08-01")
    assert _body(service) == {"data": "eyJwYXlsb2FkIjogeyJ0eXBlIjogImFpa2NlcnQifX0"}


def test_a_tpm_without_policy_is_the_services_own_error(
    clients: Clients, service: FakeService
) -> None:
    with pytest.raises(ServiceError) as caught:
        _client(clients, service).attest_tpm(b"{}")

    assert (caught.value.status, caught.value.code) == (400, "Bad request")
    assert not caught.value.retryable


@pytest.mark.parametrize("answer", [{}, {"data": 1}, {"data": "?"}])
def test_a_tpm_answer_without_data_is_told(
    clients: Clients, service: FakeService, answer: dict[str, object]
) -> None:
    service.answer_next(_json_answer(answer))

    with pytest.raises(ServiceError, match="'data'"):
        _client(clients, service).attest_tpm(b"{}")


def test_an_azure_guest_opens_its_token(clients: Clients, service: FakeService) -> None:
    client = _client(clients, service)

    sealed = client.attest_azure_guest(b'{"AttestationProtocolVersion":"2.0"}', draft_policy=None)

    token = sealed.open(service.inner_key)
    options = TokenValidationOptions(issuer=service.url)
    assert token.validate(options, client.get_signing_certificates()) is not None
    assert token.claims["x-ms-attestation-type"] == "azurevm"
    assert service.requests[0].url.endswith("/attest/AzureGuest?api-version=2025-06-01")
    assert list(_body(service)) == ["attestationInfo"]


@pytest.mark.parametrize("method", ["attest_tpm", "attest_azure_guest"])
@pytest.mark.parametrize(
    ("message", "reason"), [("[]", "JSON"), ('{"a": "\ud800"}', "expected Unicode text")]
)
def test_messages_must_be_json_objects(
    clients: Clients, service: FakeService, method: str, message: str, reason: str
) -> None:
    with pytest.raises(RequestError, match=reason):
        getattr(_client(clients, service), method)(message)

    assert service.requests == []


def test_the_api_version_can_be_chosen(clients: Clients, service: FakeService) -> None:
    _client(clients, service, options=ClientOptions(api_version="2020-10-01")).attest_tdx(b"q")

    assert service.requests[0].url.endswith("/attest/TdxVm?api-version=2020-10-01")


def test_signers_have_certificates_and_are_fetched_once(
    clients: Clients, service: FakeService
) -> None:
    client = _client(clients, service)

    client.attest_sgx_enclave(b"q")
    client.attest_sgx_enclave(b"q")
    [signer] = client.get_signing_certificates()

    assert len(signer.certificates) == 1
    assert [one.url for one in service.requests].count(f"{service.url}/certs") == 1


def test_metadata_are_typed(clients: Clients, service: FakeService) -> None:
    metadata = _client(clients, service).get_openid_metadata()

    assert metadata.issuer == service.url
    assert metadata.jwks_uri == f"{service.url}/certs"
    assert metadata.response_types_supported == ("token", "none")
    assert metadata.signing_algorithms == ("ES256",)
    assert metadata.revocation_endpoint == f"{service.url}/revoke"
    assert "x-ms-ver" in metadata.claims_supported


def test_metadata_without_issuer_are_told(clients: Clients, service: FakeService) -> None:
    service.answer_next(_json_answer({"issuer": 1, "jwks_uri": "x"}))

    with pytest.raises(ServiceError, match="no issuer"):
        _client(clients, service).get_openid_metadata()


def test_a_key_that_the_service_took_up_later_is_fetched(
    clients: Clients, service: FakeService
) -> None:
    client = _client(clients, service)
    client.attest_sgx_enclave(b"q")
    rotated = FakeService(service.url, algorithm="ES384")
    service._key = rotated._key  # noqa: SLF001  keys rotate while the client lives

    result = client.attest_sgx_enclave(b"q")

    assert result.token.algorithm == "ES384"
    assert [one.url for one in service.requests].count(f"{service.url}/certs") == 2


def test_a_key_that_is_nobodys_is_refused_after_looking_again(
    clients: Clients, service: FakeService
) -> None:
    foreign = FakeService(service.url, algorithm="ES384")
    token = AttestationClient(foreign.url, transport=_Through(foreign.answer)).attest_tdx(b"q")
    client = _client(clients, service)
    service.answer_next(_token_answer(token.token.serialize()))

    with pytest.raises(TokenValidationError) as caught:
        client.attest_tdx(b"q")

    assert [one.check for one in caught.value.findings] == ["token.jws.key_unknown"]
    assert [one.url for one in service.requests].count(f"{service.url}/certs") == 2


def test_a_token_of_another_issuer_is_refused(clients: Clients, service: FakeService) -> None:
    service.claims["nonce"] = "x"
    client = _client(clients, service)
    other = TokenValidationOptions(issuer="https://other.test")

    with pytest.raises(TokenValidationError) as caught:
        client.attest_sgx_enclave(b"q", validation=other)

    assert [one.check for one in caught.value.findings] == ["token.claims.issuer"]


def test_the_callback_sees_token_and_signer_and_can_refuse(
    clients: Clients, service: FakeService
) -> None:
    seen: list[tuple[AttestationToken, AttestationSigner | None]] = []

    def refuse(token: AttestationToken, signer: AttestationSigner | None) -> bool:
        seen.append((token, signer))
        return False

    options = TokenValidationOptions(callback=refuse)

    with pytest.raises(TokenValidationError) as caught:
        _client(clients, service, validation=options).attest_sgx_enclave(b"q")

    assert [one.check for one in caught.value.findings] == ["token.claims.callback"]
    [(token, signer)] = seen
    assert signer is not None
    assert token.key_id == signer.key_id


def test_validation_can_be_turned_off_and_then_fetches_no_keys(
    clients: Clients, service: FakeService
) -> None:
    off = TokenValidationOptions(validate=False)

    _client(clients, service, validation=off).attest_sgx_enclave(b"q")

    assert len(service.requests) == 1


@pytest.mark.parametrize(
    ("status", "expected"), [(400, ServiceError), (401, AuthenticationError), (403, ServiceError)]
)
def test_a_refusal_has_all_that_the_service_says(
    clients: Clients, service: FakeService, status: int, expected: type[ServiceError]
) -> None:
    body = {
        "error": {
            "code": "InvalidParameter",
            "message": "bad",
            "innererror": {"code": "InvalidQuote"},
            "details": [{"code": "a.b.c", "message": "why"}, "noise"],
        }
    }
    service.answer_next(_json_answer(body, status=status))

    with pytest.raises(expected) as caught:
        _client(clients, service).attest_sgx_enclave(b"q")

    error = caught.value
    assert (error.status, error.code, error.inner_code) == (
        status,
        "InvalidParameter",
        "InvalidQuote",
    )
    assert [(one.code, one.message) for one in error.details] == [("a.b.c", "why")]
    assert error.request_id == service.requests[0].headers["x-ms-client-request-id"]
    assert not error.retryable
    assert len(service.requests) == 1


def test_the_services_own_request_id_outranks_ours(clients: Clients, service: FakeService) -> None:
    service.answer_next(refusal(400, "X", "y"))

    with pytest.raises(ServiceError) as caught:
        _client(clients, service).attest_sgx_enclave(b"q")

    assert caught.value.request_id.startswith("00-")


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(clients: Clients, service: FakeService, status: int) -> None:
    service.answer_next(refusal(status, retry_after_seconds=0), times=3)

    _client(clients, service).attest_sgx_enclave(b"q")

    posts = [one for one in service.requests if one.method == "POST"]
    assert len(posts) == 4
    assert len({one.headers["x-ms-client-request-id"] for one in posts}) == 1
    assert len({one.headers["traceparent"] for one in posts}) == 1


def test_the_last_attempt_gives_the_error(clients: Clients, service: FakeService) -> None:
    service.answer_next(refusal(503, "Busy", "later", retry_after_seconds=0), times=4)

    with pytest.raises(ServiceError) as caught:
        _client(clients, service).attest_sgx_enclave(b"q")

    assert (caught.value.status, caught.value.retryable) == (503, True)
    assert caught.value.retry_after_seconds == 0
    assert len(service.requests) == 4


def test_a_wait_that_is_too_long_is_left_to_the_caller(
    clients: Clients, service: FakeService
) -> None:
    service.answer_next(refusal(429, retry_after_seconds=3600))

    with pytest.raises(ServiceError) as caught:
        _client(clients, service).attest_sgx_enclave(b"q")

    assert caught.value.retry_after_seconds == 3600
    assert len(service.requests) == 1


def test_no_connection_is_tried_again(clients: Clients, service: FakeService) -> None:
    service.answer_next(TransportError("no", retryable=True, sent=False))

    assert _client(clients, service).attest_sgx_enclave(b"q").value.sgx is not None


def test_a_redirection_is_refused(clients: Clients, service: FakeService) -> None:
    service.answer_next(_json_answer({}, status=307))

    with pytest.raises(ServiceError, match="not followed") as caught:
        _client(clients, service).attest_sgx_enclave(b"q")

    assert caught.value.status == 307


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        (b"<html>", 200, "no JSON object"),
        (b"{}", 200, "without a token"),
        (b'{"token":"x"}', 200, "without a token"),
        (b"<html>", 404, "is no JSON object"),
        (b'{"error":"x"}', 400, "it gives no reason"),
        (b'{"keys":1}', 200, "without a token"),
    ],
)
def test_what_is_no_answer_is_told(
    clients: Clients, service: FakeService, body: bytes, status: int, told: str
) -> None:
    service.answer_next(_answer(body, status))

    with pytest.raises(ServiceError, match=told) as caught:
        _client(clients, service).attest_sgx_enclave(b"q")

    assert caught.value.status == status


@pytest.mark.parametrize("document", [{}, {"keys": 1}])
def test_what_is_no_key_set_is_told(
    clients: Clients, service: FakeService, document: dict[str, object]
) -> None:
    service.answer_next(_json_answer(document))

    with pytest.raises(ServiceError, match="a key set"):
        _client(clients, service).get_signing_certificates()


@pytest.mark.parametrize(
    "claims",
    [
        {_TCB: "false"},
        {_TCB: None},
        {"x-ms-policy-hash": "?"},
        {"x-ms-runtime": 1},
        {"x-ms-policy": "text"},
    ],
)
def test_a_claim_of_another_type_is_no_result(
    clients: Clients, service: FakeService, claims: dict[str, Any]
) -> None:
    service.claims.update(claims)

    with pytest.raises(ServiceError, match="not an attestation token"):
        _client(clients, service).attest_sgx_enclave(b"q")


def test_clients_close_what_they_hold(clients: Clients, service: FakeService) -> None:
    client = _client(clients, service)

    client.close()

    assert client.endpoint == service.url


class _Through:
    def __init__(self, send: Callable[[Any], Any]) -> None:
        self.send = send

    def close(self) -> None:
        """Nothing is open."""


def _answer(body: bytes, status: int = 200) -> HttpResponse:
    return HttpResponse(status=status, body=body)


def _json_answer(document: object, *, status: int = 200) -> HttpResponse:
    return _answer(json.dumps(document).encode(), status)


def _token_answer(token: str) -> HttpResponse:
    return _json_answer({"token": token})
