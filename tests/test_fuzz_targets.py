from __future__ import annotations

from pathlib import Path

import pytest

from fuzz.targets import load_target, target_paths

ANY_BYTES = [b"", b"\0", b"{}", b"\xff" * 64, bytes(1024), bytes(range(256))]


@pytest.mark.parametrize("path", target_paths(), ids=lambda path: path.stem)
def test_every_fuzz_target_runs_on_its_seeds_and_on_any_bytes(path: Path) -> None:
    target = load_target(path)

    for data in (*target.seeds, *ANY_BYTES):
        target.test_one_input(data)


def test_there_are_fuzz_targets() -> None:
    assert {"fuzz_base64", "fuzz_json"} <= {path.stem for path in target_paths()}
