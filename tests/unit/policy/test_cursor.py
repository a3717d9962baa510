from __future__ import annotations

import pytest

from assay.policy.cursor import (
    MAX_PROBLEMS,
    Cursor,
    UnexpectedTokenError,
    shown,
)
from assay.policy.source import Source, Span
from assay.policy.tokens import MAX_TOKENS, tokenize


def cursor(text: str) -> Cursor:
    return Cursor(Source(text))


def test_comments_are_not_read() -> None:
    reader = cursor("a // b\nc")

    assert [reader.advance().text, reader.advance().text, reader.at_end] == ["a", "c", True]


def test_the_end_can_be_read_again_and_again() -> None:
    reader = cursor("")

    assert reader.advance() == reader.advance() == reader.current == reader.ahead(9)
    assert reader.previous == reader.current


def test_expect_reads_the_token_it_names() -> None:
    reader = cursor("a b")

    assert reader.expect("a").text == "a"
    with pytest.raises(UnexpectedTokenError):
        reader.expect("c", "because")
    assert reader.problems[0].message == "expected `c`, got `b`; because"
    assert reader.problems[0].expected == "`c`"


def test_a_span_reaches_to_the_token_read_last() -> None:
    reader = cursor("ab  cd  ef")
    reader.advance()
    reader.advance()

    assert reader.span_from(0) == Span(0, 6)


def test_there_is_one_problem_a_place() -> None:
    reader = cursor("a b")

    reader.report_current("x")
    reader.report_current("y")
    reader.advance()
    reader.report_current("z")

    assert [problem.expected for problem in reader.problems] == ["x", "z"]


def test_reading_stops_at_the_greatest_number_of_problems() -> None:
    reader = cursor("a " * (MAX_PROBLEMS + 9))

    while not reader.at_end:
        reader.report_current("x")
        reader.advance()

    assert len(reader.problems) == MAX_PROBLEMS


def test_a_text_of_too_many_tokens_is_not_read() -> None:
    reader = cursor("a " * (MAX_TOKENS + 1))

    assert reader.at_end
    assert reader.problems[0].expected == f"at most {MAX_TOKENS} tokens"
    assert cursor("a " * MAX_TOKENS).problems == []


def test_a_string_that_is_not_closed_ends_the_reading() -> None:
    reader = cursor('"a b c')

    reader.report_current("x")

    assert reader.at_end
    assert "not closed" in reader.problems[0].message


def test_a_quote_inside_a_string_is_recognised() -> None:
    reader = cursor('"{"foo')
    reader.advance()

    reader.report_current("`,`")

    assert reader.problems[0].message.endswith('inside a string `"` is written `\\"`')


def test_a_string_over_several_lines_is_suspected() -> None:
    reader = cursor('\n"a\nb" c')
    reader.advance()

    reader.report_current("`,`")

    assert "opens at line 2" in reader.problems[0].message


def test_a_string_before_the_end_is_not_suspected() -> None:
    reader = cursor('"a"')
    reader.advance()

    reader.report_current("`,`")

    assert reader.problems[0].message == "expected `,`, got the end of the policy"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("abc", "`abc`"),
        ("", "the end of the policy"),
        ("\ufeff", "U+FEFF"),
        ('"a\nb"', '`"a`'),
        ("a" * 40, f"`{'a' * 40}`"),
        ("a" * 41, f"`{'a' * 40}…`"),
        ('"\x1b"', '`"\ufffd"`'),
    ],
)
def test_a_token_is_quoted_as_one_short_line(text: str, expected: str) -> None:
    assert shown(tokenize(text)[0]) == expected


def test_a_string_that_ends_with_a_typographic_quote_is_suspected() -> None:
    reader = cursor('"11\u201d, "b"')
    reader.advance()

    reader.report_current("x")

    assert "the string before has a typographic quote" in reader.problems[0].message
