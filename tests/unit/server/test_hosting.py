from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from tests.administration import ALICE, Hosted, add_instance, make_record, three_instances
from tests.conftest import AT
from tests.serving import VERSION, call, sgx_request


@pytest.fixture
def service(upgraded_sqlite: str) -> Iterator[Hosted]:
    with three_instances(upgraded_sqlite) as found:
        yield found


def _issuer(service: Hosted, path: str, **headers: str) -> str:
    answer = service.call("GET", f"{path}/.well-known/openid-configuration", headers=headers)
    assert answer.status_code == 200, answer.text
    issuer: str = answer.json()["issuer"]
    return issuer


def _error(answer: Any) -> dict[str, Any]:  # noqa: ANN401  a response
    error: dict[str, Any] = answer.json()["error"]
    return error


def test_a_request_that_names_no_instance_is_about_the_default(service: Hosted) -> None:
    assert _issuer(service, "") == "https://aad.example"


@pytest.mark.parametrize("path", ["/isolated", "/Isolated", "/ISOLATED"])
def test_an_instance_is_chosen_by_path(service: Hosted, path: str) -> None:
    assert _issuer(service, path) == "https://isolated.example"


@pytest.mark.parametrize("tenant", ["shared", "SHARED"])
def test_an_instance_is_chosen_by_header(service: Hosted, tenant: str) -> None:
    assert _issuer(service, "", tenantName=tenant) == "https://shared.example"


@pytest.mark.parametrize("host", ["shared.example", "Shared.Example:443"])
def test_an_instance_is_chosen_by_host(service: Hosted, host: str) -> None:
    assert _issuer(service, "", Host=host) == "https://shared.example"


def test_path_and_header_outrank_the_host(service: Hosted) -> None:
    assert _issuer(service, "/isolated", Host="shared.example") == "https://isolated.example"
    assert (
        _issuer(service, "", Host="shared.example", tenantName="isolated")
        == "https://isolated.example"
    )


def test_a_host_that_is_nobody_s_is_the_default_s(service: Hosted) -> None:
    assert _issuer(service, "", Host="elsewhere.example") == "https://aad.example"


def test_a_host_that_is_there_twice_is_refused(service: Hosted) -> None:
    headers = [("Host", "shared.example"), ("Host", "isolated.example")]

    answer = service.call("GET", "/.well-known/openid-configuration", headers=headers)

    assert answer.status_code == 400
    assert _error(answer)["target"] == "Host"
    assert "twice" in _error(answer)["message"]


@pytest.mark.parametrize(("version", "status"), [("1.1", 400), ("1.0", 200)])
def test_only_the_oldest_callers_may_leave_the_host_out(
    service: Hosted, version: str, status: int
) -> None:
    async def without(scope: Scope, receive: Receive, send: Send) -> None:
        scope["headers"] = [pair for pair in scope["headers"] if pair[0] != b"host"]
        scope["http_version"] = version
        await service.app(scope, receive, send)

    answer = call(without, "GET", "/certs")

    assert answer.status_code == status


def test_path_and_header_may_say_the_same(service: Hosted) -> None:
    assert _issuer(service, "/isolated", tenantName="Isolated") == "https://isolated.example"


def test_path_and_header_that_differ_are_refused(service: Hosted) -> None:
    answer = service.call("GET", "/isolated/certs", headers={"tenantName": "shared"})

    assert answer.status_code == 400
    assert _error(answer)["innererror"] == {"code": "AmbiguousInstance"}


def test_a_header_that_is_there_twice_is_refused(service: Hosted) -> None:
    answer = service.call(
        "GET", "/certs", headers=[("tenantName", "aad"), ("tenantName", "shared")]
    )

    assert answer.status_code == 400
    assert _error(answer)["innererror"] == {"code": "AmbiguousInstance"}


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/none/certs", {}),
        ("/certs", {"tenantName": "none"}),
        ("/certs", {"tenantName": ""}),
        ("/isolated/isolated/certs", {}),
        ("/isolated", {}),
        ("/isolated/", {}),
        ("/isolated/health/live", {}),
        ("/isolated/metrics", {}),
        ("//certs", {}),
    ],
)
def test_what_is_not_there_is_not_found(
    service: Hosted, path: str, headers: dict[str, str]
) -> None:
    answer = service.call("GET", path, headers=headers)

    assert answer.status_code == 404
    assert _error(answer)["code"] == "NotFound"


@pytest.mark.parametrize("instance", ["aad", "isolated", "shared"])
def test_every_instance_attests_under_its_own_name(service: Hosted, instance: str) -> None:
    answer = service.call("POST", f"/{instance}/attest/SgxEnclave{VERSION}", json=sgx_request())

    claims = service.claims(answer, instance)
    assert claims["iss"] == f"https://{instance}.example"


def test_an_instance_that_cannot_be_served_is_told_without_its_reason(service: Hosted) -> None:
    add_instance(service.store, make_record("broken", settings={"unknown": "SECRET"}))
    service.registry.refresh()

    answer = service.call("GET", "/broken/certs")

    assert answer.status_code == 503
    assert _error(answer)["code"] == "InstanceUnavailable"
    assert "SECRET" not in answer.text


def test_a_default_that_was_removed_is_not_found_and_not_ready(service: Hosted) -> None:
    service.store.instances.remove("aad", at=AT, by=ALICE)
    service.registry.refresh()

    assert service.call("GET", "/certs").status_code == 404
    assert service.call("GET", "/health/live").status_code == 200
    assert service.call("GET", "/health/ready").json()["checks"]["key"] == "unavailable"


def test_a_default_that_cannot_be_served_is_not_ready(service: Hosted) -> None:
    service.store.instances.remove("aad", at=AT, by=ALICE)
    add_instance(service.store, make_record("aad", settings={"unknown": 1}))
    service.registry.refresh()

    answer = service.call("GET", "/health/ready")

    assert answer.status_code == 503
    assert answer.json()["checks"]["key"] == "unavailable"


def test_the_lifespan_is_not_about_an_instance(service: Hosted) -> None:
    assert call(service.app, "GET", "/openapi.json").status_code == 200
