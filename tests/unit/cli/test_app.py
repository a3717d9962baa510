from __future__ import annotations

import sys
from importlib.metadata import version

import pytest

from assay.cli import input_file, main
from assay.cli.exit_code import MEANINGS
from tests.unit.cli.conftest import Run

COMMANDS = (
    ("appraise",),
    ("inspect",),
    ("attest",),
    ("serve",),
    ("demo",),
    ("doctor",),
    ("token", "show"),
    ("token", "verify"),
    ("collateral", "fetch"),
    ("collateral", "export"),
    ("collateral", "import"),
    ("collateral", "show"),
    ("simulate", "sgx"),
    ("simulate", "openenclave"),
    *(("policy", one) for one in ("new", "check", "lint", "format", "hash")),
    *(("db", one) for one in ("upgrade", "check", "backup")),
    *(("config", one) for one in ("show", "validate")),
    *(("policy", one) for one in ("eval", "explain", "test", "diff")),
)


def test_help_has_every_command_and_the_table_of_exit_codes(run: Run) -> None:
    outcome = run("--help")

    assert outcome.exit_code == 0
    for command in COMMANDS:
        assert f"\n  {command[0]} " in outcome.out
    for code, meaning in MEANINGS.items():
        assert f"    {code.value}  {meaning}\n" in outcome.out


def test_no_summary_in_the_help_is_cut_off(run: Run) -> None:
    for arguments in ((), ("token",), ("collateral",), ("simulate",), ("policy",)):
        assert "..." not in run(*arguments, "--help").out.replace("[ARGS]...", "")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_and_json(run: Run, command: tuple[str, ...]) -> None:
    outcome = run(*command, "--help")

    assert outcome.exit_code == 0
    assert outcome.out.startswith(f"Usage: assay {' '.join(command)}")
    assert "--json" in outcome.out
    assert run(*command, "-h").out == outcome.out


def test_the_version_is_that_of_the_package(run: Run) -> None:
    outcome = run("--version")

    assert outcome.exit_code == 0
    assert outcome.out == f"assay {version('assay')}\n"


@pytest.mark.parametrize(
    "arguments", [("appraise",), ("unknown",), ("appraise", "x", "--at"), ("--unknown",)]
)
def test_what_cannot_be_understood_is_a_usage_error(run: Run, arguments: tuple[str, ...]) -> None:
    outcome = run(*arguments)

    assert outcome.exit_code == 2
    assert outcome.out == ""
    assert "Error: " in outcome.err


def test_a_defect_is_one_line_and_never_a_trace(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    # A limit of another type is a defect that any command can meet.
    monkeypatch.setattr(input_file, "MAX_INPUT_BYTES", None)

    outcome = run("inspect", "-", stdin=b"x")

    assert outcome.exit_code == 1
    assert outcome.err.startswith("assay: internal error: TypeError: ")
    assert outcome.err.count("\n") == 1


def test_a_reader_that_has_gone_is_no_defect(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_path: object, **_limits: object) -> bytes:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("assay.cli.inspection.path.read_input", gone)

    outcome = run("inspect", "-")

    assert outcome.exit_code == 1
    assert "internal error" not in outcome.err


def test_main_ends_the_process_with_the_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["assay", "inspect", "missing.bin"])

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == 2
    assert "missing.bin: cannot be read" in capsys.readouterr().err
