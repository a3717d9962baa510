from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile_logs import HOSTILE_LOGS

ROOT = Path(__file__).resolve().parents[4]
SECONDS = 2.0
MEBIBYTES = 200


@pytest.mark.parametrize("name", HOSTILE_LOGS)
def test_the_largest_logs_take_little_time_and_memory(name: str) -> None:
    # In a process of its own: the memory of this one says nothing, and coverage costs time.
    done = subprocess.run(  # noqa: S603  our own module
        [sys.executable, "-m", "tests.hostile_logs", name],
        check=True,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )

    seconds, mebibytes = map(float, done.stdout.split())
    assert 0 < seconds < SECONDS
    assert 0 < mebibytes < MEBIBYTES
