"""`docs/policy-tutorial.md`, followed from its beginning: files written, commands run."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Final

import pytest

from tests.documentation import Reader, examples, matches, read_page

_PAGE: Final = read_page("policy-tutorial.md")
_FILE: Final = re.compile(r"^`([\w./-]+)`:\n\n```\w*\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def test_the_tutorial_goes_as_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ASSAY_COLLATERAL", raising=False)
    # Text, then for each file its name, its content and the text below it.
    beginning, *files = _FILE.split(_PAGE)
    assert files

    with contextlib.closing(Reader(tmp_path)) as reader:
        _follow(beginning, reader)
        for name, content, text in zip(files[::3], files[1::3], files[2::3], strict=True):
            Path(name).write_text(content)
            _follow(text, reader)


def test_the_tutorial_shows_every_command_that_an_author_needs() -> None:
    shown = {" ".join(command.split()[1:3]) for command, _ in examples(_PAGE)}

    assert shown >= {f"policy {one}" for one in ("new", "check", "lint", "test", "explain", "diff")}
    assert shown >= {"policy format", "policy hash"}
    assert any("--draft-policy" in command for command, _ in examples(_PAGE))


def _follow(text: str, reader: Reader) -> None:
    for command, expected in examples(text):
        actual = reader.run(command)
        assert matches(expected, actual), f"$ {command}\n{actual}"
