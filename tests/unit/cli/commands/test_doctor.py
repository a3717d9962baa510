from __future__ import annotations

import socket
from contextlib import closing
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Files, Run


@pytest.fixture
def file(files: Files, tmp_path: Path) -> Path:
    """Settings of a service that asks nobody."""
    found = tmp_path / "assay.toml"
    found.write_text(
        f'data_dir = "data"\nport = 0\n[collateral]\nsource = "path"\npath = "{files.collateral}"\n'
    )
    return found


def test_a_service_that_has_all_it_needs_passes(run: Run, file: Path) -> None:
    assert run("db", "upgrade", "--settings", file).exit_code == 0

    outcome = run("doctor", "--settings", file)

    lines = {line.split()[1]: line.split()[0] for line in outcome.out.splitlines()}
    assert "failed" not in set(lines.values()), outcome.out
    assert outcome.exit_code == 0
    assert run("doctor", "--settings", file, "--json").json["passed"]


def test_what_fails_has_its_fix_and_the_code(run: Run, file: Path) -> None:
    assert run("db", "upgrade", "--settings", file).exit_code == 0
    (file.parent / "data" / "key-encryption.key").chmod(0o644)
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        text = file.read_text().replace("port = 0", f"port = {taken.getsockname()[1]}")
        file.write_text(text)

        outcome = run("doctor", "--settings", file)
        members = run("doctor", "--settings", file, "--json").json

    assert outcome.exit_code == 1
    assert "fix: run `chmod 600 " in outcome.out
    failed = {check["check"] for check in members["checks"] if check["fix"]}
    assert failed == {"modes", "port"}
