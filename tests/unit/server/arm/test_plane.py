from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any, Final

import pytest

from assay.errors import AuditError
from assay.server.app import create_app
from assay.server.arm.operations import ARM_OPERATIONS
from assay.server.arm.versions import VERSIONS
from assay.service.instance_names import RESERVED_NAMES
from assay.store import InstanceRecord, Store, TrustModel
from tests.administration import (
    Hosted,
    add_instance,
    certify,
    ec_key,
    hosted,
    make_record,
    owner,
    rsa_key,
)
from tests.management import (
    CURRENT,
    GROUP,
    NAMESPACE,
    PROVIDERS,
    SUBSCRIPTION,
    SUBSCRIPTIONS,
    error_of,
    last_audit,
    make_management,
    managed,
    provider_body,
)
from tests.serving import VERSION, call, make_services, make_telemetry, sgx_request

_HOME: Final = f"{SUBSCRIPTIONS}/resourceGroups/home{NAMESPACE}/attestationProviders"
_CONNECTION: Final = f"{PROVIDERS}/mine/privateEndpointConnections/link{CURRENT}"
_SENT: Final = "7a5b3c1d-0000-4000-8000-00000000abcd"


def _fill(url: str) -> str:
    with closing(Store.open(url)) as store:
        add_instance(store, make_record("aad"))
        add_instance(store, make_record("shared", TrustModel.SHARED, region="Central US"))
    return url


@pytest.fixture
def service(upgraded_sqlite: str) -> Iterator[Hosted]:
    with managed(_fill(upgraded_sqlite)) as found:
        yield found


def _create(service: Hosted, name: str = "mine", *signers: Any, **members: Any) -> Any:  # noqa: ANN401
    return service.call(
        "PUT", f"{PROVIDERS}/{name}{CURRENT}", json=provider_body(*signers, **members)
    )


def test_a_provider_is_made_and_served_at_once(upgraded_url: str) -> None:
    with managed(_fill(upgraded_url)) as service:
        made = _create(service, "mine", tags={"team": "a"})
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
    made = _create(service, "mine", owner(), tags={"a": "b"})
    revision = service.store.revision()

    again = _create(service, "mine", owner(), tags={"a": "b"})

    assert (again.status_code, again.json()) == (200, made.json())
    assert "location" not in again.headers
    assert service.store.revision() == revision


def test_what_was_read_can_be_sent_back(service: Hosted) -> None:
    _create(service)
    service.call("PUT", _CONNECTION, json=_connection("Approved"))
    read = service.call("GET", f"{PROVIDERS}/mine{CURRENT}").json()

    answer = service.call("PUT", f"{PROVIDERS}/mine{CURRENT}", json=read)

    assert (answer.status_code, answer.json()) == (200, read)


def test_a_put_replaces_tags_and_keeps_properties(service: Hosted) -> None:
    body = provider_body(tags={"a": "b"})
    body["properties"] = {"publicNetworkAccess": "enabled"}
    service.call("PUT", f"{PROVIDERS}/mine{CURRENT}", json=body)

    answer = _create(service).json()

    assert "tags" not in answer
    assert answer["properties"]["publicNetworkAccess"] == "Enabled"
    assert answer["systemData"]["lastModifiedBy"] == "developer"


def test_a_patch_changes_what_it_names(service: Hosted) -> None:
    _create(service, tags={"a": "b"})
    properties = {"tpmAttestationAuthentication": "Enabled"}
    path = f"{PROVIDERS}/mine{CURRENT}"

    first = service.call("PATCH", path, json={"properties": properties}).json()
    second = service.call("PATCH", path, json={"tags": {"c": "d"}}).json()

    assert first["tags"] == {"a": "b"}
    assert second["tags"] == {"c": "d"}
    assert second["properties"]["tpmAttestationAuthentication"] == "Enabled"


def test_a_patch_of_nothing_changes_nothing(service: Hosted) -> None:
    made = _create(service).json()
    revision = service.store.revision()

    answer = service.call("PATCH", f"{PROVIDERS}/mine{CURRENT}", json={})

    assert answer.json() == made
    assert service.store.revision() == revision


def test_names_match_in_any_case_and_are_shown_as_they_were_given(service: Hosted) -> None:
    _create(service, "Mine")

    loud = service.call("GET", f"{PROVIDERS.upper()}/MINE{CURRENT}")
    quiet = service.call("GET", f"{PROVIDERS.lower()}/mine{CURRENT}")

    assert loud.json() == quiet.json()
    assert loud.json()["id"] == f"{PROVIDERS}/Mine"


def test_a_name_is_taken_wherever_its_instance_is(service: Hosted) -> None:
    _create(service)
    elsewhere = PROVIDERS.replace(GROUP, "another")
    other = PROVIDERS.replace(SUBSCRIPTION, _SENT)

    for path in (f"{elsewhere}/MINE", f"{other}/mine", f"{PROVIDERS}/aad", f"{PROVIDERS}/shared"):
        answer = service.call("PUT", path + CURRENT, json=provider_body())
        assert error_of(answer, 409)["code"] == "Conflict"
        assert service.call("DELETE", path + CURRENT).status_code == 204
        assert error_of(service.call("GET", path + CURRENT), 404)["code"] == "ResourceNotFound"
    assert service.call("GET", f"{PROVIDERS}/mine{CURRENT}").status_code == 200


def test_a_url_is_taken_once(service: Hosted) -> None:
    taken = make_record("other", issuer="https://mine.westus.example")
    add_instance(service.store, taken)

    error = error_of(_create(service), 409)

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
    _create(service)
    revision = service.store.revision()

    error = error_of(_create(service, "mine", *[owner() for _ in signers], **members), 409)

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
    made = _create(service, "mine", owner(), owner())

    assert made.json()["properties"]["trustModel"] == "Isolated"
    assert len(service.store.signers.of("mine")) == 1
    assert error_of(_create(service), 409)["code"] == "Conflict"


def test_what_is_taken_for_granted_at_the_start_is_checked_too(service: Hosted) -> None:
    answer = _create(service, properties={"trustModel": "Isolated"})

    assert error_of(answer, 409)["code"] == "Conflict"
    assert service.store.instances.get("mine") is None


def test_a_certificate_that_cannot_be_a_signer_is_refused(service: Hosted) -> None:
    leaf = certify(ec_key(), ca=False)

    error = error_of(_create(service, "mine", leaf), 400)

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


def test_lists_are_of_their_scope(service: Hosted) -> None:
    _create(service, "b")
    _create(service, "a")
    other = PROVIDERS.replace(GROUP, "another")
    service.call("PUT", f"{other}/c{CURRENT}", json=provider_body())
    elsewhere = PROVIDERS.replace(SUBSCRIPTION, _SENT)
    service.call("PUT", f"{elsewhere}/d{CURRENT}", json=provider_body())
    everywhere = f"{SUBSCRIPTIONS}{NAMESPACE}/attestationProviders{CURRENT}"

    def names(path: str) -> list[str]:
        return [one["name"] for one in service.call("GET", path).json()["value"]]

    assert names(everywhere) == ["a", "aad", "b", "c"]
    assert names(everywhere.replace(SUBSCRIPTION, _SENT)) == ["d"]
    assert names(PROVIDERS.upper() + CURRENT) == ["a", "b"]
    assert names(_HOME + CURRENT) == ["aad"]
    assert names(f"{SUBSCRIPTIONS}{NAMESPACE}/defaultProviders{CURRENT}") == ["shared"]


def test_the_oldest_default_provider_of_a_location_is_the_one(service: Hosted) -> None:
    add_instance(service.store, make_record("a", TrustModel.SHARED, region="centralus"))

    path = f"{SUBSCRIPTIONS}{NAMESPACE}/locations/Central%20US/defaultProvider{CURRENT}"
    answer = service.call("GET", path)

    assert answer.json()["name"] == "a"
    assert answer.json()["properties"]["trustModel"] == "AAD"
    assert "systemData" not in answer.json()


def test_the_instance_of_the_settings_is_changed_and_not_deleted(service: Hosted) -> None:
    path = f"{_HOME}/aad{CURRENT}"

    patched = service.call("PATCH", path, json={"tags": {"a": "b"}})
    refused = service.call("DELETE", path)

    assert patched.json()["tags"] == {"a": "b"}
    assert patched.json()["location"] == "local"
    assert "createdBy" not in patched.json()["systemData"]
    assert error_of(refused, 409)["code"] == "OperationNotAllowed"
    assert service.store.instances.get("aad") is not None


def test_what_the_server_cannot_serve_says_so(service: Hosted) -> None:
    add_instance(service.store, make_record("odd", settings={"unknown": 1}))

    answer = service.call("GET", f"{_HOME}/odd{CURRENT}")

    assert answer.json()["properties"]["status"] == "Error"


def _connection(status: str | None, **members: Any) -> dict[str, Any]:  # noqa: ANN401
    state = {"status": status, "description": "why", "actionsRequired": "None"}
    return {"properties": {"privateLinkServiceConnectionState": state, **members}}


def test_a_connection_is_approved_rejected_and_removed(service: Hosted) -> None:
    _create(service)
    endpoint = {"id": "/subscriptions/x/privateEndpoints/e"}

    pending = service.call(
        "PUT", _CONNECTION, json=_connection(None, privateEndpoint=endpoint)
    ).json()
    approved = service.call("PUT", _CONNECTION, json=_connection("approved")).json()
    rejected = service.call(
        "PUT", _CONNECTION.replace("/link", "/LINK"), json=_connection("Rejected")
    ).json()
    listed = service.call("GET", _CONNECTION.replace("/link", "")).json()
    got = service.call("GET", _CONNECTION.replace("/link", "/Link")).json()
    removed = [service.call("DELETE", _CONNECTION).status_code for _ in range(2)]

    assert pending == {
        "id": f"{PROVIDERS}/mine/privateEndpointConnections/link",
        "name": "link",
        "type": "Microsoft.Attestation/attestationProviders/privateEndpointConnections",
        "properties": {
            "privateEndpoint": endpoint,
            "privateLinkServiceConnectionState": {
                "status": "Pending",
                "description": "why",
                "actionsRequired": "None",
            },
            "provisioningState": "Succeeded",
        },
    }
    states = [
        one["properties"]["privateLinkServiceConnectionState"]["status"]
        for one in (approved, rejected)
    ]
    assert states == ["Approved", "Rejected"]
    assert rejected["properties"]["privateEndpoint"] == endpoint
    assert listed == {"value": [rejected], "nextLink": None}
    assert got == rejected
    assert removed == [200, 204]
    assert error_of(service.call("GET", _CONNECTION), 404)["code"] == "ResourceNotFound"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_connection_of_no_provider_is_not_there(method: str, service: Hosted) -> None:
    answer = service.call(method, _CONNECTION, json=_connection("Approved"))

    assert error_of(answer, 404)["code"] == "ResourceNotFound"


def test_versions_show_what_they_have(service: Hosted) -> None:
    _create(service)
    service.call("PUT", _CONNECTION, json=_connection("Approved"))

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


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", PROVIDERS, 400, "MissingApiVersionParameter"),
        ("GET", f"{PROVIDERS}{CURRENT}&API-version=x", 400, "InvalidApiVersionParameter"),
        ("GET", f"{PROVIDERS}?api-version=latest", 400, "InvalidApiVersionParameter"),
        ("GET", f"{PROVIDERS}?api-version=2019-01-01", 400, "NoRegisteredProviderFound"),
        ("GET", f"{PROVIDERS}?api-version=2022-08-01", 400, "NoRegisteredProviderFound"),
        (
            "GET",
            f"{PROVIDERS}/a/privateLinkResources?api-version=2020-10-01",
            400,
            "NoRegisteredProviderFound",
        ),
        ("GET", f"/subscriptions/x/locations{CURRENT}", 400, "InvalidSubscriptionId"),
        ("GET", f"{SUBSCRIPTIONS}/resourceGroups/a.{CURRENT}", 400, "InvalidResourceGroupName"),
        ("GET", f"{PROVIDERS}/a_b{CURRENT}", 400, "InvalidResourceName"),
        ("GET", f"{PROVIDERS}/attest{CURRENT}", 400, "InvalidResourceName"),
        ("GET", f"{PROVIDERS}/a%2Fb{CURRENT}", 400, "InvalidResourceName"),
        ("GET", f"{PROVIDERS}/%FF{CURRENT}", 400, "InvalidResourceName"),
        (
            "GET",
            f"{PROVIDERS}/aad/privateEndpointConnections/-x{CURRENT}",
            400,
            "InvalidResourceName",
        ),
        ("GET", f"{PROVIDERS}/mine{CURRENT}", 404, "ResourceNotFound"),
        ("PATCH", f"{PROVIDERS}/mine{CURRENT}", 404, "ResourceNotFound"),
        (
            "GET",
            f"{SUBSCRIPTIONS}{NAMESPACE}/locations/x/defaultProvider{CURRENT}",
            404,
            "ResourceNotFound",
        ),
        ("GET", f"/subscriptions/{CURRENT}", 404, "InvalidResourceType"),
        ("GET", f"/subscriptions/attest/x{CURRENT}", 404, "InvalidResourceType"),
        ("GET", f"{SUBSCRIPTIONS}{NAMESPACE}/x{CURRENT}", 404, "InvalidResourceType"),
        ("GET", f"{PROVIDERS}/{CURRENT}", 404, "InvalidResourceType"),
        (
            "GET",
            f"{SUBSCRIPTIONS}/providers/Microsoft.Compute/disks{CURRENT}",
            404,
            "InvalidResourceNamespace",
        ),
        ("POST", f"{PROVIDERS}/mine{CURRENT}", 405, "MethodNotAllowed"),
        ("DELETE", f"{SUBSCRIPTIONS}/resourceGroups/x{CURRENT}", 405, "MethodNotAllowed"),
    ],
)
def test_each_mistake_in_an_address_has_its_code(
    method: str, path: str, status: int, code: str, service: Hosted
) -> None:
    answer = service.call(method, path, json={} if method == "PATCH" else None)

    assert error_of(answer, status)["code"] == code
    assert answer.headers["cache-control"] == "no-cache"


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


@pytest.mark.parametrize(
    "properties",
    [
        {},
        {"privateLinkServiceConnectionState": {"status": "Maybe"}},
        {"privateLinkServiceConnectionState": {"description": "x" * 1025}},
        {"privateLinkServiceConnectionState": {"actionsRequired": "\x9b"}},
        {"privateLinkServiceConnectionState": {}, "privateEndpoint": {"id": "a\rb"}},
    ],
)
def test_each_mistake_in_a_connection_is_told(properties: dict[str, Any], service: Hosted) -> None:
    _create(service)

    answer = service.call("PUT", _CONNECTION, json={"properties": properties})

    assert error_of(answer, 400)["code"] == "InvalidRequestContent"


def test_a_body_is_declared_as_json(service: Hosted) -> None:
    answer = service.call(
        "PUT", f"{PROVIDERS}/mine{CURRENT}", content=b"{}", headers={"content-type": "text/plain"}
    )

    assert error_of(answer, 415)["code"] == "UnsupportedMediaType"


def test_locations_that_are_set_are_the_only_ones(upgraded_sqlite: str) -> None:
    with managed(_fill(upgraded_sqlite), locations=("West US", "eastus")) as service:
        made = _create(service, location="WestUS")
        refused = _create(service, "other", location="northeurope")
        listed = service.call("GET", f"{SUBSCRIPTIONS}/locations?api-version=2022-12-01").json()
        group = service.call("GET", f"{SUBSCRIPTIONS}/resourceGroups/g?api-version=2021-04-01")

    assert made.json()["location"] == "westus"
    assert error_of(refused, 400)["code"] == "LocationNotAvailableForResourceType"
    assert [one["name"] for one in listed["value"]] == ["West US", "eastus"]
    assert group.json()["location"] == "West US"


@pytest.mark.parametrize(("method", "suffix"), [("GET", ""), ("POST", "/register")])
def test_the_namespace_is_registered(method: str, suffix: str, service: Hosted) -> None:
    path = f"{SUBSCRIPTIONS}{NAMESPACE}{suffix}?api-version=2016-02-01"

    answer = service.call(method, path).json()

    assert answer["registrationState"] == "Registered"
    assert answer["resourceTypes"][0] == {
        "resourceType": "attestationProviders",
        "locations": ["local"],
        "apiVersions": ["2021-06-01", "2020-10-01", "2018-09-01-preview"],
    }


def test_subscriptions_are_those_that_something_is_in(service: Hosted) -> None:
    path = PROVIDERS.replace(SUBSCRIPTION, _SENT.upper())
    for name in ("a", "b"):
        service.call("PUT", f"{path}/{name}{CURRENT}", json=provider_body())

    listed = service.call("GET", "/subscriptions?api-version=2022-12-01").json()["value"]
    got = service.call("GET", f"/subscriptions/{_SENT}?api-version=2022-12-01").json()

    assert [one["subscriptionId"] for one in listed] == [SUBSCRIPTION, _SENT]
    assert got == listed[1]


def test_every_resource_group_is_there(service: Hosted) -> None:
    path = f"{SUBSCRIPTIONS}/resourcegroups/Any(1)?api-version=2022-09-01"
    revision = service.store.revision()

    put = service.call("PUT", path, json={"location": "x"})
    got = service.call("GET", path)

    assert put.json() == got.json()
    assert got.json()["id"] == f"{SUBSCRIPTIONS}/resourceGroups/Any(1)"
    assert service.call("HEAD", path).status_code == 200
    assert error_of(service.call("PUT", path, json=[]), 400)["code"] == "InvalidRequestContent"
    assert service.store.revision() == revision


def test_callers_find_their_requests_again(service: Hosted) -> None:
    sent = {"x-ms-client-request-id": "mine", "x-ms-correlation-request-id": "all-of-it"}

    found = service.call("GET", PROVIDERS + CURRENT, headers=sent)
    refused = service.call("GET", PROVIDERS, headers=sent)
    alone = service.call("GET", PROVIDERS + CURRENT, headers={"x-ms-client-request-id": "a b"})

    for answer in (found, refused):
        assert answer.headers["x-ms-client-request-id"] == "mine"
        assert answer.headers["x-ms-correlation-request-id"] == "all-of-it"
        assert answer.headers["x-ms-request-id"].startswith("00-")
    assert "x-ms-client-request-id" not in alone.headers
    assert alone.headers["x-ms-correlation-request-id"] == alone.headers["x-ms-request-id"]


def test_a_store_that_fails_is_told(upgraded_sqlite: str) -> None:
    with managed(_fill(upgraded_sqlite)) as service:
        with closing(sqlite3.connect(upgraded_sqlite.removeprefix("sqlite:///"))) as connection:
            connection.execute("DROP TABLE private_endpoints")

        answer = service.call("GET", PROVIDERS + CURRENT)

    assert error_of(answer, 503)["code"] == "StoreUnavailable"
    assert answer.headers["retry-after"]


def test_a_defect_tells_its_identifier_only(service: Hosted) -> None:
    def fail(_record: InstanceRecord) -> None:
        raise AuditError("SECRET")

    management = make_management(service.store, service.registry)
    providers = replace(management.offer.providers, check=fail)
    broken = replace(management, offer=replace(management.offer, providers=providers))
    app = create_app(replace(make_services(), management=broken))

    answer = call(app, "GET", f"{_HOME}/aad{CURRENT}")

    assert error_of(answer, 500)["code"] == "InternalError"
    assert "SECRET" not in answer.text


def test_metrics_have_the_pattern_and_the_code(service: Hosted) -> None:
    telemetry, log = make_telemetry(metrics=True)
    management = make_management(service.store, service.registry)
    app = create_app(replace(make_services(telemetry=telemetry), management=management))

    call(app, "GET", f"{PROVIDERS}/nobody{CURRENT}")
    call(app, "GET", f"/subscriptions/x/y{CURRENT}")
    metrics = call(app, "GET", "/metrics").text

    pattern = "/subscriptions/{subscription}/resourcegroups/{resource_group}"
    pattern += "/providers/microsoft.attestation/attestationproviders/{provider}"
    assert f'code="ResourceNotFound",route="{pattern}",status="404"' in metrics
    assert 'code="InvalidResourceType",route="other",status="404"' in metrics
    assert log.lines[0]["code"] == "ResourceNotFound"
    assert "'nobody'" in log.lines[0]["reason"]


def test_the_data_plane_is_as_it_was(service: Hosted) -> None:
    assert service.call("GET", "/certs").status_code == 200
    assert service.call("GET", "/aad/certs").status_code == 200
    assert error_of(service.call("GET", "/nothing"), 404)["code"] == "NotFound"


def test_a_server_without_it_has_none_of_its_addresses(upgraded_sqlite: str) -> None:
    with hosted(_fill(upgraded_sqlite)) as service:
        for operation in ARM_OPERATIONS:
            answer = service.call(operation.method, _example(operation.path))
            assert answer.status_code == 404


def _example(path: str) -> str:
    return path.replace("{subscription}", SUBSCRIPTION).format_map(
        dict.fromkeys(("resource_group", "provider", "connection", "location"), "aad")
    )


def test_no_instance_can_be_called_like_its_addresses() -> None:
    first = {operation.path.split("/")[1] for operation in ARM_OPERATIONS}

    assert first <= RESERVED_NAMES


def test_signers_of_a_new_provider_may_be_on_p_256(service: Hosted) -> None:
    made = _create(service, "mine", certify(ec_key()), certify(rsa_key(1), "second"))

    assert made.status_code == 201
    assert len(service.store.signers.of("mine")) == 2
