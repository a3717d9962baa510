from __future__ import annotations

import json

import pytest

from assay.cli.render import BAD, Answer, listed, print_json, printable, scalar
from assay.errors import Finding


def test_long_lines_are_not_broken(capsys: pytest.CaptureFixture[str]) -> None:
    Answer().line("word " * 60)

    assert capsys.readouterr().out == "word " * 60 + "\n"


def test_pipes_get_no_colours(capsys: pytest.CaptureFixture[str]) -> None:
    Answer().line(("FAIL", BAD), " [bold]x[/bold] :smile: 123")

    assert capsys.readouterr().out == "FAIL [bold]x[/bold] :smile: 123\n"


def test_terminals_get_colours_unless_they_are_not_wanted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    Answer().line(("FAIL", BAD))
    coloured = capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    Answer().line(("FAIL", BAD))
    plain = capsys.readouterr().out

    assert "\x1b[1;31m" in coloured
    assert "31m" not in plain


def test_talk_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    Answer(stderr=True).line("hello")

    assert capsys.readouterr() == ("", "hello\n")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 中", "plain é 中"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\nb", "a\\nb"),
        ("a\tb", "a b"),
        ("\u202eevil", "\\u202eevil"),
        ("\x9b2J", "\\x9b2J"),
        ("\ud800", "\\ud800"),
    ],
)
def test_control_characters_are_spelled_out(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_block_keeps_its_lines(capsys: pytest.CaptureFixture[str]) -> None:
    Answer().block("a\nb\n", "  ")

    assert capsys.readouterr().out == "  a\n  b\n"


def test_findings_show_both_sides_and_the_hint(capsys: pytest.CaptureFixture[str]) -> None:
    Answer().findings(
        [
            Finding(check="a.b.c", expected="one", actual="two", hint="change it"),
            Finding(check="d.e.f", expected="three", actual="four"),
        ]
    )

    assert capsys.readouterr().out.splitlines() == [
        "  1. a.b.c",
        "     expected  one",
        "     got       two",
        "     hint      change it",
        "  2. d.e.f",
        "     expected  three",
        "     got       four",
    ]


def test_members_are_aligned_and_nested(capsys: pytest.CaptureFixture[str]) -> None:
    Answer().members(
        {
            "a": 1,
            "longer": True,
            "empty": {},
            "object": {"x": "y", "deep": {"z": None}},
            "list": [{"n": 1, "name": "one"}, "two", {}],
        }
    )

    assert capsys.readouterr().out.splitlines() == [
        "  a       1",
        "  longer  true",
        "  empty   {}",
        "  object",
        "    x  y",
        "    deep",
        "      z  null",
        "  list",
        "    - n     1",
        "      name  one",
        "    - two",
        "    - {}",
    ]


def test_json_is_one_object_in_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": "é\x1b"})

    out = capsys.readouterr().out
    assert out.isascii()
    assert json.loads(out) == {"a": "é\x1b"}


def test_scalars_are_bare_or_json() -> None:
    assert [scalar("x"), scalar(1), scalar(value=False), scalar(None)] == [
        "x",
        "1",
        "false",
        "null",
    ]


def test_no_values_have_a_word() -> None:
    assert listed([]) == "none"
    assert listed(["a", "b"]) == "a, b"
