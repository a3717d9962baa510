"""`assay inspect`: decode a file without trusting it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from assay.cli.options import JsonOption
from assay.cli.path_argument import given_path


def inspect(
    *,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="Evidence, an event log, collateral (file or directory), a token, keys, "
            "certificates.",
            parser=given_path,
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Decode evidence, logs, collateral, tokens and keys.

    Nothing is verified.
    """
    from assay.cli.inspection import inspect_path
    from assay.cli.render import WARNING, Answer, print_json

    inspection = inspect_path(file)
    if as_json:
        print_json(inspection.report)
        return
    answer = Answer()
    answer.line(
        (inspection.kind, "bold"),
        (" - unverified: no signature, chain or date has been checked", WARNING),
    )
    answer.members(inspection.members)
