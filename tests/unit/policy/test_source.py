from __future__ import annotations

import pytest

from assay.policy.source import (
    PolicyEvaluationError,
    PolicySyntaxError,
    Source,
    Span,
    printable,
)


def test_positions_count_lines_and_columns_from_one() -> None:
    source = Source("ab\ncd\r\nef\rgh")

    assert source.position(0) == (1, 1)
    assert source.position(4) == (2, 2)
    assert source.position(7) == (3, 1)
    assert source.position(10) == (4, 1)
    assert source.position(12) == (4, 3)


def test_an_offset_comes_back_from_its_position() -> None:
    source = Source("ab\ncd\r\nef\rgh")

    assert [source.offset(*source.position(offset)) for offset in range(13)] == [*range(13)]


def test_a_problem_shows_its_line_with_a_caret_under_the_span() -> None:
    problem = Source("one\n\ttwo three").problem(Span(9, 14), "expected 3", expected="3")

    assert (problem.line, problem.column, problem.length) == (2, 6, 5)
    assert str(problem) == "line 2, column 6: expected 3\n    \ttwo three\n    \t    ^^^^^"


def test_a_problem_that_runs_over_a_line_end_is_marked_to_the_line_end() -> None:
    problem = Source("abc\ndef").problem(Span(1, 6), "m", expected="e")

    assert problem.length == 2
    assert problem.caret == " ^^"


def test_a_problem_at_the_end_has_a_caret_of_one() -> None:
    problem = Source("").problem(Span(0, 0), "m", expected="e")

    assert (problem.line, problem.column, problem.length, problem.caret) == (1, 1, 1, "^")


@pytest.mark.parametrize(("offset", "caret"), [(0, 1), (40, 41), (250, 50), (499, 100)])
def test_a_long_line_is_shown_around_the_problem(offset: int, caret: int) -> None:
    text = "".join(chr(ord("a") + index % 26) for index in range(500))

    problem = Source(text).problem(Span(offset, offset + 1), "m", expected="e")

    assert len(problem.source) == 100
    assert problem.source[len(problem.caret) - 1] == text[offset]
    assert len(problem.caret) == caret


def test_a_problem_longer_than_what_is_shown_is_marked_to_its_end() -> None:
    problem = Source("x" * 500).problem(Span(60, 500), "m", expected="e")

    assert problem.length == 440
    assert len(problem.caret) == len(problem.source) == 100


def test_what_a_terminal_would_obey_is_not_shown() -> None:
    problem = Source("\x1b[2J\tx").problem(Span(5, 6), "m", expected="e")

    assert problem.source == "\ufffd[2J\tx"
    assert printable("a\u202eb") == "a\ufffdb"


def test_a_syntax_error_stands_where_its_first_problem_stands() -> None:
    source = Source("a\nb")
    problems = [source.problem(Span(at, at + 1), f"m{at}", expected="e") for at in (0, 2)]

    error = PolicySyntaxError(problems)

    assert (error.line, error.column) == (1, 1)
    assert error.problems == tuple(problems)
    assert str(error) == f"{problems[0]}\n{problems[1]}"


def test_a_failure_names_its_place() -> None:
    error = Source("a\n bc").failure(Span(3, 5), "no")

    assert isinstance(error, PolicyEvaluationError)
    assert (error.line, error.column, error.reason) == (2, 2, "no")
    assert str(error) == "line 2, column 2: no"
    assert Source("a\n bc").slice(Span(3, 5)) == "bc"
