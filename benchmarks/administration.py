"""Policies set and read through HTTP, on each kind of database, with all that a change costs.

A change is on the disk when it is answered: its policy, its history, and its audit record.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from assay.token import policy_payload, unsecured_owner_token
from benchmarks.load import run_load
from benchmarks.server import running_server
from tests.databases import postgresql_server

_CONNECTIONS = 8
_SECONDS = 4.0
_POLICIES = 500
_PATH = "/policies/SgxEnclave?api-version=2022-08-01"


@dataclass(frozen=True, slots=True)
class AdministrationRates:
    """Requests per second."""

    sets: float
    gets: float


@contextlib.contextmanager
def databases(folder: Path) -> Iterator[dict[str, str]]:
    """A database of each kind by its name; PostgreSQL where it is installed."""
    urls = {"SQLite": f"sqlite:///{folder}/administration.sqlite3"}
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(pytest.skip.Exception):
            # Unlike in tests, with what keeps data over a power failure.
            server = stack.enter_context(postgresql_server(("listen_addresses=",)))
            urls["PostgreSQL"] = server.url(server.create_database())
        yield urls


def measure_administration(data: Path, machine: Path, database: str) -> AdministrationRates:
    """A server under the load of owners: first of those who set, then of those who read."""
    with running_server(data, machine, database=database) as server:
        sets = [_set(number) for number in range(_POLICIES)]
        gets = [f"GET {_PATH} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()]
        return AdministrationRates(
            *(
                run_load(server, requests, connections=_CONNECTIONS, seconds=_SECONDS).per_second
                for requests in (sets, gets)
            )
        )


def _set(number: int) -> bytes:
    text = f"version= 1.0;authorizationrules{{=> permit();}}; // {number}"
    body = unsecured_owner_token(policy_payload(text)).encode("ascii")
    head = (
        f"PUT {_PATH} HTTP/1.1\r\n"
        "Host: localhost\r\n"
        "Content-Type: text/plain\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
