"""A server that is started on a backup: it is the one that was backed up, as of that moment."""

from __future__ import annotations

import shutil
from pathlib import Path

import httpx2
import pytest
from typer.testing import CliRunner

from assay.cli import app
from assay.server.checkup.store import check_database
from assay.server.settings_reader import load_settings
from assay.service.checkup import CheckOutcome
from tests.administration import DENY, PERMIT, VERSION, stored_policy, unsecured
from tests.serving import running_server


def _set(url: str, text: str) -> None:
    jws = unsecured(stored_policy(text))
    answer = httpx2.put(f"{url}/policies/Tpm{VERSION}", content=jws, timeout=60, trust_env=False)
    assert answer.status_code == 200


def _kids(url: str) -> list[str]:
    document = httpx2.get(f"{url}/certs", timeout=60, trust_env=False).json()
    return [key["kid"] for key in document["keys"]]


def test_a_server_on_a_backup_has_everything_as_of_that_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    (second / "data").mkdir(parents=True)
    monkeypatch.setenv("ASSAY_DATA_DIR", str(first / "data"))
    url = {"instance.public_url": "https://attest.example", "dev": True}
    with running_server(first, url) as server:
        _set(server.url, PERMIT)
        create = ["instance", "create", "other", "--url", "https://other.example"]
        assert CliRunner().invoke(app, create).exit_code == 0
        made = CliRunner().invoke(app, ["db", "backup", str(second / "data" / "assay.sqlite3")])
        assert made.exit_code == 0, made.stderr
        _set(server.url, DENY)
        kids = _kids(server.url)
    shutil.copy(first / "data" / "key-encryption.key", second / "data")

    with running_server(second, url) as server:
        restored = _kids(server.url)
        _set(server.url, DENY)

    assert restored == kids
    settings = load_settings(environment={}, flags={"data_dir": str(second / "data"), **url})
    assert {one.outcome for one in check_database(settings)} == {CheckOutcome.OK}
    monkeypatch.setenv("ASSAY_DATA_DIR", str(second / "data"))
    history = CliRunner().invoke(app, ["instance", "policy", "history", "default", "Tpm"]).stdout
    assert [line.split()[0] for line in history.splitlines()] == ["1", "2"]
    listed = CliRunner().invoke(app, ["instance", "list"]).stdout
    assert [line.split()[0] for line in listed.splitlines()] == ["default", "other"]
