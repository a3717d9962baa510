from __future__ import annotations

import json
from typing import Any, Final

import pytest

from assay.server.arm.versions import VERSIONS
from tests.administration import Hosted, add_instance, certify, ec_key, make_record, owner, rsa_key
from tests.management import (
    CURRENT,
    GROUP,
    PROVIDERS,
    SUBSCRIPTION,
    error_of,
    last_audit,
    managed,
    provider_body,
)
from tests.serving import VERSION, sgx_request
from tests.unit.server.arm.conftest import (
    CONNECTION,
    HOME,
    OTHER_SUBSCRIPTION,
    connection_body,
    create_provider,
    fill,
)


def test_a_provider_is_made_and_served_at_once(upgraded_url: str) -> None:
    with managed(fill(upgraded_url)) as service:
        made = create_provider(service, "mine", tags={"team": "a"})
        host = {"host": "mine.westus.example"}
        attested = service.call(
            "POST", f"/attest/SgxEnclave{VERSION}", json=sgx_request(), headers=host
        )
        deleted = service.call("DELETE", f"{PROVIDERS}/mine{CURRENT}")
        gone = service.call("GET", f"{PROVIDERS}/mine{CURRENT}")
        [created, _, removed] = last_audit(service.store, 3)

    assert made.status_code == 201
    assert made.headers["location"] == "https://mine.westus.example/"
    assert made.json() == {
        "id": f"{PROVIDERS}/mine",
        "name": "mine",
        "type": "Microsoft.Attestation/attestationProviders",
        "location": "westus",
        "tags": {"team": "a"},
        "properties": {
            "trustModel": "AAD",
            "status": "Ready",
            "attestUri": "https://mine.westus.example",
            "publicNetworkAccess": None,
            "tpmAttestationAuthentication": None,
        },
        "systemData": {
            "createdBy": "developer",
            "createdByType": "User",
            "createdAt": "2026-11-23T12:00:00.000000Z",
        },
    }
    assert attested.status_code == 200
    assert (deleted.status_code, deleted.content) == (200, b"")
    error = error_of(gone, 404)
    assert error["code"] == "ResourceNotFound"
    assert created["action"] == "instance.create"
    assert created["actor"]["name"] == "developer"
    assert created["details"]["subscription"] == SUBSCRIPTION
    assert created["details"]["resource_group"] == GROUP
    assert (removed["action"], removed["instance"]) == ("instance.delete", "mine")


def test_making_the_same_again_changes_nothing(service: Hosted) -> None:
    made = create_provider(service, "mine", owner(), tags={"a": "b"})
    revision = service.store.revision()

    again = create_provider(service, "mine", owner(), tags={"a": "b"})

    assert (again.status_code, again.json()) == (200, made.json())
    assert "location" not in again.headers
    assert service.store.revision() == revision


def test_what_was_read_can_be_sent_back(service: Hosted) -> None:
    create_provider(service)
    service.call("PUT", CONNECTION, json=connection_body("Approved"))
    read = service.call("GET", f"{PROVIDERS}/mine{CURRENT}").json()

    answer = service.call("PUT", f"{PROVIDERS}/mine{CURRENT}", json=read)

    assert (answer.status_code, answer.json()) == (200, read)


def test_a_put_replaces_tags_and_keeps_properties(service: Hosted) -> None:
    body = provider_body(tags={"a": "b"})
    body["properties"] = {"publicNetworkAccess": "enabled"}
    service.call("PUT", f"{PROVIDERS}/mine{CURRENT}", json=body)

    answer = create_provider(service).json()

    assert "tags" not in answer
    assert answer["properties"]["publicNetworkAccess"] == "Enabled"
    assert answer["systemData"]["lastModifiedBy"] == "developer"


def test_a_patch_changes_what_it_names(service: Hosted) -> None:
    create_provider(service, tags={"a": "b"})
    properties = {"tpmAttestationAuthentication": "Enabled"}
    path = f"{PROVIDERS}/mine{CURRENT}"

    first = service.call("PATCH", path, json={"properties": properties}).json()
    second = service.call("PATCH", path, json={"tags": {"c": "d"}}).json()

    assert first["tags"] == {"a": "b"}
    assert second["tags"] == {"c": "d"}
    assert second["properties"]["tpmAttestationAuthentication"] == "Enabled"


def test_a_patch_of_nothing_changes_nothing(service: Hosted) -> None:
    made = create_provider(service).json()
    revision = service.store.revision()

    answer = service.call("PATCH", f"{PROVIDERS}/mine{CURRENT}", json={})

    assert answer.json() == made
    assert service.store.revision() == revision


def test_names_match_in_any_case_and_are_shown_as_they_were_given(service: Hosted) -> None:
    create_provider(service, "Mine")

    loud = service.call("GET", f"{PROVIDERS.upper()}/MINE{CURRENT}")
    quiet = service.call("GET", f"{PROVIDERS.lower()}/mine{CURRENT}")

    assert loud.json() == quiet.json()
    assert loud.json()["id"] == f"{PROVIDERS}/Mine"


def test_a_name_is_taken_wherever_its_instance_is(service: Hosted) -> None:
    create_provider(service)
    elsewhere = PROVIDERS.replace(GROUP, "another")
    other = PROVIDERS.replace(SUBSCRIPTION, OTHER_SUBSCRIPTION)

    for path in (f"{elsewhere}/MINE", f"{other}/mine", f"{PROVIDERS}/aad", f"{PROVIDERS}/shared"):
        answer = service.call("PUT", path + CURRENT, json=provider_body())
        assert error_of(answer, 409)["code"] == "Conflict"
        assert service.call("DELETE", path + CURRENT).status_code == 204
        assert error_of(service.call("GET", path + CURRENT), 404)["code"] == "ResourceNotFound"
    assert service.call("GET", f"{PROVIDERS}/mine{CURRENT}").status_code == 200


def test_a_url_is_taken_once(service: Hosted) -> None:
    taken = make_record("other", issuer="https://mine.westus.example")
    add_instance(service.store, taken)

    error = error_of(create_provider(service), 409)

    assert error["details"][0]["code"] == "management.provider.taken"


@pytest.mark.parametrize(
    ("members", "signers", "code", "check"),
    [
        ({"location": "eastus"}, (), "InvalidResourceLocation", "location"),
        ({}, ("owner",), "Conflict", "signers"),
        ({"properties": {"trustModel": "Isolated"}}, (), "Conflict", "trust_model"),
        ({"properties": {"attestUri": "https://x.example"}}, (), "Conflict", "attest_uri"),
    ],
)
def test_what_it_began_with_does_not_change(
    members: dict[str, Any], signers: tuple[str, ...], code: str, check: str, service: Hosted
) -> None:
    create_provider(service)
    revision = service.store.revision()

    error = error_of(create_provider(service, "mine", *[owner() for _ in signers], **members), 409)

    assert error["code"] == code
    assert error["details"][0]["code"] == f"management.provider.{check}"
    assert service.store.revision() == revision
    [refused] = last_audit(service.store)
    assert (refused["action"], refused["outcome"]) == ("instance.create", "refused")
    assert (refused["instance"], refused["details"]["check"]) == (
        "mine",
        f"management.provider.{check}",
    )


def test_an_isolated_provider_keeps_its_signers(service: Hosted) -> None:
    made = create_provider(service, "mine", owner(), owner())

    assert made.json()["properties"]["trustModel"] == "Isolated"
    assert len(service.store.signers.of("mine")) == 1
    assert error_of(create_provider(service), 409)["code"] == "Conflict"


def test_what_is_taken_for_granted_at_the_start_is_checked_too(service: Hosted) -> None:
    answer = create_provider(service, properties={"trustModel": "Isolated"})

    assert error_of(answer, 409)["code"] == "Conflict"
    assert service.store.instances.get("mine") is None


def test_a_certificate_that_cannot_be_a_signer_is_refused(service: Hosted) -> None:
    leaf = certify(ec_key(), ca=False)

    error = error_of(create_provider(service, "mine", leaf), 400)

    assert error["innererror"]["code"] == "UntrustedSigner"
    assert service.store.instances.get("mine") is None


def test_private_keys_are_refused_and_not_repeated(service: Hosted) -> None:
    secret = "c2VjcmV0"  # noqa: S105
    key = {"kty": "RSA", "x5c": [], "d": secret}
    body = {"location": "x", "properties": {"policySigningCertificates": {"keys": [key]}}}

    answer = service.call("PUT", f"{PROVIDERS}/mine{CURRENT}", json=body)

    assert error_of(answer, 400)["target"] == "policySigningCertificates"
    assert secret not in answer.text
    assert all(secret.encode() not in line for line in service.store.audit.lines())


def test_the_instance_of_the_settings_is_changed_and_not_deleted(service: Hosted) -> None:
    path = f"{HOME}/aad{CURRENT}"

    patched = service.call("PATCH", path, json={"tags": {"a": "b"}})
    refused = service.call("DELETE", path)

    assert patched.json()["tags"] == {"a": "b"}
    assert patched.json()["location"] == "local"
    assert "createdBy" not in patched.json()["systemData"]
    assert error_of(refused, 409)["code"] == "OperationNotAllowed"
    assert service.store.instances.get("aad") is not None


def test_what_the_server_cannot_serve_says_so(service: Hosted) -> None:
    add_instance(service.store, make_record("odd", settings={"unknown": 1}))

    answer = service.call("GET", f"{HOME}/odd{CURRENT}")

    assert answer.json()["properties"]["status"] == "Error"


def test_versions_show_what_they_have(service: Hosted) -> None:
    create_provider(service)
    service.call("PUT", CONNECTION, json=connection_body("Approved"))

    shown = {
        version: service.call("GET", f"{PROVIDERS}/mine?api-version={version}").json()
        for version in VERSIONS
    }

    members = {version: list(document) for version, document in shown.items()}
    common = ["id", "name", "type", "location"]
    assert members == {
        "2018-09-01-preview": [*common, "tags", "properties"],
        "2020-10-01": [*common, "properties", "systemData"],
        "2021-06-01": [*common, "properties", "systemData"],
    }
    assert shown["2018-09-01-preview"]["tags"] is None
    first = ["trustModel", "status", "attestUri"]
    assert {version: list(one["properties"]) for version, one in shown.items()} == {
        "2018-09-01-preview": first,
        "2020-10-01": [*first, "privateEndpointConnections"],
        "2021-06-01": [
            *first,
            "publicNetworkAccess",
            "tpmAttestationAuthentication",
            "privateEndpointConnections",
        ],
    }


_BAD_KEYS: Final = {
    "none": [{"kty": "RSA"}],
    "not base64": [{"kty": "RSA", "x5c": ["!"]}],
    "not a certificate": [{"kty": "RSA", "x5c": ["AAAA"]}],
    "no type": [{"x5c": ["AAAA"]}],
    "a symmetric key": [{"kty": "oct", "k": "AAAA"}],
    "too many": [{"kty": "RSA", "x5c": ["AAAA"]}] * 65,
}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "InvalidRequestContent"),
        (b"[]", "InvalidRequestContent"),
        (b'{"location":"x","location":"y","properties":{}}', "InvalidRequestContent"),
        ({"location": "x"}, "InvalidRequestContent"),
        ({"location": "x", "properties": {}, "sku": {}}, "InvalidRequestContent"),
        ({"location": "x", "properties": {"unknown": 1}}, "InvalidRequestContent"),
        ({"location": 1, "properties": {}}, "InvalidRequestContent"),
        ({"location": "x", "properties": {}, "tags": {"": "x"}}, "InvalidRequestContent"),
        ({"location": "x", "properties": {}, "tags": {"x": None}}, "InvalidRequestContent"),
        ({"location": "x", "properties": {}, "tags": {"x": "\x1b[2J"}}, "InvalidRequestContent"),
        ({"location": "x", "properties": {}, "tags": {"x\n": ""}}, "InvalidRequestContent"),
        ({"location": "x", "properties": {}, "tags": {"x": "y" * 257}}, "InvalidRequestContent"),
        (
            {"location": "x", "properties": {}, "tags": {f"{n}": "" for n in range(51)}},
            "InvalidRequestContent",
        ),
        *(
            (
                {"location": "x", "properties": {"policySigningCertificates": {"keys": keys}}},
                "InvalidRequestContent",
            )
            for keys in _BAD_KEYS.values()
        ),
        ({"properties": {}}, "LocationRequired"),
        ({"location": " ", "properties": {}}, "LocationRequired"),
        ({"location": "here.there", "properties": {}}, "LocationNotAvailableForResourceType"),
        ({"location": "ä", "properties": {}}, "LocationNotAvailableForResourceType"),
        ({"location": "x" * 65, "properties": {}}, "LocationNotAvailableForResourceType"),
        ({"location": "x", "properties": {"publicNetworkAccess": "Disabled"}}, "NotSupported"),
        (
            {"location": "x", "properties": {"tpmAttestationAuthentication": "Disabled"}},
            "NotSupported",
        ),
    ],
)
def test_each_mistake_in_a_provider_has_its_code(
    body: bytes | dict[str, Any], code: str, service: Hosted
) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    revision = service.store.revision()

    answer = service.call(
        "PUT",
        f"{PROVIDERS}/mine{CURRENT}",
        content=content,
        headers={"content-type": "application/json"},
    )

    assert error_of(answer, 400)["code"] == code
    assert service.store.revision() == revision


def test_signers_of_a_new_provider_may_be_on_p_256(service: Hosted) -> None:
    made = create_provider(service, "mine", certify(ec_key()), certify(rsa_key(1), "second"))

    assert made.status_code == 201
    assert len(service.store.signers.of("mine")) == 2
