from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, settings

from tests.vectors import MISSING, vectors_folder

AT: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)
"""The instant of every test that needs one. Nothing below the service reads a clock."""

# A deadline and the health check for slowness measure the machine, not the code.
_STEADY: Final = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

settings.register_profile("dev", _STEADY, max_examples=50)
settings.register_profile("ci", _STEADY, max_examples=200, derandomize=True, database=None)
settings.register_profile("nightly", _STEADY, max_examples=20_000)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.fixture(scope="session")
def at() -> datetime:
    return AT


@pytest.fixture(scope="session")
def vectors() -> Path:
    folder = vectors_folder()
    if folder is None:
        refuse = pytest.fail if os.environ.get("CI") else pytest.skip
        refuse(MISSING)
    return folder
