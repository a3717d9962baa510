from __future__ import annotations

import pytest

from assay.simulator import SimulatedPlatform
from tests.conftest import AT


@pytest.fixture(scope="session")
def platform() -> SimulatedPlatform:
    """One simulated platform for all tests that do not need it to be special."""
    return SimulatedPlatform.create(AT)
