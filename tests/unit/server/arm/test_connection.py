from __future__ import annotations

from typing import Any

import pytest

from tests.administration import Hosted
from tests.management import PROVIDERS, error_of
from tests.unit.server.arm.conftest import CONNECTION, connection_body, create_provider


def test_a_connection_is_approved_rejected_and_removed(service: Hosted) -> None:
    create_provider(service)
    endpoint = {"id": "/subscriptions/x/privateEndpoints/e"}

    pending = service.call(
        "PUT", CONNECTION, json=connection_body(None, privateEndpoint=endpoint)
    ).json()
    approved = service.call("PUT", CONNECTION, json=connection_body("approved")).json()
    rejected = service.call(
        "PUT", CONNECTION.replace("/link", "/LINK"), json=connection_body("Rejected")
    ).json()
    listed = service.call("GET", CONNECTION.replace("/link", "")).json()
    got = service.call("GET", CONNECTION.replace("/link", "/Link")).json()
    removed = [service.call("DELETE", CONNECTION).status_code for _ in range(2)]

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
    assert error_of(service.call("GET", CONNECTION), 404)["code"] == "ResourceNotFound"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_connection_of_no_provider_is_not_there(method: str, service: Hosted) -> None:
    answer = service.call(method, CONNECTION, json=connection_body("Approved"))

    assert error_of(answer, 404)["code"] == "ResourceNotFound"


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
    create_provider(service)

    answer = service.call("PUT", CONNECTION, json={"properties": properties})

    assert error_of(answer, 400)["code"] == "InvalidRequestContent"
