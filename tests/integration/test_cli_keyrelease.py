"""`assay keyrelease` as a stranger runs it: other processes, real servers."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from typer.testing import CliRunner

from assay.audit import verify_export
from assay.cli import app
from assay.cli.keyrelease_demo import refused_step
from assay.errors import ReleaseRefusedError
from assay.keyrelease import ReleaseKey
from assay.keyrelease.client import BrokerClient
from tests.attestation_tokens import ISSUER, MR_SIGNER, key_document, token
from tests.conftest import AT
from tests.servers.tls import tls_identity

_SECONDS: Final = 60
_REFUSED: Final = [
    [],
    ["keyrelease.challenge.used"],
    ["token.claims.requirement"],
    ["keyrelease.token.context"],
    ["keyrelease.envelope.context"],
    ["keyrelease.secret.sealed_context"],
    [],
]
_SETTINGS: Final = f"""\
issuer = "{ISSUER}"
key_encryption_key_file = "sealing.key"
audit_file = "releases.jsonl"
key_set_file = "certs.json"
port = 0
[tls]
certificate = "tls.pem"
key = "tls.key"
[secrets.database]
sealed = "database.sealed"
[secrets.database.require]
mrsigner = "{MR_SIGNER}"
"""


def test_the_demonstration_releases_refuses_and_records() -> None:
    outcome = CliRunner().invoke(app, ["keyrelease", "demo", "--json"])

    assert outcome.exit_code == 0, outcome.stderr
    steps = json.loads(outcome.stdout)["steps"]
    assert [step["findings"] for step in steps] == _REFUSED
    assert [step["outcome"] for step in steps] == ["released", *["refused"] * 5, "verified"]
    assert steps[-1]["records"] == [
        "done",
        "refused keyrelease.challenge.used",
        "refused token.claims.requirement",
        "refused keyrelease.token.context",
        "done",
        "refused keyrelease.secret.sealed_context",
    ]
    assert "nothing is left running" in outcome.stderr


def test_a_secret_that_is_released_and_must_not_be_ends_the_demonstration() -> None:
    with pytest.raises(AssertionError, match="it was released"):
        refused_step("An attempt", "must fail", lambda: "the secret")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    certificate, key = tls_identity("127.0.0.1", at=AT)
    (tmp_path / "tls.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (tmp_path / "tls.key").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    (tmp_path / "sealing.key").write_bytes(bytes(range(32, 64)).replace(b"!", b"\xff"))
    (tmp_path / "sealing.key").chmod(0o600)
    (tmp_path / "certs.json").write_bytes(key_document())
    (tmp_path / "broker.toml").write_text(_SETTINGS)
    (tmp_path / "value").write_bytes(b"the value")
    return tmp_path


@contextmanager
def _serving(folder: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    with subprocess.Popen(  # noqa: S603
        [
            *(sys.executable, "-m", "assay", "keyrelease", "serve", "--json"),
            *("--settings", str(folder / "broker.toml"), "--port", "0"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            text = "".join(process.stdout.readline() for _ in range(3))
            yield json.loads(text)["url"], process
        finally:
            process.kill()


def test_a_sealed_secret_is_served_over_tls_until_the_broker_is_told_to_stop(
    folder: Path,
) -> None:
    sealing = ["keyrelease", "seal", "--settings", str(folder / "broker.toml"), "database"]
    sealed = CliRunner().invoke(app, [*sealing, "--in", str(folder / "value")])
    assert sealed.exit_code == 0, sealed.stderr

    with _serving(folder) as (url, process):
        assert url.startswith("https://127.0.0.1:")
        with BrokerClient(url, ca_file=folder / "tls.pem") as client:
            context = client.challenge("database", "payroll")
            key = ReleaseKey.generate()
            runtime: Any = json.loads(key.runtime_data(context))
            # Recorded tokens are too old for a broker whose clock is the machine's.
            with pytest.raises(ReleaseRefusedError) as caught:
                client.release(context, token(x_ms_runtime=runtime))
        process.send_signal(signal.SIGTERM)
        assert process.wait(_SECONDS) == 0

    assert "token.claims." in caught.value.findings[0].check
    with (folder / "releases.jsonl").open("rb") as lines:
        assert verify_export(lines).sequence == 1
    assert (folder / "database.sealed").stat().st_mode & 0o777 == 0o600
    assert b"the value" not in (folder / "database.sealed").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["seal", "another", "--in", "value"], 2, "expected a secret of"),
        (["seal", "database", "--in", "empty"], 3, "1 to 32768 bytes"),
        (["seal", "database", "--in", "none"], 2, "cannot be read"),
    ],
)
def test_what_does_not_work_is_told(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    told: str,
) -> None:
    monkeypatch.chdir(folder)
    Path("empty").write_bytes(b"")

    outcome = CliRunner().invoke(
        app, ["keyrelease", arguments[0], "--settings", "broker.toml", *arguments[1:]]
    )

    assert outcome.exit_code == code
    assert told in outcome.stderr


def test_a_secret_is_sealed_anew_or_not_at_all(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    Path("broker.toml").write_text(_SETTINGS.replace("database.sealed", "none/database.sealed"))

    outcome = CliRunner().invoke(
        app, ["keyrelease", "seal", "--settings", "broker.toml", "database", "--in", "value"]
    )

    assert outcome.exit_code == 2
    assert "cannot be written" in outcome.stderr
