from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.policy.source import Span
from assay.policy.tokens import MAX_TOKENS, TokenKind, foreign_hint, string_value, tokenize


def kinds(text: str) -> list[tuple[TokenKind, str]]:
    return [(token.kind, token.text) for token in tokenize(text)[:-1]]


def test_a_rule_becomes_its_tokens() -> None:
    assert [text for _, text in kinds('c:[type=="a",value>=01]=>issue(claim=c);')] == [
        *["c", ":", "[", "type", "==", '"a"', ",", "value", ">=", "01", "]", "=>"],
        *["issue", "(", "claim", "=", "c", ")", ";"],
    ]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("_a1", TokenKind.WORD),
        ("a_b", TokenKind.WORD),
        ("12", TokenKind.INTEGER),
        ("1.0", TokenKind.DECIMAL),
        ('"a\n\\"b\\\\"', TokenKind.STRING),
        ("// x", TokenKind.COMMENT),
        ("&&", TokenKind.PUNCTUATION),
        ("/* a */", TokenKind.FOREIGN),
        ("/* a", TokenKind.FOREIGN),
        ("0xFF", TokenKind.FOREIGN),
        ("-1", TokenKind.FOREIGN),
        ("-- a", TokenKind.FOREIGN),
        ("```text", TokenKind.FOREIGN),
        ("<product-id>", TokenKind.FOREIGN),
        ('"open', TokenKind.FOREIGN),
        ("é", TokenKind.FOREIGN),
        ("\u0661", TokenKind.FOREIGN),
        ("\u00a0", TokenKind.FOREIGN),
        ("\f", TokenKind.FOREIGN),
    ],
)
def test_a_text_is_one_token_of_its_kind(text: str, kind: TokenKind) -> None:
    assert kinds(text) == [(kind, text)]


def test_a_comment_marker_in_a_string_is_text() -> None:
    assert kinds('"a//b" // c') == [(TokenKind.STRING, '"a//b"'), (TokenKind.COMMENT, "// c")]


@pytest.mark.parametrize("line_end", ["\n", "\r", "\r\n"])
def test_a_comment_ends_with_its_line_whatever_ends_that(line_end: str) -> None:
    assert kinds(f"// c{line_end}a") == [(TokenKind.COMMENT, "// c"), (TokenKind.WORD, "a")]


def test_the_end_token_stands_at_the_end() -> None:
    end = tokenize("ab ")[-1]

    assert (end.kind, end.span) == (TokenKind.END, Span(3, 3))


def test_a_comparison_before_a_name_is_no_placeholder() -> None:
    assert [text for _, text in kinds("value<a.value")] == ["value", "<", "a", ".", "value"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'"a \"b\" c"', 'a "b" c'),
        (r'"c:\\dir"', r"c:\dir"),
        (r'"tab\tx"', r"tab\tx"),
        (r'"\\\\\""', '\\\\"'),
        (r'"\\n"', r"\n"),
        ('"a\r\nb"', "a\r\nb"),
    ],
)
def test_strings_decode_quotes_and_backslashes_and_keep_other_escapes(
    text: str, value: str
) -> None:
    assert string_value(text) == value


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("\u201c", "typographic"),
        ("\u00bb", "typographic"),
        ("0xFFFFFF", "write 16777215"),
        ("0X1F", "write 31"),
        ("0x" + "F" * 16, "write 18446744073709551615"),
        ("0x" + "F" * 5000, "integers are decimal"),
        ("/* x", "block comments"),
        ("#", "`//`"),
        ("||", "one rule for each"),
        ("|", "one rule for each"),
        ("=~", "AD FS"),
        ("!~", "AD FS"),
        ("+", "AppendString"),
        ("-1", "no sign"),
        ("'a'", "double quotes"),
        ("<x>", "placeholder"),
        ("\\n", "escaped twice"),
        ("&amp;", "HTML"),
        ("&", "`&&`"),
        ("$", "claim types"),
        ("\ufeff", "byte-order mark"),
        ('"a', "not closed"),
        ("--", "`//`"),
        ("@", "AD FS"),
        ("```json", "Markdown"),
        ("`", "double quotes"),
        ("\x00", "the character U+0000 has no meaning"),
        ("\u00a0", "the character U+00A0, NO-BREAK SPACE, has no meaning"),
    ],
)
def test_every_foreign_token_has_its_own_advice(text: str, part: str) -> None:
    assert part in foreign_hint(text)


def test_reading_ends_soon_after_the_greatest_number_of_tokens() -> None:
    assert len(tokenize(";" * MAX_TOKENS)) == MAX_TOKENS + 1
    assert len(tokenize(";" * (3 * MAX_TOKENS))) == MAX_TOKENS + 2


@given(st.text())
def test_tokens_and_white_space_make_up_the_whole_text(text: str) -> None:
    at = 0

    for token in tokenize(text):
        assert not text[at : token.start].strip(" \t\r\n")
        assert text.startswith(token.text, token.start)
        at = token.start + len(token.text)
    assert at == len(text)
