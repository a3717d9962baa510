from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from assay.errors import AuditError
from assay.server.app import create_app
from assay.server.arm.operations import ARM_OPERATIONS
from assay.service.instance_names import RESERVED_NAMES
from assay.store import InstanceRecord, TrustModel
from tests.administration import Hosted, add_instance, hosted, make_record
from tests.management import (
    CURRENT,
    GROUP,
    NAMESPACE,
    PROVIDERS,
    SUBSCRIPTION,
    SUBSCRIPTIONS,
    error_of,
    make_management,
    managed,
    provider_body,
)
from tests.serving import call, make_services, make_telemetry
from tests.unit.server.arm.conftest import HOME, OTHER_SUBSCRIPTION, create_provider, fill


def test_lists_are_of_their_scope(service: Hosted) -> None:
    create_provider(service, "b")
    create_provider(service, "a")
    other = PROVIDERS.replace(GROUP, "another")
    service.call("PUT", f"{other}/c{CURRENT}", json=provider_body())
    elsewhere = PROVIDERS.replace(SUBSCRIPTION, OTHER_SUBSCRIPTION)
    service.call("PUT", f"{elsewhere}/d{CURRENT}", json=provider_body())
    everywhere = f"{SUBSCRIPTIONS}{NAMESPACE}/attestationProviders{CURRENT}"

    def names(path: str) -> list[str]:
        return [one["name"] for one in service.call("GET", path).json()["value"]]

    assert names(everywhere) == ["a", "aad", "b", "c"]
    assert names(everywhere.replace(SUBSCRIPTION, OTHER_SUBSCRIPTION)) == ["d"]
    assert names(PROVIDERS.upper() + CURRENT) == ["a", "b"]
    assert names(HOME + CURRENT) == ["aad"]
    assert names(f"{SUBSCRIPTIONS}{NAMESPACE}/defaultProviders{CURRENT}") == ["shared"]


def test_the_oldest_default_provider_of_a_location_is_the_one(service: Hosted) -> None:
    add_instance(service.store, make_record("a", TrustModel.SHARED, region="centralus"))

    path = f"{SUBSCRIPTIONS}{NAMESPACE}/locations/Central%20US/defaultProvider{CURRENT}"
    answer = service.call("GET", path)

    assert answer.json()["name"] == "a"
    assert answer.json()["properties"]["trustModel"] == "AAD"
    assert "systemData" not in answer.json()


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


def test_a_body_is_declared_as_json(service: Hosted) -> None:
    answer = service.call(
        "PUT", f"{PROVIDERS}/mine{CURRENT}", content=b"{}", headers={"content-type": "text/plain"}
    )

    assert error_of(answer, 415)["code"] == "UnsupportedMediaType"


def test_locations_that_are_set_are_the_only_ones(upgraded_sqlite: str) -> None:
    with managed(fill(upgraded_sqlite), locations=("West US", "eastus")) as service:
        made = create_provider(service, location="WestUS")
        refused = create_provider(service, "other", location="northeurope")
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
    path = PROVIDERS.replace(SUBSCRIPTION, OTHER_SUBSCRIPTION.upper())
    for name in ("a", "b"):
        service.call("PUT", f"{path}/{name}{CURRENT}", json=provider_body())

    listed = service.call("GET", "/subscriptions?api-version=2022-12-01").json()["value"]
    got = service.call("GET", f"/subscriptions/{OTHER_SUBSCRIPTION}?api-version=2022-12-01").json()

    assert [one["subscriptionId"] for one in listed] == [SUBSCRIPTION, OTHER_SUBSCRIPTION]
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
    with managed(fill(upgraded_sqlite)) as service:
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

    answer = call(app, "GET", f"{HOME}/aad{CURRENT}")

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
    with hosted(fill(upgraded_sqlite)) as service:
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
