"""The examples of `docs/authentication.md`, run and compared with what the page says."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from typer.testing import CliRunner

from assay.cli import app
from tests.documentation import follow, read_page

_PAGE: Final = read_page("authentication.md")


def test_every_command_of_the_page_gives_what_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ASSAY_DATA_DIR", str(tmp_path / "data"))
    made = CliRunner().invoke(app, ["instance", "create", "payments", "--token-algorithm", "ES256"])
    assert made.exit_code == 0

    follow(_PAGE, tmp_path)
