"""Pages as the tests read them: examples that are run, rows of tables, fenced blocks."""

from __future__ import annotations

import contextlib
import re
import shlex
import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Final

import httpx2
import uvicorn
from typer.testing import CliRunner

from assay import clock
from assay.cli import app
from assay.cli.server_process import running_server
from assay.simulator import load_platform
from assay.simulator.pcs import Dialect, pcs_app

_DOCS: Final = Path(__file__).resolve().parent.parent / "docs"
_SERVICE: Final = "http://127.0.0.1:8080"
_PCCS: Final = "https://pccs.example.com:8081"


def read_page(name: str) -> str:
    return (_DOCS / name).read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    """What stands between the fences of that language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)


def section(page: str, heading: str) -> str:
    """What stands under a heading, up to the next of any level."""
    found = re.search(
        rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", page, re.DOTALL | re.MULTILINE
    )
    assert found is not None, heading
    return found.group(1)


def rows(text: str) -> list[tuple[str, ...]]:
    """The cells of every table's rows, without headings."""
    found: list[tuple[str, ...]] = []
    for line in re.findall(r"^\|.*\|$", text, re.MULTILINE):
        if set(line) <= set("|-:"):
            found.pop()  # A heading stands above the ruler.
        else:
            found.append(tuple(cell.strip() for cell in line[1:-1].split("|")))
    return found


def examples(page: str) -> Iterator[tuple[str, str]]:
    """Commands and what the page says comes of them."""
    for block in blocks(page, "console"):
        for example in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = example.partition("\n")
            yield command, output


def matches(expected: str, actual: str) -> bool:
    """Whether `...` can be filled in: on a line of its own with lines, else within its line."""
    pattern = "".join(
        r"(?:.*\n)*?" if line == "...\n" else re.escape(line).replace(r"\.\.\.", ".*")
        for line in expected.splitlines(keepends=True)
    )
    return re.fullmatch(pattern, actual) is not None


@contextlib.contextmanager
def _caching_service(home: Path) -> Iterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    application = pcs_app(load_platform(home), dialect=Dialect.PCCS, now=clock.now)
    server = uvicorn.Server(uvicorn.Config(application, log_config=None, ws="none"))
    thread = Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


class Reader:
    """Follows a page: runs what it says, with real addresses in place of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = contextlib.ExitStack()
        self._addresses: dict[str, str] = {}

    def run(self, command: str) -> str:
        if command.startswith("assay serve "):
            return self._serve(shlex.split(command)[2:])
        if command.startswith("curl -s "):
            url = self._translated(command.removeprefix("curl -s "))
            return httpx2.get(url, timeout=60, trust_env=False).text + "\n"
        if _PCCS in command:
            service = _caching_service(self._folder / "machine")
            self._addresses[_PCCS] = self._stack.enter_context(service)
        program, *arguments = shlex.split(self._translated(command))
        target = None
        if ">" in arguments:
            *arguments, _, target = arguments
        assert program == "assay"
        outcome = CliRunner().invoke(app, arguments)
        if target is None:
            return self._original(outcome.stdout + outcome.stderr)
        Path(target).write_text(outcome.stdout)
        return self._original(outcome.stderr)

    def close(self) -> None:
        self._stack.close()

    def _serve(self, options: list[str]) -> str:
        data = self._folder / "data"
        data.mkdir()
        url = self._stack.enter_context(running_server(options, folder=data))
        self._addresses[_SERVICE] = url
        return f"Assay serves at {_SERVICE}\n"

    def _translated(self, text: str) -> str:
        for written, real in self._addresses.items():
            text = text.replace(written, real)
        return text

    def _original(self, text: str) -> str:
        for written, real in self._addresses.items():
            text = text.replace(real, written)
        return text


def follow(page: str, folder: Path) -> None:
    """Run every example of a page in its order, and compare what comes with what it says."""
    with contextlib.closing(Reader(folder)) as reader:
        for command, expected in examples(page):
            actual = reader.run(command)
            assert matches(expected, actual), f"$ {command}\n{actual}"
