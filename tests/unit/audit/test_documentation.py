"""The example of `docs/audit.md`."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Final

import pytest

from assay.audit import parse_line, verify_export

_PAGE: Final = (Path(__file__).resolve().parents[3] / "docs" / "audit.md").read_text()


@pytest.fixture
def lines() -> list[bytes]:
    found = re.search(r"```json\n(.*?)```", _PAGE, re.DOTALL)
    assert found is not None
    return found.group(1).encode().splitlines()


def test_the_example_is_a_chain(lines: list[bytes]) -> None:
    assert verify_export(lines).sequence == len(lines) == 3


def test_the_command_gives_the_digest(lines: list[bytes], tmp_path: Path) -> None:
    command = re.search(r"```sh\n(.*?)```", _PAGE, re.DOTALL)
    assert command is not None
    (tmp_path / "audit.jsonl").write_bytes(b"\n".join(lines))

    done = subprocess.run(  # noqa: S603  the page's own command
        ["/bin/sh", "-c", command.group(1)], cwd=tmp_path, capture_output=True, check=True
    )

    assert done.stdout.split()[0].decode() == parse_line(lines[0])[1]
