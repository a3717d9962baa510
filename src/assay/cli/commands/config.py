"""`assay config`: the settings of a service."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from assay.cli.options import JsonOption, ServiceSettingsOption
from assay.cli.path_argument import given_path

if TYPE_CHECKING:
    from assay.encoding import JsonValue
    from assay.server.settings_shown import ShownSetting

app: Final = typer.Typer(
    help="Show the settings of a service, and validate them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command()
def show(
    *,
    origin: Annotated[
        bool, typer.Option("--origin", help="Also where each came from: a line, a variable.")
    ] = False,
    settings: ServiceSettingsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show every setting as it holds, without secrets."""
    from assay.cli.render import print_json
    from assay.cli.service_start import read_service
    from assay.server.settings_shown import shown_settings

    reading = read_service(settings)
    if reading.settings is None:
        raise reading.problems[0]
    shown = shown_settings(reading, reading.settings)
    if as_json:
        print_json({"settings": {one.name: _members(one, origin=origin) for one in shown}})
    else:
        _print_lines(shown, origin=origin)


@app.command()
def validate(
    *,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            help="Settings in TOML. Default: what ASSAY_SETTINGS names.",
            parser=given_path,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check settings, with the ASSAY_ variables that are set, and tell all problems at once.

    The files that they name are not opened: `assay doctor` does that. With a problem it ends with
    code 2.
    """
    from assay.cli.exit_code import ExitCode
    from assay.cli.render import BAD, Answer, print_json
    from assay.cli.service_start import read_service

    reading = read_service(file)
    problems = [problem.message for problem in reading.problems]
    if as_json:
        print_json({"valid": not problems, "problems": [*problems]})
    else:
        answer = Answer()
        for problem in problems:
            answer.line(("problem  ", BAD), problem)
        if not problems:
            answer.line(f"the settings are in order: {len(reading.given)} are set")
    if problems:
        raise typer.Exit(ExitCode.USAGE)


def _members(setting: ShownSetting, *, origin: bool) -> JsonValue:
    if not origin:
        return setting.value
    return {"value": setting.value, "origin": setting.origin.value, "place": setting.place}


def _print_lines(shown: tuple[ShownSetting, ...], *, origin: bool) -> None:
    from assay.cli.render import DIM, Answer, scalar

    answer = Answer()
    names = max(len(one.name) for one in shown)
    for one in shown:
        place = (f"  ({one.place})", DIM) if origin else ""
        answer.line(f"{one.name:<{names}}  ", scalar(one.value), place)
