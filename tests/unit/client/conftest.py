from __future__ import annotations

from collections.abc import Iterator

import pytest

from assay.client.testing import FakeService
from tests.clients import KINDS, Clients, clients_of


@pytest.fixture(params=KINDS)
def clients(request: pytest.FixtureRequest) -> Iterator[Clients]:
    """Of each kind in its turn."""
    with clients_of(request.param) as made:
        yield made


@pytest.fixture
def service() -> FakeService:
    return FakeService(algorithm="ES256")
