from __future__ import annotations

from pathlib import Path

import pytest

from assay.server.settings_reader import setting_types
from tests.unit.cli.conftest import Run


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "assay.toml"
    found.write_text('port = 9000\n[instance]\nname = "mine"\n')
    return found


def test_every_setting_is_shown(run: Run, file: Path) -> None:
    outcome = run("config", "show", "--settings", file)

    lines = dict(line.split(maxsplit=1) for line in outcome.out.splitlines())
    assert list(lines) == list(setting_types())
    assert (lines["port"], lines["instance.name"]) == ("9000", "mine")


def test_the_origin_is_shown_when_asked_for(
    run: Run, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_WORKERS", "3")

    text = run("config", "show", "--origin", "--settings", file).out
    members = run("config", "show", "--origin", "--settings", file, "--json").json["settings"]

    assert f"9000  (settings file {file}, line 1)" in text
    assert members["workers"] == {
        "value": 3,
        "origin": "environment",
        "place": "environment variable ASSAY_WORKERS",
    }
    assert members["host"] == {"value": "127.0.0.1", "origin": "default", "place": "default"}


def test_without_the_origin_json_has_the_values(run: Run, file: Path) -> None:
    members = run("config", "show", "--settings", file, "--json").json["settings"]

    assert members["port"] == 9000


def test_settings_that_do_not_fit_are_not_shown(run: Run, file: Path) -> None:
    file.write_text("prot = 9000\n")

    outcome = run("config", "show", "--settings", file)

    assert outcome.exit_code == 2
    assert "did you mean 'port'" in outcome.err


def test_settings_in_order_are_said_to_be(run: Run, file: Path) -> None:
    assert run("config", "validate", file).out == "the settings are in order: 2 are set\n"
    assert run("config", "validate", file, "--json").json == {"valid": True, "problems": []}


def test_all_problems_are_told_at_once(
    run: Run, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_PROT", "1")
    file.write_text("prot = 1\nworkers = 0\n[tls]\nkey = 1\n")

    outcome = run("config", "validate", file)
    members = run("config", "validate", file, "--json").json

    assert outcome.exit_code == 2
    for expected in (
        f"{file}, line 1: there is no setting 'prot'; did you mean 'port'?",
        f"{file}, line 2: workers cannot be 0",
        f"{file}, line 4: tls.key cannot be 1",
        "environment: there is no setting 'ASSAY_PROT'; did you mean 'ASSAY_PORT'?",
    ):
        assert outcome.out.count(expected) == 1
    assert len(members["problems"]) == 4


def test_values_that_do_not_go_together_are_all_told(run: Run, file: Path) -> None:
    file.write_text('verify_at = 2026-01-01T00:00:00Z\nreplicas = 2\n[tls]\nkey = "k"\n')

    problems = run("config", "validate", file, "--json").json["problems"]

    assert len(problems) == 4
    assert [problem.split()[0] for problem in problems] == [
        "verify_at",
        "replicas",
        "replicas",
        "TLS",
    ]


def test_the_file_of_the_variable_is_validated(
    run: Run, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_SETTINGS", str(file))
    file.write_text("port = 'x'\n")

    assert "line 1: port" in run("config", "validate").out
