"""Standard output that cannot be written: no defect, but a full disk or a reader that has gone."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO, cast

from assay.errors import RequestError


@contextmanager
def guarded_output() -> Iterator[None]:
    """A block that answers on standard output and ends the process; all is written at its end.

    Raises:
        SystemExit: The answer cannot be written.
    """
    unguarded = sys.stdout
    if unguarded is None:
        yield
        return
    guarded = _GuardedStream(unguarded)
    sys.stdout = cast("TextIO", guarded)
    try:
        try:
            yield
        finally:
            sys.stdout = unguarded
            guarded.flush()
    except BrokenPipeError as error:
        # As Typer ends where it sees that first.
        raise SystemExit(1) from error
    except RequestError as error:
        from assay.cli.failure import report_failure

        raise SystemExit(report_failure(error)) from error


class _GuardedStream:
    """A stream whose failures are told from those of other files."""

    def __init__(self, stream: Any) -> None:  # noqa: ANN401  of text, or of the bytes below it
        self._stream = stream

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  as the stream has it
        return getattr(self._stream, name)

    @property
    def buffer(self) -> _GuardedStream:
        """The stream of bytes below one of text."""
        return _GuardedStream(self._stream.buffer)

    def write(self, content: str | bytes) -> int:
        """As the stream does.

        Raises:
            RequestError: It cannot be written.
            BrokenPipeError: Its reader has gone.
        """
        if content:
            with self._guarded():
                return int(self._stream.write(content))
        # With nothing, Typer asks what kind of stream this is, and would keep a failure to itself.
        with suppress(OSError):
            self._stream.write(content)
        return 0

    def flush(self) -> None:
        """As the stream does.

        Raises:
            RequestError: It cannot be written.
            BrokenPipeError: Its reader has gone.
        """
        with self._guarded():
            self._stream.flush()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._let_go()
            if isinstance(error, BrokenPipeError):
                raise
            raise RequestError(
                f"standard output cannot be written: {error.strerror or error}; send it to "
                "another place"
            ) from error

    def _let_go(self) -> None:
        # What buffers still hold would fail once more, when the interpreter ends.
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), self._stream.fileno())
