"""What `az attestation` sends, to the letter, and what it reads in the answers.

Its commands ask the management plane where an instance is, and then the instance: each test makes
the requests of one command line, in their order, as recordings of it have them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
import pytest
from cryptography import x509

from assay.encoding import encode_base64url
from assay.store import Store, TrustModel
from assay.token import read_owner_token, read_policy_text, read_unverified
from tests.administration import (
    PERMIT,
    UNSECURED_RESET,
    Hosted,
    add_instance,
    certificate_payload,
    certify,
    make_record,
    owner,
    rsa_key,
    signed,
    stored_policy,
    x5c,
)
from tests.management import GROUP, NAMESPACE, SUBSCRIPTIONS, managed

_PROVIDERS: Final = f"{SUBSCRIPTIONS}/resourceGroups/{GROUP}{NAMESPACE}/attestationProviders"
_CREATES: Final = "?api-version=2020-10-01"
_SHOWS: Final = "?api-version=2021-06-01"
_ASKS: Final = "?api-version=2022-08-01"
_AGENT: Final = "AZURECLI/2.55.0 (AAZ) azsdk-python-core/1.26.0 Python/3.9.5 (Linux)"


@dataclass(frozen=True, slots=True)
class _CommandLine:
    service: Hosted

    def send(
        self,
        command: str,
        method: str,
        url: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        sent = {
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",
            "CommandName": f"attestation {command}",
            "Connection": "keep-alive",
            "ParameterSetName": "-n -g",
            "User-Agent": _AGENT,
            "x-ms-client-request-id": "3c1d9e4e-95a5-11ee-8d12-00155d000000",
            **(headers or {}),
        }
        content = None
        if body is not None:
            # As its JSON writer does: with spaces.
            content = json.dumps(body)
            sent["Content-Type"] = "application/json"
        return self.service.call(method, url, headers=sent, content=content)

    def show(self, command: str, name: str, version: str = _SHOWS) -> dict[str, Any]:
        answer = self.send(command, "GET", f"{_PROVIDERS}/{name}{version}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def ask(
        self, command: str, name: str, method: str, path: str, body: object = None
    ) -> dict[str, Any]:
        """A request to the instance that the management plane names, and its answer's claims."""
        where = urlsplit(self.show(command, name)["properties"]["attestUri"])
        answer = self.send(command, method, path + _ASKS, body, headers={"Host": where.netloc})
        assert answer.status_code == 200, answer.text
        return dict(read_unverified(answer.json()["token"]).claims)

    def create(self, name: str, *certificates: x509.Certificate, **members: Any) -> httpx2.Response:  # noqa: ANN401
        keys = [
            {"alg": "RS256", "kty": "RSA", "use": "sig", "x5c": x5c(one)} for one in certificates
        ]
        body = {
            "location": "westus",
            "properties": {"policySigningCertificates": {"keys": keys}},
            **members,
        }
        return self.send("create", "PUT", f"{_PROVIDERS}/{name}{_CREATES}", body)

    def policy(self, command: str, name: str) -> str | None:
        claims = self.ask(command, name, "GET", "/policies/SgxEnclave")
        return read_policy_text(read_owner_token(claims["x-ms-policy"]))


@pytest.fixture
def az(upgraded_url: str) -> Iterator[_CommandLine]:
    with closing(Store.open(upgraded_url)) as store:
        add_instance(store, make_record("aad"))
        add_instance(store, make_record("sharedcus", TrustModel.SHARED, region="Central US"))
    with managed(upgraded_url) as service:
        yield _CommandLine(service)


def test_create_without_certificates(az: _CommandLine) -> None:
    made = az.create("att3000002")

    document = made.json()
    assert made.status_code == 201
    assert made.headers["content-type"] == "application/json; charset=utf-8"
    assert made.headers["location"] == f"{document['properties']['attestUri']}/"
    assert document.pop("systemData")
    assert document == {
        "id": f"{_PROVIDERS}/att3000002",
        "name": "att3000002",
        "type": "Microsoft.Attestation/attestationProviders",
        "location": "westus",
        "properties": {
            "trustModel": "AAD",
            "status": "Ready",
            "attestUri": "https://att3000002.westus.example",
        },
    }


def test_create_show_list_update_and_delete(az: _CommandLine) -> None:
    tags = {"aKey": "aValue", "anotherKey": "anotherValue"}
    made = az.create("clitestatt000002", owner(), tags=tags).json()
    path = f"{_PROVIDERS}/clitestatt000002{_CREATES}"
    everywhere = f"{SUBSCRIPTIONS}{NAMESPACE}/attestationProviders{_CREATES}"

    shown = az.show("show", "clitestatt000002", _CREATES)
    grouped = az.send("list", "GET", f"{_PROVIDERS}{_CREATES}").json()
    listed = az.send("list", "GET", everywhere).json()
    updated = az.send("update", "PATCH", path, {"tags": {"Property1": "Value1"}})
    deleted = az.send("delete", "DELETE", path, headers={"Accept": "*/*", "Content-Length": "0"})
    after = az.send("list", "GET", f"{_PROVIDERS}{_CREATES}")

    assert made["properties"]["trustModel"] == "Isolated"
    assert made["tags"] == tags
    assert shown == made
    assert grouped == {"value": [made]}
    assert made in listed["value"]
    assert updated.json()["tags"] == {"Property1": "Value1"}
    assert (deleted.status_code, deleted.headers["content-length"]) == (200, "0")
    assert after.content == b'{"value":[]}'


def test_the_first_command_lines_speak_the_preview(az: _CommandLine) -> None:
    preview = "?api-version=2018-09-01-preview"
    tags = {"aKey": "aValue"}
    body = {
        "location": "eastus2",
        "tags": tags,
        "properties": {
            "policySigningCertificates": {"keys": [{"kty": "RSA", "x5c": x5c(owner())}]}
        },
    }

    made = az.send("create", "PUT", f"{_PROVIDERS}/old{preview}", body)
    shown = az.send("show", "GET", f"{_PROVIDERS}/old{preview}")

    assert made.status_code == 201
    assert shown.json() == made.json()
    assert list(made.json()) == ["id", "name", "type", "location", "tags", "properties"]
    assert list(made.json()["properties"]) == ["trustModel", "status", "attestUri"]


def test_list_default_and_get_default_by_location(az: _CommandLine) -> None:
    listed = az.send(
        "list-default", "GET", f"{SUBSCRIPTIONS}{NAMESPACE}/defaultProviders{_CREATES}"
    ).json()
    found = az.send(
        "get-default-by-location",
        "GET",
        f"{SUBSCRIPTIONS}{NAMESPACE}/locations/Central%20US/defaultProvider{_CREATES}",
    ).json()

    assert listed == {"value": [found]}
    assert found["name"] == "sharedcus"
    assert found["location"] == "Central US"
    assert found["properties"]["trustModel"] == "AAD"


def test_policy_set_from_a_text_and_reset(az: _CommandLine) -> None:
    az.create("att3000002")
    header = encode_base64url(b'{"typ":"JWT","alg":"none"}')
    payload = json.dumps(
        {"AttestationPolicy": encode_base64url(PERMIT.encode())}, separators=(",", ":")
    )
    jws = f"{header}.{encode_base64url(payload.encode())}."

    before = az.policy("policy show", "att3000002")
    model = az.show("policy set", "att3000002", _CREATES)["properties"]["trustModel"]
    updated = az.ask("policy set", "att3000002", "PUT", "/policies/SgxEnclave", jws)
    set_to = az.policy("policy set", "att3000002")
    removed = az.ask(
        "policy reset", "att3000002", "POST", "/policies/SgxEnclave:reset", UNSECURED_RESET
    )
    after = az.policy("policy reset", "att3000002")

    assert model == "AAD"
    assert updated["x-ms-policy-result"] == "Updated"
    assert set_to == PERMIT
    assert removed["x-ms-policy-result"] == "Removed"
    assert before == after != PERMIT


def test_signer_list_add_remove_and_a_signed_policy(az: _CommandLine) -> None:
    az.create("att1000002", owner())
    second = certify(rsa_key(1), "second")
    change = signed(certificate_payload(second))

    def listed(command: str) -> list[Any]:
        claims = az.ask(command, "att1000002", "GET", "/certificates")
        return [key["x5c"] for key in claims["x-ms-policy-certificates"]["keys"]]

    before = listed("signer list")
    added = az.ask("signer add", "att1000002", "POST", "/certificates:add", change)
    both = listed("signer add")
    removed = az.ask("signer remove", "att1000002", "POST", "/certificates:remove", change)
    az.show("policy set", "att1000002", _CREATES)
    updated = az.ask(
        "policy set", "att1000002", "PUT", "/policies/SgxEnclave", signed(stored_policy(PERMIT))
    )

    assert before == [x5c(owner())]
    assert added["x-ms-policycertificates-result"] == "IsPresent"
    assert both == [x5c(owner()), x5c(second)]
    assert removed["x-ms-policycertificates-result"] == "IsAbsent"
    assert listed("signer remove") == before
    assert updated["x-ms-policy-result"] == "Updated"


def test_errors_are_of_the_form_that_it_reads(az: _CommandLine) -> None:
    answer = az.send("show", "GET", f"{_PROVIDERS}/nobody{_CREATES}")

    assert answer.status_code == 404
    assert list(answer.json()) == ["error"]
    assert answer.json()["error"]["code"] == "ResourceNotFound"
    assert "'nobody'" in answer.json()["error"]["message"]


def test_a_recorded_answer_is_ours_but_for_the_host_and_the_author(
    vectors: Path, az: _CommandLine
) -> None:
    file = vectors / "maa" / "other" / "arm_provider_recorded.json"
    recorded = json.loads(file.read_text())["GET 2021-06-01"]
    az.create(recorded["body"]["name"], owner())

    answer = az.send("signer list", "GET", urlsplit(recorded["uri"]).path + _SHOWS)

    body = answer.json()
    assert answer.status_code == recorded["status"]
    assert body.pop("systemData")
    expected = recorded["body"]
    expected["properties"]["attestUri"] = body["properties"]["attestUri"]
    assert json.dumps(body) == json.dumps(expected)
    for name in ("cache-control", "content-type", "expires", "pragma", "x-content-type-options"):
        assert answer.headers[name] == recorded["headers"][name]
