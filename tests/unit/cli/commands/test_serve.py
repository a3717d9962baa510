from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from assay.cli import service_start
from assay.cli.service_start import load_service, run_service
from assay.endorsements.tcb import TcbStatus
from assay.errors import SettingsError
from assay.server.settings import CollateralKind, Settings
from tests.unit.cli.conftest import Run


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Settings]:
    """What a service would have been started with."""
    seen: list[Settings] = []

    def serve(settings: Settings, *, announce: Callable[[str], None]) -> int:
        seen.append(settings)
        announce("http://127.0.0.1:8080")
        return 0

    monkeypatch.setattr("assay.server.run.serve", serve)
    monkeypatch.setenv("ASSAY_DATA_DIR", str(tmp_path))
    return seen


def test_options_become_settings(run: Run, started: list[Settings], tmp_path: Path) -> None:
    outcome = run(
        "serve",
        "--host",
        "localhost",
        "--port",
        "0",
        "--workers",
        "2",
        "--collateral",
        tmp_path,
        "--accept-tcb",
        "UpToDate,OutOfDate",
        "--dev",
        "--verify-at",
        "1756530546",
    )

    assert outcome.exit_code == 0
    assert outcome.out == "Assay serves at http://127.0.0.1:8080\n"
    (settings,) = started
    assert (settings.host, settings.port, settings.workers) == ("localhost", 0, 2)
    assert settings.collateral.source is CollateralKind.PATH
    assert settings.collateral.path == tmp_path
    assert settings.instance.accepted_tcb == {TcbStatus.UP_TO_DATE, TcbStatus.OUT_OF_DATE}
    assert settings.dev
    assert settings.verify_at == datetime(2025, 8, 30, 5, 9, 6, tzinfo=UTC)


def test_what_no_option_sets_comes_from_the_file_or_is_a_default(
    run: Run, started: list[Settings], tmp_path: Path
) -> None:
    file = tmp_path / "assay.toml"
    file.write_text("port = 9000\nworkers = 3\n")

    run("serve", "--settings", file, "--workers", "1")

    (settings,) = started
    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 9000, 1)
    assert not settings.dev


def test_the_address_is_announced_as_json_too(run: Run, started: list[Settings]) -> None:
    outcome = run("serve", "--json")

    assert started
    assert outcome.json == {"url": "http://127.0.0.1:8080"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--simulator", "x"), "needs dev"),
        (("--verify-at", "soon", "--dev"), "--verify-at: expected RFC 3339"),
        (("--accept-tcb", "Good"), "accepted_tcb"),
        (("--port", "70000"), "port"),
        (("--settings", "missing.toml"), "missing.toml"),
    ],
)
def test_settings_that_do_not_fit_are_usage_errors(
    run: Run, started: list[Settings], arguments: tuple[str, ...], sentence: str
) -> None:
    outcome = run("serve", *arguments)

    assert outcome.exit_code == 2
    assert sentence in outcome.err
    assert not started


def test_an_address_in_use_is_a_usage_error(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ASSAY_DATA_DIR", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        outcome = run("serve", "--port", taken.getsockname()[1])

    assert outcome.exit_code == 2
    assert "cannot listen at 127.0.0.1" in outcome.err


def test_without_the_web_stack_the_way_to_get_it_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(service_start, "find_spec", lambda _name: None)

    with pytest.raises(SettingsError, match="with its extra `server`"):
        load_service(None, {})


def test_the_exit_code_is_that_of_the_service(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def serve(settings: Settings, *, announce: Callable[[str], None]) -> int:
        assert settings.port == 8080
        announce("http://127.0.0.1:1")
        return 1

    monkeypatch.setattr("assay.server.run.serve", serve)

    assert run_service(Settings(), as_json=False) == 1
    assert capsys.readouterr().out == "Assay serves at http://127.0.0.1:1\n"
