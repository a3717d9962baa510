"""What people read: one console for answers, one for talk, and the pieces that answers share.

Colours appear on terminals only, and lines are never broken, so that pipes get what was written.
Text from evidence, tokens and servers is shown with its control characters spelled out: it may
not move the reader's cursor.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from rich.console import Console
from rich.text import Text

from assay.encoding import JsonValue
from assay.errors import Finding

GOOD: Final = "bold green"
BAD: Final = "bold red"
WARNING: Final = "bold yellow"
DIM: Final = "dim"
HEADING: Final = "bold"

_LABEL_WIDTH: Final = 11
_UNSHOWN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


class Answer:
    """Lines for a reader, on standard output."""

    def __init__(self, *, stderr: bool = False) -> None:
        self._console = Console(
            stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=True
        )

    def line(self, *parts: str | tuple[str, str]) -> None:
        """One line: plain strings and strings with a style."""
        text = Text()
        for part in parts:
            content, style = (part, "") if isinstance(part, str) else part
            text.append(printable(content), style)
        self._console.print(text)

    def heading(self, title: str) -> None:
        """A section's title, with a blank line above."""
        self.line()
        self.line((title, HEADING))

    def fact(self, label: str, *parts: str | tuple[str, str]) -> None:
        """A labelled line; an empty label continues the one above."""
        self.line((f"{label:<{_LABEL_WIDTH}}", HEADING), *parts)

    def block(self, text: str, indent: str = "") -> None:
        """Text of several lines, as it is but for its control characters."""
        for line in text.splitlines():
            self.line(indent, line)

    def findings(self, findings: Sequence[Finding]) -> None:
        """Failed checks with what was expected, what came, and what to do."""
        for number, finding in enumerate(findings, start=1):
            self.line(f"  {number}. ", (finding.check, BAD))
            self.line(("     expected  ", DIM), finding.expected)
            self.line(("     got       ", DIM), finding.actual)
            if finding.hint:
                self.line(("     hint      ", DIM), finding.hint)

    def members(
        self, value: Mapping[str, JsonValue], indent: str = "  ", lead: str | None = None
    ) -> None:
        """A JSON object as an indented list of names and values.

        Args:
            value: The object.
            indent: What each line begins with.
            lead: What the first line begins with instead, as long as `indent`.
        """
        width = max((len(name) for name, one in value.items() if not _nests(one)), default=0)
        for name, one in value.items():
            start, lead = lead or indent, None
            if not _nests(one):
                self.line(start, (f"{name:<{width}}", DIM), "  ", scalar(one))
                continue
            self.line(start, (name, HEADING))
            if isinstance(one, dict):
                self.members(one, indent + "  ")
            for item in one if isinstance(one, list) else ():
                self._item(item, indent + "  ")

    def _item(self, item: JsonValue, indent: str) -> None:
        if isinstance(item, dict) and item:
            self.members(item, indent + "  ", lead=indent + "- ")
        else:
            self.line(indent, "- ", scalar(item))


def print_json(value: Mapping[str, JsonValue]) -> None:
    """Print one JSON object on standard output."""
    # ASCII only: valid in every locale, and no character of the evidence reaches the terminal.
    print(json.dumps(value, indent=2))


def printable(text: str) -> str:
    """The text with characters that do not show, or that steer a terminal, spelled out."""
    return "".join(
        char if unicodedata.category(char) not in _UNSHOWN else _spelled(char) for char in text
    )


def scalar(value: JsonValue) -> str:
    """A value on one line: strings bare, the rest as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def listed(values: Iterable[str], none: str = "none") -> str:
    """Values with commas between, or a word for their absence."""
    return ", ".join(values) or none


def _nests(value: JsonValue) -> bool:
    return isinstance(value, dict | list) and bool(value)


def _spelled(char: str) -> str:
    # One column, so that a caret below stays where it points.
    return " " if char == "\t" else char.encode("unicode_escape").decode("ascii")
