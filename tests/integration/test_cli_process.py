"""The command line as a process: how fast it starts, and how it behaves in pipes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import pytest

from assay.cli.exit_code import ExitCode
from assay.simulator import SimulatedPlatform
from tests.conftest import AT

_ASSAY: Final = [sys.executable, "-m", "assay"]


def _run(*arguments: str, environment: dict[str, str] | None = None) -> tuple[int, str, str]:
    done = subprocess.run(  # noqa: S603
        [*_ASSAY, *arguments],
        env={**os.environ, **(environment or {})},
        capture_output=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_help_imports_nothing_that_it_does_not_show() -> None:
    program = (
        "import sys; from assay.cli import app; import typer.main; typer.main.get_command(app);"
        "print([m for m in sys.modules if m.split('.')[0] in "
        "{'cryptography','httpx2','rich','msgspec','joserfc','starlette','sqlalchemy'}])"
    )
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", program], capture_output=True, timeout=60, check=True
    )

    assert done.stdout.decode().strip() == "[]"


def test_help_starts_fast() -> None:
    bare = min(_seconds([sys.executable, "-c", "import typer"]) for _ in range(3))

    ours = min(_seconds([*_ASSAY, "--help"]) for _ in range(3))

    # Measured against the library alone, so that a slow machine does not fail the test.
    assert ours < 2 * bare + 0.15


def test_pipes_get_whole_lines_without_colours(tmp_path: Path) -> None:
    quote = tmp_path / "quote"
    quote.write_bytes(SimulatedPlatform.create(AT).quote())

    code, out, _ = _run("inspect", str(quote), environment={"COLUMNS": "40"})

    assert code == 0
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) > 100


def test_a_reader_that_goes_early_gets_no_trace(tmp_path: Path) -> None:
    quote = tmp_path / "quote"
    quote.write_bytes(SimulatedPlatform.create(AT).quote())
    with subprocess.Popen(  # noqa: S603
        [*_ASSAY, "inspect", str(quote)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        process.wait(60)
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read().decode()


def test_standard_input_that_is_closed_is_a_usage_error() -> None:
    code, out, err = _run_in_shell("<&-", "appraise", "-")

    assert code == ExitCode.USAGE
    assert out == ""
    assert err == "assay: -: standard input is closed; name a file, or pipe the content in\n"


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("--version",),
        ("appraise", "--help"),
        ("policy", "new", "--list"),
        ("policy", "new", "--template", "sgx-signer", "--json"),
        ("demo",),
    ],
    ids=" ".join,
)
def test_standard_output_that_is_full_is_no_defect(
    arguments: tuple[str, ...], unbuffered: str
) -> None:
    code, _, err = _run_in_shell(
        "> /dev/full", *arguments, environment={"PYTHONUNBUFFERED": unbuffered}
    )

    assert code == ExitCode.USAGE
    assert err == (
        "assay: standard output cannot be written: No space left on device; "
        "send it to another place\n"
    )


def test_the_code_of_a_failure_stays_where_standard_error_is_full_or_closed() -> None:
    for redirection in ("2> /dev/full", "2>&-"):
        code, out, _ = _run_in_shell(redirection, "inspect", "missing")

        assert code == ExitCode.USAGE
        assert out == ""


def test_a_record_does_not_go_nowhere(tmp_path: Path) -> None:
    code, _, err = _run_in_shell(
        ">&-", "audit", "export", environment={"ASSAY_DATA_DIR": str(tmp_path)}
    )

    assert code == ExitCode.USAGE
    assert err == "assay: standard output is closed; send the record to a file\n"


def test_a_short_answer_whose_reader_has_gone_gets_no_trace() -> None:
    with subprocess.Popen(  # noqa: S603
        [*_ASSAY, "--version"],
        env={**os.environ, "PYTHONUNBUFFERED": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""

    assert process.returncode == 1


def test_a_defect_shows_its_trace_only_when_asked(tmp_path: Path) -> None:
    # A package without its data is a defect that a process can be started with.
    program = (
        "import assay.cli.input_file as f; f.MAX_INPUT_BYTES = None; "
        "from assay.cli import main; main()"
    )
    arguments = [sys.executable, "-c", program, "inspect", str(tmp_path / "x")]
    (tmp_path / "x").write_bytes(b"x")
    quiet = {name: value for name, value in os.environ.items() if name != "ASSAY_DEBUG"}

    short = subprocess.run(arguments, env=quiet, capture_output=True, check=False)  # noqa: S603
    long = subprocess.run(  # noqa: S603
        arguments, env={**quiet, "ASSAY_DEBUG": "1"}, capture_output=True, check=False
    )

    assert short.returncode == long.returncode == ExitCode.INTERNAL
    assert b"Traceback" not in short.stderr
    assert b"Traceback" in long.stderr


@pytest.mark.parametrize("arguments", [("--version",), ("--help",), ("appraise", "--help")])
def test_informative_options_end_well(arguments: tuple[str, ...]) -> None:
    code, out, err = _run(*arguments)

    assert code == 0
    assert out
    assert err == ""


def _run_in_shell(
    redirection: str, *arguments: str, environment: dict[str, str] | None = None
) -> tuple[int, str, str]:
    done = subprocess.run(  # noqa: S603
        ["/bin/sh", "-c", f'exec "$@" {redirection}', "sh", *_ASSAY, *arguments],
        env={**os.environ, **(environment or {})},
        capture_output=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def _seconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, capture_output=True, timeout=60, check=True)  # noqa: S603
    return time.perf_counter() - started
