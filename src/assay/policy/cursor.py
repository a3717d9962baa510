"""A place in a list of tokens, and the problems met on the way."""

from __future__ import annotations

import re
from typing import Final

from assay.policy.source import PolicyProblem, Source, Span, printable
from assay.policy.tokens import (
    MAX_TOKENS,
    TYPOGRAPHIC_QUOTES,
    Token,
    TokenKind,
    foreign_hint,
    tokenize,
)

MAX_PROBLEMS: Final = 50
"""Nobody reads more at once, and a text that is no policy has one at every token."""

_SHOWN_TOKEN: Final = 40
"""Longer tokens are shortened in messages."""

_WRITTEN: Final = re.compile(r"[A-Za-z_](?:[A-Za-z0-9_.-]{0,98}[A-Za-z0-9_])?")
"""Names of claims and the like; bounded, since it is looked for at every problem."""

_QUOTES: Final = "strings stand in double quotes, integers are decimal digits"
_ENDS: Final = frozenset({TokenKind.PUNCTUATION, TokenKind.END})
_NUMBERS: Final = frozenset({TokenKind.INTEGER, TokenKind.DECIMAL})


class UnexpectedTokenError(Exception):
    """Ends the reading of a rule; its problem is already recorded."""


class Cursor:
    """Tokens without comments, read from the left."""

    def __init__(self, source: Source) -> None:
        everything = tokenize(source.text)
        tokens = [token for token in everything if token.kind is not TokenKind.COMMENT]
        self.source = source
        self.problems: list[PolicyProblem] = []
        self._tokens = tokens
        self._index = 0
        self._last = len(tokens) - 1
        self._stopped = False
        self._reported = 0
        if len(everything) > MAX_TOKENS + 1:
            self.report(everything[MAX_TOKENS].span, f"at most {MAX_TOKENS} tokens", "got more")
            self.stop()

    @property
    def current(self) -> Token:
        """The token to be read next."""
        return self._tokens[self._index]

    @property
    def previous(self) -> Token:
        """The token read last; the first one where none was."""
        return self._tokens[max(0, self._index - 1)]

    @property
    def at_end(self) -> bool:
        """Whether nothing is left."""
        return self._index == self._last

    @property
    def written(self) -> str:
        """What an author who forgot the quotes took for one word, from the current token on."""
        match = _WRITTEN.match(self.source.text, self.current.start)
        return self.current.text if match is None else match.group()

    def ahead(self, distance: int = 1) -> Token:
        """The token `distance` after the current one; the end token past the end."""
        return self._tokens[min(self._index + distance, self._last)]

    def advance(self) -> Token:
        """Read the current token; the end token stays current."""
        token = self._tokens[self._index]
        if self._index < self._last:
            self._index += 1
        return token

    def accept(self, text: str) -> bool:
        """Read the current token if it is `text`."""
        if self._tokens[self._index].text == text:
            self.advance()
            return True
        return False

    def expect(self, text: str, hint: str = "") -> Token:
        """Read the current token, which must be `text`.

        Raises:
            UnexpectedTokenError: It is another one.
        """
        token = self._tokens[self._index]
        if token.text != text:
            raise self.unexpected(f"`{text}`", hint)
        return self.advance()

    def span_from(self, start: int) -> Span:
        """From `start` to the end of the token read last."""
        token = self._tokens[self._index - 1]
        return Span(start, token.start + len(token.text))

    def unexpected(self, expected: str, hint: str = "") -> UnexpectedTokenError:
        """Record that the current token is not what was expected; the caller raises the result."""
        self.report_current(expected, hint)
        return UnexpectedTokenError()

    def report_current(self, expected: str, hint: str = "") -> None:
        """Record that the current token is not what was expected."""
        token = self.current
        if token.kind is TokenKind.FOREIGN:
            hint = foreign_hint(token.text)
        elif not hint:
            hint = self._string_hint(token)
        self.report(token.span, expected, f"got {shown(token)}", hint)
        if token.kind is TokenKind.FOREIGN and token.text[0] == '"':
            # The string that is not closed is the rest of the text.
            self.stop()

    def report(self, span: Span, expected: str, actual: str, hint: str = "") -> None:
        """Record a problem; reading stops when there are too many."""
        # One problem a place: what follows from it is noise.
        if self._stopped or (self.problems and span.start == self._reported):
            return
        self._reported = span.start
        message = f"expected {expected}, {actual}" + (f"; {hint}" if hint else "")
        self.problems.append(self.source.problem(span, message, expected=expected))
        if len(self.problems) >= MAX_PROBLEMS:
            self.stop()

    def place_behind(self) -> str:
        """For the end of a hint: where a missing `;` belongs, if on a line before."""
        before = self.previous
        line, _ = self.source.position(before.start)
        if line == self.source.position(self.current.start)[0]:
            return ""
        return f"; put it behind {shown(before)} in line {line}"

    def stop(self) -> None:
        """Go to the end: what is left is not read, nor are its problems recorded."""
        self._index = self._last
        self._stopped = True

    def _string_hint(self, token: Token) -> str:
        before = self.previous
        if before.kind in _NUMBERS and token.kind is TokenKind.WORD:
            return _QUOTES if token.start == before.span.end else ""
        if before.kind is not TokenKind.STRING:
            return ""
        if TYPOGRAPHIC_QUOTES.intersection(before.text):
            return 'the string before has a typographic quote; it ends at the next plain `"`'
        if "\n" in before.text or "\r" in before.text:
            line, _ = self.source.position(before.start)
            return f"the string that opens at line {line} runs over a line end: is it closed?"
        if token.start == before.span.end and token.kind not in _ENDS:
            return 'inside a string `"` is written `\\"`'
        return ""


def shown(token: Token) -> str:
    """A token as messages quote it."""
    if token.kind is TokenKind.END:
        return "the end of the policy"
    if not token.text[0].isprintable():
        return f"U+{ord(token.text[0]):04X}"
    text = printable(token.text.splitlines()[0])
    return f"`{text[:_SHOWN_TOKEN]}…`" if len(text) > _SHOWN_TOKEN else f"`{text}`"
