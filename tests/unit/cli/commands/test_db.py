from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from assay.store import HEAD, Store
from tests.unit.cli.conftest import Run


@pytest.fixture(autouse=True)
def data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where the service's data will be."""
    monkeypatch.setenv("ASSAY_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def database(run: Run, data: Path) -> Path:
    """A database with an instance."""
    options = ("--url", "https://one.example", "--token-algorithm", "ES256")
    assert run("instance", "create", "one", *options).exit_code == 0
    return data / "assay.sqlite3"


def _stamp(database: Path, revision: str) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))


def test_an_upgrade_says_from_where_to_where_and_can_be_repeated(run: Run) -> None:
    first = run("db", "upgrade", "--json")
    second = run("db", "upgrade", "--json")

    assert first.json == {"from": None, "to": HEAD, "changed": True}
    assert second.json == {"from": HEAD, "to": HEAD, "changed": False}
    assert run("db", "upgrade").out.split() == ["from", HEAD, "to", HEAD, "changed", "false"]


def test_a_database_of_a_newer_release_is_refused_with_what_to_do(run: Run, database: Path) -> None:
    _stamp(database, "9999")

    outcome = run("db", "upgrade")

    assert outcome.exit_code == 6
    assert "a newer release wrote; run that release" in outcome.err


def test_a_whole_database_passes(run: Run, database: Path) -> None:
    assert database.exists()

    outcome = run("db", "check", "--json")

    assert outcome.exit_code == 0
    assert outcome.json["passed"]
    assert {check["outcome"] for check in outcome.json["checks"]} == {"ok"}


def test_a_failed_check_has_its_fix_and_its_code(run: Run, database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE revision SET value = 0")

    outcome = run("db", "check")
    members = run("db", "check", "--json").json

    assert outcome.exit_code == 1
    assert outcome.out.count("failed") == outcome.out.count("fix: ") == 1
    assert [check["check"] for check in members["checks"] if check["fix"]] == ["tables"]
    assert not members["passed"]


def test_a_check_makes_and_upgrades_nothing(run: Run, database: Path, data: Path) -> None:
    nothing = run("db", "check", "--settings", _settings(data.parent / "other"))
    _stamp(database, "0001")
    old = run("db", "check")
    (data / "key-encryption.key").unlink()
    _stamp(database, HEAD)
    without_key = run("db", "check")

    assert nothing.exit_code == 6
    assert "there is no database" in nothing.err
    assert not (data.parent / "other").exists()
    assert old.exit_code == without_key.exit_code == 1
    assert "db upgrade" in old.out
    assert "there is no key-encryption key" in without_key.out
    assert not (data / "key-encryption.key").exists()


def test_a_key_in_the_environment_opens_keys(
    run: Run, database: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert database.exists()
    monkeypatch.setenv("ASSAY_KEY_ENCRYPTION_KEY", "A" * 43 + "=")
    (data / "key-encryption.key").unlink()

    outcome = run("db", "check")

    assert outcome.exit_code == 1
    assert "did not seal it" in outcome.out


def test_a_backup_is_a_database_and_does_not_overwrite(
    run: Run, database: Path, tmp_path: Path
) -> None:
    assert database.exists()
    file = tmp_path / "backup.sqlite3"

    made = run("db", "backup", file, "--json")
    again = run("db", "backup", file)

    assert made.json == {"backup": str(file), "size_bytes": file.stat().st_size}
    with closing(Store.open(f"sqlite:///{file}")) as store:
        assert [record.name for record in store.instances.all()] == ["one"]
    assert again.exit_code == 2
    assert "is there already" in again.err


def _settings(folder: Path) -> Path:
    file = folder.with_suffix(".toml")
    file.write_text(f'database = "sqlite:///{folder}/assay.sqlite3"\n')
    return file
