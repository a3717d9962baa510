"""The examples of `docs/cli.md`, run in their order and compared with what the page says."""

from __future__ import annotations

import contextlib
import re
import shlex
import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Final

import pytest
import uvicorn
from typer.testing import CliRunner

from assay import clock
from assay.cli import app
from assay.cli.exit_code import MEANINGS
from assay.cli.server_process import running_server
from assay.simulator import load_platform
from assay.simulator.pcs import Dialect, pcs_app

_PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "cli.md"
_SERVICE: Final = "http://127.0.0.1:8080"
_PCCS: Final = "https://pccs.example.com:8081"


def _examples(text: str) -> Iterator[tuple[str, str]]:
    """Commands and what the page says comes of them."""
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        for example in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = example.partition("\n")
            yield command, output


def _matches(expected: str, actual: str) -> bool:
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
    """Follows the page: runs what it says, with real addresses in place of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = contextlib.ExitStack()
        self._addresses: dict[str, str] = {}

    def run(self, command: str) -> str:
        if command.startswith("assay serve "):
            return self._serve(shlex.split(command)[2:])
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


def test_every_example_of_the_page_gives_what_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ASSAY_COLLATERAL", raising=False)
    page = _PAGE.read_text()
    policy = re.search(r"```\n(version=.*?)```", page, re.DOTALL)
    assert policy is not None
    Path("no-debug.policy").write_text(policy.group(1))
    reader = Reader(tmp_path)

    with contextlib.closing(reader):
        for command, expected in _examples(page):
            actual = reader.run(command)
            assert _matches(expected, actual), f"$ {command}\n{actual}"


def test_every_command_has_an_example() -> None:
    shown = {" ".join(command.split()[1:3]) for command, _ in _examples(_PAGE.read_text())}

    for command in ("appraise", "inspect", "attest", "serve", "demo"):
        assert any(f"{one} ".startswith(f"{command} ") for one in shown)
    assert shown >= {
        "token show",
        "token verify",
        "simulate sgx",
        "simulate openenclave",
        "collateral fetch",
        "collateral export",
        "collateral import",
        "collateral show",
    }


def test_the_page_has_the_table_of_exit_codes() -> None:
    rows = dict(
        re.findall(r"^\| (\d) \| (.*?)(?:; `ASSAY_DEBUG.*)? \|$", _PAGE.read_text(), re.MULTILINE)
    )

    assert rows == {str(code.value): meaning for code, meaning in MEANINGS.items()}
