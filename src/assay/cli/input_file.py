"""Files that a user names, read with errors that a user understands."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Final

from assay.errors import RequestError

MAX_INPUT_BYTES: Final = 16 * 1024 * 1024
"""Far more than any evidence, policy or set of collateral has."""

_STANDARD_INPUT: Final = Path("-")
_STANDARD_OUTPUT: Final = _STANDARD_INPUT


def read_input(path: Path, *, larger: Mapping[bytes, int] = MappingProxyType({})) -> bytes:
    """The content of a file, or of standard input for `-`.

    Args:
        path: The file.
        larger: How many bytes files may have that begin so; others have at most `MAX_INPUT_BYTES`.

    Raises:
        RequestError: It cannot be read, or is too large; it is standard input, which is closed or
            has been read before.
    """
    with reading(path), _input(path) as stream:
        content = stream.read(MAX_INPUT_BYTES + 1)
        limit = next(
            (size for start, size in larger.items() if content.startswith(start)), MAX_INPUT_BYTES
        )
        if MAX_INPUT_BYTES < len(content) <= limit:
            content += stream.read(limit + 1 - len(content))
    if len(content) > limit:
        raise RequestError(f"{path}: expected at most {limit} bytes, got more")
    return content


def _input(path: Path) -> BinaryIO:
    if path != _STANDARD_INPUT:
        return path.open("rb")
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
        RequestError: It cannot be written, or is standard output.
    """
    check_output(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def check_output(path: Path) -> None:
    """Check that a file is one to write to.

    Raises:
        RequestError: It is standard output, where a file would be mixed with the answer.
    """
    if path == _STANDARD_OUTPUT:
        raise RequestError("-: expected a file to write, since standard output has the answer")


def reading(path: Path) -> AbstractContextManager[None]:
    """A block that reads what is at `path`, or looks whether something is.

    Raises:
        RequestError: The system refuses it, or the folders on the way may not be searched.
    """
    return _using(path, "read")


def writing(path: Path) -> AbstractContextManager[None]:
    """A block that writes what is at `path`, or looks whether it may.

    Raises:
        RequestError: The system refuses it, or the folders on the way may not be searched.
    """
    return _using(path, "written")


@contextmanager
def _using(path: Path, verb: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RequestError(
            f"{error.filename or path}: cannot be {verb}: {error.strerror or error}"
        ) from error
