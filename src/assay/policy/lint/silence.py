"""Comments that silence findings: `// assay: allow CODE, CODE - reason`.

Such a comment covers the rule that it stands above, in or behind. Above a section's name it covers
the section, above or behind the version statement the whole policy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from assay.policy.hints import meant
from assay.policy.lint.subject import LintFinding, Severity, Subject
from assay.policy.source import Span
from assay.policy.tokens import Token, TokenKind, tokenize

_COMMENT: Final = re.compile(r"//\s*assay:\s*(?P<wish>.*)")
_WISH: Final = re.compile(r"allow\s+(?P<codes>[\w-]+(?:\s*,\s*[\w-]+)*)(?:\s+-\s.*)?\s*")
_FORM: Final = "// assay: allow CODE, CODE - reason"

# About the comments themselves: to silence these would only move the question.
_LOUD: Final = frozenset({"silence-unknown", "silence-unused"})

_Place: TypeAlias = tuple[int, int]
_Covered: TypeAlias = tuple[Token, Span | None]
"""A comment and the text that it is about; `None` where nothing follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Silence:
    code: str
    comment: Span
    first: _Place
    last: _Place
    """Line and column of the first and the last covered character."""

    def covers(self, finding: LintFinding) -> bool:
        return (
            finding.code == self.code and self.first <= (finding.line, finding.column) <= self.last
        )


def silenced(
    findings: Sequence[LintFinding], subject: Subject, codes: Sequence[str]
) -> Iterator[LintFinding]:
    """The findings that no comment of the policy silences, and those about such comments."""
    silences: list[_Silence] = []
    for comment, covered in _Comments(subject.source.text).read():
        wish = _COMMENT.fullmatch(comment.text)
        if wish is None:
            continue
        asked = _WISH.fullmatch(wish.group("wish"))
        if asked is None:
            message = f"expected `{_FORM}`"
            yield subject.finding("silence-unknown", Severity.WARNING, comment.span, message)
            continue
        for code in re.split(r"\s*,\s*", asked.group("codes")):
            if code in codes and code not in _LOUD:
                silences.append(_silence(subject, code, comment, covered))
            else:
                hint = meant(code, codes) or "docs/policy-lint.md lists the codes"
                message = f"there is no code {code} to allow; {hint}"
                yield subject.finding("silence-unknown", Severity.WARNING, comment.span, message)
    yield from (one for one in findings if not any(silence.covers(one) for silence in silences))
    # Without a type many rules do not speak: what they would say is not known.
    if subject.attestation_type is not None:
        yield from _unused(subject, silences, findings)


def _unused(
    subject: Subject, silences: Sequence[_Silence], findings: Sequence[LintFinding]
) -> Iterator[LintFinding]:
    for silence in silences:
        if not any(silence.covers(finding) for finding in findings):
            message = f"there is no finding {silence.code} here to allow"
            yield subject.finding("silence-unused", Severity.NOTE, silence.comment, message)


def _silence(subject: Subject, code: str, comment: Token, covered: Span | None) -> _Silence:
    nothing = (0, 0)
    return _Silence(
        code=code,
        comment=comment.span,
        first=nothing if covered is None else subject.source.position(covered.start),
        last=nothing if covered is None else subject.source.position(covered.end - 1),
    )


@dataclass(slots=True)
class _Comments:
    """Goes through a policy that parses, statement by statement."""

    text: str
    _before: list[Token] = field(default_factory=list)
    """Comments whose statement has not ended yet."""

    _of_section: list[Token] = field(default_factory=list)
    _section: int = 0
    _statement: Token | None = None
    """The first token of the statement that is being read."""

    _ended: Span | None = None
    """What a comment behind the statement before covers."""

    _end: int = 0
    """Where that statement ended."""

    def read(self) -> Iterator[_Covered]:
        """Each comment with what it covers."""
        for token in tokenize(self.text)[:-1]:
            if token.kind is not TokenKind.COMMENT:
                yield from self._word(token)
            elif self._is_behind(token):
                yield token, self._ended
            else:
                self._before.append(token)
        yield from self._cover(self._before, None)

    def _is_behind(self, comment: Token) -> bool:
        gap = self.text[self._end : comment.start]
        return self._statement is None and self._end > 0 and gap.strip(" \t") == ""

    def _word(self, token: Token) -> Iterator[_Covered]:
        if self._statement is None:
            self._statement = token
        if token.text == "{":
            self._section = self._statement.start
            self._of_section, self._before, self._statement = self._before, [], None
        elif token.text == ";":
            yield from self._finish(self._statement, token.span.end)

    def _finish(self, first: Token, end: int) -> Iterator[_Covered]:
        if first.text == "version":
            covered = Span(0, len(self.text))
            yield from self._cover(self._before, covered)
        elif first.text == "}":
            covered = Span(self._section, end)
            yield from self._cover(self._of_section, covered)
            # What stands before the `}` stands above no rule.
            yield from self._cover(self._before, None)
        else:
            covered = Span(first.start, end)
            yield from self._cover(self._before, covered)
        self._before, self._statement, self._ended, self._end = [], None, covered, end

    @staticmethod
    def _cover(comments: Sequence[Token], covered: Span | None) -> Iterator[_Covered]:
        for comment in comments:
            yield comment, covered
