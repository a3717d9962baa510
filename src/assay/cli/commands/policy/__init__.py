"""`assay policy`: write policies, check them, test them, and see why they decide as they do."""

from __future__ import annotations

from typing import Final

import typer

from assay.cli.commands.policy import (
    check,
    difference,
    evaluate,
    explain,
    gallery,
    layout,
    lint,
    suite,
)

__all__ = ["app"]

app: Final = typer.Typer(
    help="Write policies, test them, see why they decide.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

app.command("new")(gallery.new)
app.command("check")(check.check)
app.command("lint")(lint.lint)
app.command("format")(layout.reformat)
app.command("hash")(layout.show_hash)
app.command("eval")(evaluate.evaluate)
app.command("explain")(explain.explain)
app.command("test")(suite.run_fixtures)
app.command("diff")(difference.diff)
