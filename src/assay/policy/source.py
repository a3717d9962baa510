"""The text of a policy with its lines, the problems found in it, and the errors they become."""

from __future__ import annotations

import bisect
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

from assay.errors import PolicyError

_LINE_END: Final = re.compile(r"\r\n|\r|\n")

_SHOWN_CHARACTERS: Final = 100
"""How much of a long source line an error shows; machine-made policies are one line."""


class Span(NamedTuple):
    """A stretch of the text, in code points. A tuple, because every node of a tree has one."""

    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyProblem:
    """One reason why a text is not a policy, with its place."""

    line: int
    """From 1."""

    column: int
    """From 1, in code points."""

    length: int
    """Code points of the offending text on its first line; at least 1."""

    message: str
    """A whole sentence without its place: what was expected, what came, what to do."""

    expected: str
    """What the grammar allows here."""

    source: str
    """The source line, shortened around the column where it is long."""

    caret: str
    """Blanks and `^` to print under `source`."""

    def __str__(self) -> str:
        place = f"line {self.line}, column {self.column}"
        return f"{place}: {self.message}\n    {self.source}\n    {self.caret}"


class PolicySyntaxError(PolicyError):
    """The text is not a policy; `problems` are in the order of the text and never empty."""

    def __init__(self, problems: Sequence[PolicyProblem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)

    @property
    def line(self) -> int:
        """Line of the first problem, from 1."""
        return self.problems[0].line

    @property
    def column(self) -> int:
        """Column of the first problem, from 1."""
        return self.problems[0].column


class PolicyEvaluationError(PolicyError):
    """A policy failed while it ran: a function refused its argument, or a bound was reached."""

    def __init__(self, reason: str, *, line: int, column: int) -> None:
        super().__init__(f"line {line}, column {column}: {reason}")
        self.reason = reason
        self.line = line
        self.column = column


class Source:
    """A policy's text; places in it are offsets until somebody wants to read them."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(match.end() for match in _LINE_END.finditer(self.text))]

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of `offset`, both from 1."""
        line = bisect.bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1

    def offset(self, line: int, column: int) -> int:
        """The offset of a line and a column, both from 1."""
        return self._line_starts[line - 1] + column - 1

    def slice(self, span: Span) -> str:
        """The text of `span`."""
        return self.text[span.start : span.end]

    def problem(self, span: Span, message: str, *, expected: str) -> PolicyProblem:
        """A problem at `span`."""
        line, column = self.position(span.start)
        whole = self._line(line)
        # Not past the end of the line: a string can run over several.
        length = max(1, min(span.end, span.start - column + 1 + len(whole)) - span.start)
        start, shown = _window(whole, column)
        # Tabs stay tabs under tabs, or the caret would stand elsewhere.
        blanks = "".join("\t" if c == "\t" else " " for c in shown[: column - 1 - start])
        return PolicyProblem(
            line=line,
            column=column,
            length=length,
            message=message,
            expected=expected,
            source=printable(shown),
            caret=blanks + "^" * max(1, min(length, len(shown) - len(blanks))),
        )

    def failure(self, span: Span, reason: str) -> PolicyEvaluationError:
        """The error of an evaluation that failed at `span`."""
        line, column = self.position(span.start)
        return PolicyEvaluationError(reason, line=line, column=column)

    def _line(self, line: int) -> str:
        start = self._line_starts[line - 1]
        match = _LINE_END.search(self.text, start)
        return self.text[start : len(self.text) if match is None else match.start()]


def printable(text: str) -> str:
    """The text without what a terminal would obey; as many characters as before."""
    return "".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in text)


def _window(line: str, column: int) -> tuple[int, str]:
    if len(line) <= _SHOWN_CHARACTERS:
        return 0, line
    start = max(0, min(column - _SHOWN_CHARACTERS // 2, len(line) - _SHOWN_CHARACTERS))
    return start, line[start : start + _SHOWN_CHARACTERS]
