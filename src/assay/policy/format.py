"""A policy in the usual layout. The meaning stays, the hash does not: white space counts in it.

Comments are kept. One inside a rule moves above it, one after a rule's `;` stays where it is.
"""

from __future__ import annotations

from typing import Final

from assay.policy.compiler import compile_policy
from assay.policy.tokens import Token, TokenKind, tokenize

_INDENT: Final = "    "
_WIDTH: Final = 100


def format_policy(text: str) -> str:
    """The policy of `text` in the usual layout; formatting the result again changes nothing.

    Raises:
        PolicySyntaxError: The text is not a policy.
    """
    compile_policy(text)
    printer = _Printer(text)
    for token in tokenize(text)[:-1]:
        printer.take(token)
    return "\n".join(printer.lines) + "\n"


class _Printer:
    def __init__(self, text: str) -> None:
        self.lines: list[str] = []
        self._text = text
        self._statement: list[Token] = []
        self._inner: list[str] = []
        self._depth = 0
        self._end = 0
        """Where the token before ended."""

    def take(self, token: Token) -> None:
        """Print `token` or keep it for its statement."""
        gap = self._text[self._end : token.start]
        if not self._statement:
            self._keep_blank_line(gap, token)
        if token.kind is TokenKind.COMMENT:
            self._comment(token.text.rstrip(), gap)
        elif token.text == "{":
            self._print([token.text for token in self._statement])
            self._line("{")
            self._depth = 1
        else:
            self._statement.append(token)
            if token.text == ";":
                self._finish()
        self._end = token.start + len(token.text)

    def _keep_blank_line(self, gap: str, token: Token) -> None:
        lines = len(gap.splitlines()) if gap.endswith(("\r", "\n")) else len(gap.splitlines()) - 1
        closes = token.text == "}"
        if lines > 1 and self.lines and self.lines[-1] not in {"{", ""} and not closes:
            self.lines.append("")

    def _comment(self, comment: str, gap: str) -> None:
        if self._statement:
            self._inner.append(comment)
        elif self.lines and "\n" not in gap and "\r" not in gap:
            self.lines[-1] += " " + comment
        else:
            self._line(comment)

    def _finish(self) -> None:
        parts = _parts(self._statement)
        if self._statement[0].text == "}":
            self._print([])
            self._depth = 0
        joined = " ".join(parts)
        if len(_INDENT) * self._depth + len(joined) > _WIDTH and len(parts) > 1:
            *conditions, action = parts
            self._print([*conditions, _INDENT + action])
        else:
            self._print([joined])

    def _print(self, lines: list[str]) -> None:
        for line in (*self._inner, *lines):
            self._line(line)
        self._statement = []
        self._inner = []

    def _line(self, line: str) -> None:
        self.lines.append(_INDENT * self._depth + line)


def _parts(tokens: list[Token]) -> list[str]:
    """The conditions of a statement, each with its `&&`, and its action; or all of it."""
    parts = [""]
    for token in tokens:
        if token.text == "&&":
            parts[-1] += " &&"
            parts.append("")
        elif token.text == "=>":
            parts = [*parts, "=> "] if parts[-1] else ["=> "]
        elif token.text == ",":
            parts[-1] += ", "
        elif token.kind is TokenKind.INTEGER:
            parts[-1] += str(int(token.text))
        else:
            parts[-1] += token.text
    return parts
