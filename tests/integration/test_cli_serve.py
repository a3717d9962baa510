"""From `assay simulate` through `assay serve` to `assay attest` and `assay token verify`."""

from __future__ import annotations

import json
from pathlib import Path

import httpx2
import pytest
from typer.testing import CliRunner

from assay.cli import app
from assay.cli.server_process import running_server


@pytest.fixture
def quote(tmp_path: Path) -> Path:
    platform, path = tmp_path / "platform", tmp_path / "quote.bin"
    arguments = ["simulate", "sgx", "--platform", str(platform), "--out", str(path)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    return path


def test_evidence_becomes_a_token_that_a_relying_party_accepts(quote: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    data = tmp_path / "data"
    data.mkdir()
    token, jwks = tmp_path / "token", tmp_path / "jwks.json"

    with running_server(["--dev", "--simulator", str(tmp_path / "platform")], folder=data) as url:
        attested = runner.invoke(app, ["attest", str(quote), "--url", url])
        token.write_text(attested.stdout)
        fetched = runner.invoke(app, ["token", "verify", str(token), "--issuer", url, "--json"])
        jwks.write_text(json.dumps(_key_set(url)))

    assert attested.exit_code == 0
    assert json.loads(fetched.stdout)["claims"]["x-assay-simulated"] is True
    # The service has ended; its keys are enough.
    offline = runner.invoke(
        app, ["token", "verify", str(token), "--jwks", str(jwks), "--issuer", url]
    )
    assert offline.exit_code == 0


def test_a_server_with_fewer_statuses_refuses_what_it_was_not_told_to_accept(
    quote: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    options = ["--dev", "--simulator", str(tmp_path / "platform"), "--accept-tcb", "OutOfDate"]

    with running_server(options, folder=data) as url:
        outcome = CliRunner().invoke(app, ["attest", str(quote), "--url", url])

    assert outcome.exit_code == 4
    assert "dcap.tcb.tcb_not_accepted" in outcome.stderr


def _key_set(url: str) -> object:
    return httpx2.get(f"{url}/certs", timeout=60, trust_env=False).json()
