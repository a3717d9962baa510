from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from assay.cli import app, keyrelease_start
from assay.keyrelease import serve
from assay.keyrelease.settings import BrokerFile
from tests.attestation_tokens import ISSUER


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "broker.toml"
    path.write_text(
        f'issuer = "{ISSUER}"\nkey_encryption_key_file = "k"\naudit_file = "a"\n[secrets]\n'
    )
    return path


def test_the_address_is_told_once_the_broker_serves(
    settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[BrokerFile] = []

    def serve_broker(file: BrokerFile, *, announce: Callable[[str], None]) -> None:
        served.append(file)
        announce("http://127.0.0.1:7")

    monkeypatch.setattr(serve, "serve_broker", serve_broker)
    arguments = ["keyrelease", "serve", "--settings", str(settings), "--port", "7"]

    outcome = CliRunner().invoke(app, arguments)

    assert outcome.stdout == "The broker serves at http://127.0.0.1:7\n"
    assert (served[0].settings.host, served[0].settings.port) == ("127.0.0.1", 7)
    assert '"url": "http://127.0.0.1:7"' in CliRunner().invoke(app, [*arguments, "--json"]).stdout


def test_an_address_that_others_reach_needs_tls_in_an_option_too(settings: Path) -> None:
    outcome = CliRunner().invoke(
        app,
        ["keyrelease", "serve", "--settings", str(settings), "--host", "0.0.0.0"],  # noqa: S104
    )

    assert outcome.exit_code == 2
    assert "set tls.certificate" in outcome.stderr


def test_a_broker_without_its_libraries_is_told_how_to_get_them(
    settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyrelease_start, "find_spec", lambda _name: None)

    outcome = CliRunner().invoke(app, ["keyrelease", "serve", "--settings", str(settings)])

    assert outcome.exit_code == 2
    assert "extra `server`" in outcome.stderr
