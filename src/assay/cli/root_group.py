"""The outermost edge of the command line: what commands raise ends here."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup


class RootGroup(TyperGroup):
    """The commands, each failure turned into one sentence and an exit code."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401  Typer keeps the type of contexts to itself
        """Run the command that was asked for.

        Raises:
            Exit: With the code of the failure.
        """
        try:
            return super().invoke(ctx)
        # Typer's own ways to end, and a reader that has gone (`| head`): it knows what to do.
        except (typer.Exit, typer.Abort, typer.TyperException, BrokenPipeError):
            raise
        except Exception as error:
            from assay.cli.failure import report_failure

            raise typer.Exit(report_failure(error)) from error
