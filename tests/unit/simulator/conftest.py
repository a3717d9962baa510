from __future__ import annotations

from datetime import datetime

import pytest

from assay.simulator import SimulatedPlatform


@pytest.fixture(scope="session")
def platform(at: datetime) -> SimulatedPlatform:
    return SimulatedPlatform.create(at)
