"""Every method of the administration clients, both kinds, against a service in memory."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

import pytest
from cryptography import x509

from assay.client import (
    AttestationSigningKey,
    AttestationToken,
    AttestationType,
    CertificateModification,
    ClientOptions,
    HttpResponse,
    PolicyModification,
    RetryPolicy,
    ServiceError,
    TokenValidationError,
    TransportError,
    aio,
)
from assay.client.testing import AsyncFakeTransport, FakeService, make_signing_key, refusal
from assay.token import policy_payload, sign_token
from tests.clients import Clients

_SGX: Final = AttestationType.SGX_ENCLAVE
_POLICY: Final = "version= 1.0;authorizationrules{=> permit();};"
_OTHER: Final = "version= 1.0;authorizationrules{=> deny();};"
_QUICK: Final = ClientOptions(retry=RetryPolicy(first_wait_seconds=0))


@pytest.fixture
def key() -> AttestationSigningKey:
    return make_signing_key("owner")


@pytest.fixture
def isolated(key: AttestationSigningKey) -> FakeService:
    return FakeService(algorithm="ES256", signers=[key.certificate])


def _client(clients: Clients, service: FakeService) -> Any:  # noqa: ANN401  of either kind
    return clients.administration(service.url, transport=clients.transport(service), options=_QUICK)


def _listed(client: Any) -> list[x509.Certificate]:  # noqa: ANN401
    return [one.certificates[0] for one in client.get_policy_management_certificates().value]


def test_policies_are_set_read_and_reset(clients: Clients, service: FakeService) -> None:
    client = _client(clients, service)

    updated = client.set_policy(_SGX, _OTHER).value
    read, token = client.get_policy(_SGX)
    removed = client.reset_policy(_SGX).value

    assert updated.resolution is PolicyModification.UPDATED
    assert updated.signer is None
    assert updated.token_hash is not None
    assert read == _OTHER
    assert token.issuer == service.url
    assert removed.resolution is PolicyModification.REMOVED
    assert removed.token_hash is None
    assert client.get_policy(_SGX).value == _POLICY


def test_a_policy_is_sent_as_plain_text(clients: Clients, service: FakeService) -> None:
    _client(clients, service).set_policy(AttestationType.AI_HSM, _POLICY)

    request = service.requests[0]
    assert (request.method, request.url) == (
        "PUT",
        f"{service.url}/policies/AiHsm?api-version=2022-08-01",
    )
    assert request.headers["content-type"] == "text/plain"
    assert AttestationToken.decode(request.body.decode()).payload == policy_payload(_POLICY)


def test_a_reset_without_key_is_the_empty_token(clients: Clients, service: FakeService) -> None:
    _client(clients, service).reset_policy(_SGX)

    assert service.requests[0].body == b"eyJhbGciOiJub25lIn0.."


def test_a_policy_that_is_not_set_is_nothing(clients: Clients, service: FakeService) -> None:
    assert _client(clients, service).get_policy(AttestationType.TPM).value is None


def test_an_isolated_instance_wants_signatures(
    clients: Clients, isolated: FakeService, key: AttestationSigningKey
) -> None:
    client = _client(clients, isolated)

    with pytest.raises(ServiceError, match="not signed"):
        client.set_policy(_SGX, _POLICY)
    updated = client.set_policy(_SGX, _POLICY, signing_key=key).value
    client.reset_policy(_SGX, signing_key=key)

    assert updated.signer is not None
    assert updated.signer.certificates == (key.certificate,)


def test_what_was_signed_elsewhere_is_sent_as_it_is(
    clients: Clients, isolated: FakeService, key: AttestationSigningKey
) -> None:
    client = _client(clients, isolated)
    policy = AttestationToken.for_policy(_POLICY, signing_key=key)
    empty = AttestationToken.create(signing_key=key)

    client.set_policy(_SGX, policy)
    client.reset_policy(_SGX, token=empty)

    changes = [one for one in isolated.requests if one.method in {"PUT", "POST"}]
    assert [one.body.decode() for one in changes] == [policy.serialize(), empty.serialize()]


def test_signers_are_listed_added_and_removed(
    clients: Clients, isolated: FakeService, key: AttestationSigningKey
) -> None:
    client = _client(clients, isolated)
    new = make_signing_key("successor").certificate

    added = client.add_policy_management_certificate(new, signing_key=key).value
    both = _listed(client)
    removed = client.remove_policy_management_certificate(new, signing_key=key).value

    assert added.resolution is CertificateModification.IS_PRESENT
    assert both == [key.certificate, new]
    assert removed.resolution is CertificateModification.IS_ABSENT
    assert removed.thumbprint == added.thumbprint
    assert _listed(client) == [key.certificate]
    adding = next(one for one in isolated.requests if one.url.count(":add?"))
    assert adding.headers["content-type"] == "application/json"
    assert json.loads(adding.body).count(".") == 2


def test_an_instance_that_is_not_isolated_has_no_signers(
    clients: Clients, service: FakeService, key: AttestationSigningKey
) -> None:
    client = _client(clients, service)

    assert _listed(client) == []
    with pytest.raises(ServiceError, match="not an isolated one"):
        client.add_policy_management_certificate(key.certificate, signing_key=key)


def test_a_service_that_has_set_another_policy_is_found_out(
    clients: Clients, service: FakeService
) -> None:
    client = _client(clients, service)
    client.set_policy(_SGX, _OTHER)
    [other] = [one for one in service.requests if one.method == "PUT"]
    answer = service.answer(other)
    service.answer_next(answer)

    with pytest.raises(TokenValidationError) as caught:
        client.set_policy(_SGX, _POLICY)

    assert [one.check for one in caught.value.findings] == ["token.claims.policy_token_hash"]


@pytest.mark.parametrize(
    ("method", "claims"),
    [
        ("set_policy", {"x-ms-policy-result": "Changed"}),
        ("set_policy", {}),
        ("set_policy", {"x-ms-policy-result": "Updated", "x-ms-policy-token-hash": "?"}),
        ("get_policy", {"x-ms-policy": "no token"}),
        ("get_policy", {"x-ms-policy": 1}),
        ("get_policy", {"x-ms-policy": "eyJhbGciOiJub25lIn0.e30."}),
        # {"AttestationPolicy":"_w"}: not UTF-8.
        ("get_policy", {"x-ms-policy": "eyJhbGciOiJub25lIn0.eyJBdHRlc3RhdGlvblBvbGljeSI6Il93In0."}),
    ],
)
def test_tokens_that_do_not_say_what_they_should_are_told(
    clients: Clients, service: FakeService, method: str, claims: dict[str, Any]
) -> None:
    arguments = (_SGX, _POLICY) if method == "set_policy" else (_SGX,)
    now = 1_800_000_000
    complete = {"iss": service.url, "nbf": 0, "exp": 2 * now, **claims}
    token = sign_token(complete, service._key, issuer=service.url)  # noqa: SLF001
    service.answer_next(HttpResponse(status=200, body=json.dumps({"token": token}).encode()))

    with pytest.raises(ServiceError, match="expected an answer with"):
        getattr(_client(clients, service), method)(*arguments)


def test_a_change_whose_answer_was_lost_is_not_repeated(
    clients: Clients, service: FakeService
) -> None:
    service.answer_next(TransportError("cut", retryable=True, sent=True))

    with pytest.raises(TransportError):
        _client(clients, service).set_policy(_SGX, _POLICY)

    assert len(service.requests) == 1


@pytest.mark.parametrize(
    "failure", [refusal(429), TransportError("no way", retryable=True, sent=False)]
)
def test_a_change_that_was_surely_not_made_is_repeated(
    clients: Clients,
    service: FakeService,
    failure: Any,  # noqa: ANN401
) -> None:
    service.answer_next(failure)

    assert _client(clients, service).reset_policy(_SGX).value.token_hash is None


def test_an_asynchronous_client_is_a_context_manager(service: FakeService) -> None:
    async def run() -> str | None:
        client = aio.AttestationAdministrationClient(
            service.url, transport=AsyncFakeTransport(service)
        )
        async with client:
            return (await client.get_policy(_SGX)).value

    assert asyncio.run(run()) == _POLICY


def test_clients_close_what_they_hold(clients: Clients, service: FakeService) -> None:
    client = _client(clients, service)

    client.close()

    assert client.endpoint == service.url
