"""Text to tokens. Nothing is refused here: what the language lacks becomes a `FOREIGN` token.

The parser refuses that token where it stands, so that problems come in the order of the text
and recovery is in one place.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum
from typing import Final, NamedTuple

from assay.policy.source import Span


class TokenKind(StrEnum):
    """What a token is; punctuation and keywords are told apart by their text."""

    WORD = "word"
    INTEGER = "integer"
    DECIMAL = "decimal"
    STRING = "string"
    PUNCTUATION = "punctuation"
    COMMENT = "comment"
    FOREIGN = "foreign"
    END = "end"


class Token(NamedTuple):
    """A word of the text. A tuple, because a policy can have hundreds of thousands."""

    kind: TokenKind
    text: str
    start: int

    @property
    def span(self) -> Span:
        """Where the token stands."""
        return Span(self.start, self.start + len(self.text))


# Possessive quantifiers keep every alternative linear. A string that is not closed swallows the
# rest of the text: to resume after it would make a hostile text quadratic.
_PATTERN: Final = re.compile(
    r"""
      (?P<space>[ \t\r\n]++)
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*+)
    | (?P<string>"(?:[^"\\]|\\.)*+")
    | (?P<comment>//[^\r\n]*+)
    | (?P<foreign>
          \|\|? | [=!]~
        | /\*(?:(?!\*/).)*+(?:\*/)?
        | <[A-Za-z_][A-Za-z0-9_\ :-]{0,60}>
        | 0[xX][0-9A-Fa-f]++
        | -[0-9]++
        | --[^\r\n]*+
        | ->
        | \$\{[^{}"\r\n]{1,60}\} | \{\{[^{}"\r\n]{1,60}\}\} | %[A-Za-z_][A-Za-z0-9_]{0,60}%
        | \#[^\r\n]*+
        | '[^'\r\n]*+'
        | ```[^`\r\n]*+
        | &(?:amp|lt|gt|quot);
        | \\[rnt]
        | ".*+
      )
    | (?P<punctuation>==|=>|!=|<=|>=|&&|[=<>!{}\[\](),;:.])
    | (?P<decimal>[0-9]++\.[0-9]++)
    | (?P<integer>[0-9]++)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)

_KINDS: Final = {
    "word": TokenKind.WORD,
    "string": TokenKind.STRING,
    "comment": TokenKind.COMMENT,
    "foreign": TokenKind.FOREIGN,
    "punctuation": TokenKind.PUNCTUATION,
    "decimal": TokenKind.DECIMAL,
    "integer": TokenKind.INTEGER,
    "other": TokenKind.FOREIGN,
}

_ESCAPE: Final = re.compile(r'\\(["\\])')

_PLACEHOLDER: Final = "this looks like a placeholder: put the value there, strings in double quotes"
_HINTS: Final = (
    ('"', 'the string is not closed: its `"` has no partner'),
    ("\ufeff", "the text starts with a byte-order mark; save it as UTF-8 without one"),
    ("/*", "there are no block comments; start each line of a comment with `//`"),
    ("#", "a comment starts with `//`"),
    ("||", "there is no `||`; write one rule for each alternative"),
    ("|", "there is no `|`; write one rule for each alternative"),
    ("=~", "regular expressions are AD FS claim-rule syntax; compare with `==` or `!=`"),
    ("!~", "regular expressions are AD FS claim-rule syntax; compare with `==` or `!=`"),
    ("+", "there is no arithmetic; version 1.2 joins strings with AppendString(a, b)"),
    ("->", "the arrow is `=>`"),
    ("--", "a comment starts with `//`"),
    ("-", "integers have no sign, and there is no arithmetic"),
    ("*", "there is no arithmetic"),
    ("%", "there is no arithmetic; if this is a placeholder, put the value there"),
    ("/", "there is no arithmetic; a comment starts with `//`"),
    ("'", 'strings stand in double quotes, `"`'),
    ("<", _PLACEHOLDER),
    ("\\", "a backslash outside a string: the text was probably escaped twice on its way"),
    ("&amp;", "the text is HTML-escaped; conditions are joined with `&&`"),
    ("&lt;", "the text is HTML-escaped; write `<`"),
    ("&gt;", "the text is HTML-escaped; write `>`"),
    ("&quot;", 'the text is HTML-escaped; write `"`'),
    ("&", "conditions are joined with `&&`"),
    ("${", _PLACEHOLDER),
    ("{{", _PLACEHOLDER),
    ("@", "@RuleName is AD FS claim-rule syntax; describe a rule in a comment, `//`"),
    ("$", "names with `$` are claim types and stand in strings"),
    ("```", "this is a fence of Markdown; leave it out"),
    ("`", 'strings stand in double quotes, `"`'),
)

TYPOGRAPHIC_QUOTES: Final = frozenset(
    "\u201c\u201d\u201e\u201f\u2018\u2019\u201a\u201b\u00ab\u00bb"
)
"""They look like `"` or `'` and come from word processors."""

MAX_TOKENS: Final = 100_000
"""Thirty times the largest published policy; keeps the reading of a hostile text under a second."""


def tokenize(text: str) -> list[Token]:
    """The tokens of `text`, comments among them, with an `END` token last.

    No more than `MAX_TOKENS` and one: whoever reads them refuses a text that has so many.
    """
    tokens = []
    for match in _PATTERN.finditer(text):
        group = match.lastgroup
        if group is not None and group != "space":
            tokens.append(Token(_KINDS[group], match.group(), match.start()))
            if len(tokens) > MAX_TOKENS:
                break
    tokens.append(Token(TokenKind.END, "", len(text)))
    return tokens


def string_value(text: str) -> str:
    r"""The value of a string token: `\"` and `\\` are decoded, other escapes kept as they are."""
    return _ESCAPE.sub(r"\1", text[1:-1])


def foreign_hint(text: str) -> str:
    """What to do about a token that the language does not have."""
    if text[0] in TYPOGRAPHIC_QUOTES:
        return 'this is a typographic quote; strings stand in plain double quotes, `"`'
    if text[:2] in {"0x", "0X"}:
        # The interpreter refuses to write integers of more than a few thousand digits.
        if len(text) > len("0xFFFFFFFFFFFFFFFF"):
            return "integers are decimal"
        return f"integers are decimal: write {int(text, 16)}"
    for prefix, hint in _HINTS:
        if text.startswith(prefix):
            return hint
    name = unicodedata.name(text[0], "")
    character = f"U+{ord(text[0]):04X}" + (f", {name}," if name else "")
    return f"the character {character} has no meaning outside strings and comments"
