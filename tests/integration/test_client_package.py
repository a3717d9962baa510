"""What installing and importing the client brings along, and that its surface stays."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.surface import FOLDER, SURFACES, surface

_ROOT: Final = Path(__file__).resolve().parents[2]
_IMPORT_MILLISECONDS: Final = 150
_TRIES: Final = 7
_SERVERS_AND_DATABASES: Final = {
    "alembic",
    "fastapi",
    "httptools",
    "prometheus-client",
    "psycopg",
    "psycopg-binary",
    "sqlalchemy",
    "starlette",
    "structlog",
    "uvicorn",
    "uvloop",
}
_MEASURE: Final = """
import sys, time
before = time.process_time()
import assay.client
print(int((time.process_time() - before) * 1000))
print(*sorted(name for name in sys.modules if "." not in name))
"""
_USE: Final = """
import asyncio, json, sys

allowed = set(json.loads(sys.argv[1]))

class Uninstalled:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in allowed and top not in sys.stdlib_module_names:
            raise ModuleNotFoundError(f"{name} is not installed", name=name)

sys.meta_path.insert(0, Uninstalled())
from assay.client import AttestationAdministrationClient, AttestationClient, AttestationType, aio
from assay.client.testing import AsyncFakeTransport, FakeService, FakeTransport

service = FakeService(algorithm="ES256")
client = AttestationClient(service.url, transport=FakeTransport(service))
assert client.attest_sgx_enclave(b"quote").value.sgx
administration = AttestationAdministrationClient(service.url, transport=FakeTransport(service))
assert administration.get_policy(AttestationType.TPM).value is None
client = aio.AttestationClient(service.url, transport=AsyncFakeTransport(service))
assert asyncio.run(client.attest_tdx(b"quote")).value.tdx
from assay.client import HttpTransport, HttpRequest, TransportError
try:
    HttpTransport().send(HttpRequest(method="GET", url="http://127.0.0.1:1"))
except TransportError:
    print("used")
"""


def _needed(name: str, found: set[str]) -> set[str]:
    """The distributions that a bare `pip install` of one brings along, with itself."""
    name = canonicalize_name(name)
    if name in found:
        return found
    found.add(name)
    for text in importlib.metadata.requires(name) or []:
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            _needed(requirement.name, found)
            for extra in requirement.extras:
                _needed_of_extra(requirement.name, extra, found)
    return found


def _needed_of_extra(name: str, extra: str, found: set[str]) -> None:
    for text in importlib.metadata.requires(name) or []:
        requirement = Requirement(text)
        if requirement.marker is not None and requirement.marker.evaluate({"extra": extra}):
            _needed(requirement.name, found)


def test_a_bare_installation_has_no_web_server_and_no_database_driver() -> None:
    needed = _needed("assay", set())

    assert {"cryptography", "httpx2", "joserfc"} <= needed
    assert needed & _SERVERS_AND_DATABASES == set()


def test_the_client_works_with_nothing_else_installed() -> None:
    needed = _needed("assay", set())
    modules = [
        module
        for module, names in importlib.metadata.packages_distributions().items()
        if any(canonicalize_name(name) in needed for name in names)
    ]
    assert "starlette" not in modules

    done = subprocess.run(  # noqa: S603  this interpreter, a fixed program
        [sys.executable, "-c", _USE, json.dumps([*modules, "assay"])],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stdout, done.stderr) == ("used\n", "")


def test_importing_the_client_is_quick_and_leaves_out_what_takes_long(tmp_path: Path) -> None:
    # Compiled at the first try, as at the first use of an installation.
    compiled = {**os.environ, "PYTHONPYCACHEPREFIX": str(tmp_path), "PYTHONDONTWRITEBYTECODE": ""}
    times: list[int] = []
    for _ in range(_TRIES):
        done = subprocess.run(  # noqa: S603  this interpreter, a fixed program
            [sys.executable, "-c", _MEASURE],
            env=compiled,
            capture_output=True,
            text=True,
            check=True,
        )
        milliseconds, modules = done.stdout.splitlines()
        times.append(int(milliseconds))

        loaded = set(modules.split())
        assert loaded & {"asyncio", "cryptography", "httpx2", "joserfc", "ssl", "tenacity"} == set()

    # The quickest: the others measure what else the machine does.
    assert min(times) < _IMPORT_MILLISECONDS


@pytest.mark.parametrize("name", ["client_program.py", "relying_party_program.py"])
def test_a_users_program_passes_strict_type_checks(name: str) -> None:
    program = FOLDER / name

    done = subprocess.run(  # noqa: S603  this interpreter, a fixed program
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--config-file=",
            f"--cache-dir={_ROOT / '.mypy_cache' / 'user'}",
            str(program),
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, ""), done.stdout


@pytest.mark.parametrize("file", SURFACES)
def test_the_public_surface_is_as_it_was(file: str) -> None:
    expected = (FOLDER / file).read_text(encoding="utf-8")

    actual = surface(*SURFACES[file])

    # If this is meant: `python -m tests.surface`, and a line in the changelog.
    assert actual == expected


def test_both_kinds_of_client_have_the_same_methods() -> None:
    sync, asynchronous, _ = re.split(
        r"^# assay\.client\S*$", surface(*SURFACES["client_surface.txt"]), flags=re.MULTILINE
    )[1:]

    for name in ("AttestationClient", "AttestationAdministrationClient"):
        assert _methods(sync, name) == _methods(asynchronous, name)


def _methods(text: str, name: str) -> list[str]:
    found = re.search(rf"^class {name}\(.*\)\n((?:    .*\n)*)", text, re.MULTILINE)
    assert found is not None
    lines = [line.strip().removeprefix("async ") for line in found.group(1).splitlines()]
    return [re.sub(r"\bAsync(?=[A-Z])", "", line) for line in lines]
