from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.python_clients import FLAVOURS, PythonClients
from tests.servers.three_instances import ThreeInstances, three_running_instances


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThreeInstances]:
    """One server for all clients: each test leaves the policies and signers that it found."""
    with three_running_instances(tmp_path_factory.mktemp("three-instances")) as found:
        yield found


@pytest.fixture(params=FLAVOURS)
def python(request: pytest.FixtureRequest, server: ThreeInstances) -> PythonClients:
    return PythonClients(server, request.param)
