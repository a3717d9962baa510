"""The examples of `docs/operations.md`, run in their order and compared with what the page says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from assay.server.checkup.doctor import CHECKS
from tests.documentation import examples, follow, read_page, rows, section

_PAGE: Final = read_page("operations.md")


def test_every_example_of_the_page_gives_what_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files = re.findall(r"^[Ww]ith `([\w.-]+)`:\n\n```\n(.*?)```", _PAGE, re.MULTILINE | re.DOTALL)
    assert [name for name, _ in files] == ["assay.toml", "wrong.toml"]
    for name, content in files:
        Path(name).write_text(content)

    follow(_PAGE, tmp_path)


def test_every_command_has_an_example() -> None:
    shown = {" ".join(command.split()[1:3]) for command, _ in examples(_PAGE)}

    assert shown >= {
        *(f"db {one}" for one in ("upgrade", "check", "backup")),
        *(f"config {one}" for one in ("show", "validate")),
        "doctor --settings",
    }


def test_every_line_of_the_doctor_is_explained() -> None:
    explained = [row[0].strip("`") for row in rows(section(_PAGE, "Is everything there"))]

    assert explained == list(CHECKS)
