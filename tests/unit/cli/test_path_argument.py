from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import pytest
import typer

from assay.cli import app
from assay.cli.path_argument import given_path
from tests.unit.cli.conftest import Files, Run


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("inspect", ""), "FILE"),
        (("appraise", ""), "FILE"),
        (("appraise", "quote.bin", "--collateral", ""), "--collateral"),
        (("appraise", "quote.bin", "--root", "root.pem", "--root="), "--root"),
        (("collateral", "show", ""), "PATH..."),
        (("collateral", "export", "collateral.json", "", "--out", "x"), "PATH..."),
        (("collateral", "import", "bundle", "--into", ""), "--into"),
        (("policy", "test", ""), "DIR"),
        (("simulate", "sgx", "--platform", "", "--out", "x"), "--platform"),
    ],
)
def test_an_empty_path_is_a_usage_error(run: Run, arguments: tuple[str, ...], name: str) -> None:
    outcome = run(*arguments)

    assert outcome.exit_code == 2
    assert outcome.out == ""
    assert f"Invalid value for '{name}'" in outcome.err
    assert "expected a path, got an empty one" in outcome.err


def test_the_working_folder_has_to_be_named(
    run: Run, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files.folder)

    assert run("collateral", "show", ".").exit_code == 0
    assert run("collateral", "show", "").exit_code == 2


def test_every_path_of_every_command_is_read_alike() -> None:
    paths = {
        f"{command} {name}": parameter.parser
        for command, hints in _commands(app)
        for name, hint in hints.items()
        if get_origin(hint) is Annotated and _holds_path(get_args(hint)[0])
        for parameter in get_args(hint)[1:]
    }

    assert len(paths) > 60
    assert {name for name, parser in paths.items() if parser is not given_path} == set()


def _commands(group: typer.Typer) -> Iterator[tuple[str, dict[str, Any]]]:
    for command in group.registered_commands:
        assert command.callback is not None
        hints = get_type_hints(command.callback, include_extras=True)
        yield f"{command.callback.__module__}.{command.callback.__name__}", hints
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        yield from _commands(inner.typer_instance)


def _holds_path(hint: Any) -> bool:  # noqa: ANN401  a type
    return hint is Path or any(map(_holds_path, get_args(hint)))
