"""The examples of `docs/cli.md`, run in their order and compared with what the page says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from assay.cli.exit_code import MEANINGS
from tests.documentation import examples, follow, read_page

_PAGE: Final = read_page("cli.md")


def test_every_example_of_the_page_gives_what_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ASSAY_COLLATERAL", raising=False)
    files = re.findall(r"^with `([\w.-]+)`:\n\n```\n(.*?)```", _PAGE, re.MULTILINE | re.DOTALL)
    assert "no-debug.policy" in dict(files)
    for name, content in files:
        Path(name).write_text(content)

    follow(_PAGE, tmp_path)


def test_every_command_has_an_example() -> None:
    shown = {" ".join(command.split()[1:3]) for command, _ in examples(_PAGE)}

    for command in ("appraise", "inspect", "attest", "serve", "demo"):
        assert any(f"{one} ".startswith(f"{command} ") for one in shown)
    assert shown >= {
        *(f"policy {one}" for one in ("new", "check", "lint", "format", "hash")),
        *(f"policy {one}" for one in ("eval", "explain", "test", "diff")),
        "token show",
        "token verify",
        "simulate sgx",
        "simulate openenclave",
        "collateral fetch",
        "collateral export",
        "collateral import",
        "collateral show",
    }


def test_the_page_has_the_table_of_exit_codes() -> None:
    rows = dict(re.findall(r"^\| (\d) \| (.*?)(?:; `ASSAY_DEBUG.*)? \|$", _PAGE, re.MULTILINE))

    assert rows == {str(code.value): meaning for code, meaning in MEANINGS.items()}
