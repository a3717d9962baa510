from __future__ import annotations

import pytest

from assay.server.addresses import client_address, is_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_only_this_machine_reaches_a_loopback_address(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "localhost.example", ""])  # noqa: S104
def test_others_may_reach_any_other_address(host: str) -> None:
    assert not is_loopback(host)


def test_a_request_through_no_network_has_no_address() -> None:
    assert client_address({"type": "http", "client": ("192.0.2.1", 1234)}) == "192.0.2.1"
    assert not client_address({"type": "http", "client": None})
    assert not client_address({"type": "http"})
