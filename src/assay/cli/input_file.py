"""Files that a user names, read with errors that a user understands."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO, Final

from assay.errors import RequestError

MAX_INPUT_BYTES: Final = 16 * 1024 * 1024
"""Far more than any evidence, collateral or policy has."""

_STANDARD_INPUT: Final = Path("-")


def read_input(path: Path) -> bytes:
    """The content of a file, or of standard input for `-`.

    Raises:
        RequestError: It cannot be read, or is larger than `MAX_INPUT_BYTES`; it is standard input,
            which is closed or has been read before.
    """
    try:
        with _standard_input() if path == _STANDARD_INPUT else path.open("rb") as stream:
            content = stream.read(MAX_INPUT_BYTES + 1)
    except OSError as error:
        raise RequestError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(content) > MAX_INPUT_BYTES:
        raise RequestError(f"{path}: expected at most {MAX_INPUT_BYTES} bytes, got more")
    return content


def _standard_input() -> BinaryIO:
    if sys.stdin is None:
        raise RequestError("-: standard input is closed; name a file, or pipe the content in")
    # Its reader closes it, since there is nothing left to read.
    if sys.stdin.closed:
        raise RequestError(
            "-: standard input can be read once, and is asked for again; only one of the files may "
            "be -, so name the others"
        )
    return sys.stdin.buffer


def read_text(path: Path) -> str:
    """The content of a file as UTF-8, white space and all.

    Raises:
        RequestError: It cannot be read, is too large, or is not UTF-8.
    """
    try:
        return read_input(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise RequestError(
            f"{path}: expected UTF-8 text, got another byte at {error.start}"
        ) from error


def write_output(path: Path, content: bytes) -> None:
    """Write `content` to a file.

    Raises:
        RequestError: It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise RequestError(f"{path}: cannot be written: {error.strerror or error}") from error
