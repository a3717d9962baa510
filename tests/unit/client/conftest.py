from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from assay import clock
from assay.client.testing import FakeService
from tests.clients import KINDS, Clients, clients_of

SCOPE: Final = "https://attest.azure.net/.default"


@pytest.fixture(params=KINDS)
def clients(request: pytest.FixtureRequest) -> Iterator[Clients]:
    """Of each kind in its turn."""
    with clients_of(request.param) as made:
        yield made


@pytest.fixture
def service() -> FakeService:
    return FakeService(algorithm="ES256")


def now_seconds() -> float:
    return clock.now().timestamp()
