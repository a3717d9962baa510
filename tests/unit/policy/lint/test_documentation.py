"""The page about the linter: every code has a section, and every example does what it says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from assay.policy import compile_policy, format_policy
from assay.policy.lint import CODES, lint_policy

PAGE: Final = Path(__file__).resolve().parents[4] / "docs" / "policy-lint.md"
TEXT: Final = PAGE.read_text()


@dataclass(frozen=True)
class Example:
    code: str
    severity: str
    word: str
    attestation_type: str
    text: str


def _examples() -> Iterator[Example]:
    for section in re.split(r"^## ", TEXT, flags=re.MULTILINE):
        if (heading := re.match(r"`([a-z-]+)`\n\n(\w+)\.", section)) is None:
            continue
        blocks = re.findall(
            r"^(Found|Not found)(?:, with `--type (\w+)`)?:\n\n```\n(.*?)```",
            section,
            re.MULTILINE | re.DOTALL,
        )
        for word, attestation_type, text in blocks:
            kind = attestation_type or "SgxEnclave"
            yield Example(heading[1], heading[2].lower(), word, kind, _whole(text))


def _whole(text: str) -> str:
    versioned = text if text.startswith("version") else f"version=1.2;\n{text}"
    return versioned.replace("\N{SYMBOL FOR CARRIAGE RETURN}", "\r")


EXAMPLES: Final = tuple(_examples())


def test_every_code_has_its_section_with_two_examples_in_order() -> None:
    assert [(one.code, one.word) for one in EXAMPLES] == [
        (code, word) for code in CODES for word in ("Found", "Not found")
    ]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: f"{one.code}, {one.word}")
def test_an_example_gives_exactly_what_the_page_says(example: Example) -> None:
    found = lint_policy(compile_policy(example.text), example.attestation_type)

    expected = [(example.code, example.severity)] if example.word == "Found" else []
    assert [(finding.code, finding.severity.value) for finding in found] == expected


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: f"{one.code}, {one.word}")
def test_formatting_keeps_findings_and_what_silences_them(example: Example) -> None:
    formatted = compile_policy(format_policy(example.text))

    found = [finding.code for finding in lint_policy(formatted, example.attestation_type)]

    # The usual layout has no CR: that finding is about the text, and not about what it says.
    kept = example.word == "Found" and example.code != "line-ends"
    assert found == ([example.code] if kept else [])
