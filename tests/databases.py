"""PostgreSQL for tests: Debian's, in a folder of its own, reachable by its own socket only."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

import psycopg
import pytest

MISSING: Final = "there is no PostgreSQL here; install it: sudo apt-get install postgresql"

_USER: Final = "assay"
_BINARIES: Final = "/usr/lib/postgresql/*/bin/postgres"
# Losing data when the machine stops is no loss in a test.
_SETTINGS: Final = (
    "listen_addresses=",
    "fsync=off",
    "full_page_writes=off",
    "max_connections=40",
    "max_wal_size=256MB",
)


def _binaries() -> Path:
    found = sorted(Path("/").glob(_BINARIES.removeprefix("/")))
    if not found:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(MISSING)
    return found[-1].parent


@dataclass(frozen=True, slots=True)
class PostgresqlServer:
    """A server with its data in `folder`."""

    binaries: Path
    folder: Path
    numbers: Iterator[int]
    settings: Sequence[str] = _SETTINGS

    def start(self) -> None:
        """Start it, and return when it answers."""
        options = " ".join(
            [f"-k {self.folder}", *(f"-c {setting}" for setting in self.settings)],
        )
        self._control("start", "-w", "-o", options, "-l", str(self.folder / "log"))

    def stop(self) -> None:
        """Stop it, whatever it is doing."""
        self._control("stop", "-m", "immediate")

    def create_database(self, template: str = "template1") -> str:
        """The name of a new database: empty, or as the template is."""
        name = f"test_{next(self.numbers)}"
        statement = f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy'
        with psycopg.connect(
            host=str(self.folder), user=_USER, dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(statement.encode())
        return name

    def url(self, database: str) -> str:
        """The URL of a database."""
        return f"postgresql://{_USER}@/{database}?host={self.folder}"

    def initialize(self) -> None:
        """Make its data directory."""
        self._run("initdb", "-D", str(self._data), "-U", _USER, "-A", "trust", "--no-sync")

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _control(self, action: str, *options: str) -> None:
        self._run("pg_ctl", action, "-D", str(self._data), *options)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(  # noqa: S603  Debian's programs, arguments of our own
            [*_as_other_user(), str(self.binaries / program), *arguments],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            cwd=self.folder,
        )


@contextlib.contextmanager
def postgresql_server(settings: Sequence[str] = _SETTINGS) -> Iterator[PostgresqlServer]:
    """A running server, gone at the end with all it kept."""
    binaries = _binaries()
    # Not in pytest's folders: those are closed to other users, and too deep for a socket's name.
    folder = Path(tempfile.mkdtemp(prefix="assay-postgresql-"))
    server = PostgresqlServer(binaries=binaries, folder=folder, numbers=count(1), settings=settings)
    try:
        if _as_other_user():
            user = pwd.getpwnam(_unprivileged())
            os.chown(folder, user.pw_uid, user.pw_gid)
        server.initialize()
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def _as_other_user() -> Sequence[str]:
    # PostgreSQL refuses to run as root, which CI is.
    return () if os.geteuid() else ("runuser", "-u", _unprivileged(), "--")


def _unprivileged() -> str:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise LookupError("need a user other than root to run PostgreSQL as: postgres or nobody")
