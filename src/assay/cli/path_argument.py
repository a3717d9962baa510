"""Paths as a command's user names them."""

from __future__ import annotations

from pathlib import Path

import typer


def given_path(text: str) -> Path:
    """The path that an argument or an option names: the `parser` of each.

    Raises:
        BadParameter: It is empty, as of a variable that is not set. `Path` would take it for the
            working folder.
    """
    if not text:
        raise typer.BadParameter("expected a path, got an empty one; . is this folder")
    return Path(text)
