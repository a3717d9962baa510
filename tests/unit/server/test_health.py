from __future__ import annotations

from dataclasses import replace

from assay.errors import StoreUnavailableError
from assay.server.app import create_app
from tests.serving import call, make_services, signing_key


class _BrokenStore:
    def check(self) -> None:
        raise StoreUnavailableError("SECRET PATH")


def test_a_server_that_answers_lives() -> None:
    answer = call(create_app(make_services()), "GET", "/health/live")

    assert answer.status_code == 200
    assert answer.json() == {"status": "live"}


def test_a_server_with_key_and_store_is_ready() -> None:
    answer = call(create_app(make_services()), "GET", "/health/ready")

    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "checks": {"key": signing_key().kid, "store": "ok", "collateral": "simulator"},
    }


def test_a_server_without_its_store_is_not_ready_and_says_no_path() -> None:
    services = replace(make_services(), store=_BrokenStore())

    answer = call(create_app(services), "GET", "/health/ready")

    assert answer.status_code == 503
    assert answer.json()["checks"]["store"] == "unavailable"
    assert "SECRET" not in answer.text
