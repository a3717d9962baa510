"""`docs/keys.md`: its examples and its set-up of a token, run in their order."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Final

import pytest
from cryptography import x509
from typer.testing import CliRunner

from assay.cli import app
from assay.keys import KeyCustody
from assay.store import KeyState
from tests.documentation import blocks, examples, follow, read_page, rows, section
from tests.tokens import SoftHsm

_PAGE: Final = read_page("keys.md")


def test_every_example_of_the_page_gives_what_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ASSAY_DATA_DIR", str(tmp_path / "data"))

    follow(_PAGE, tmp_path)


def test_every_command_has_an_example() -> None:
    shown = {" ".join(command.split()[1:3]) for command, _ in examples(_PAGE)}

    assert shown >= {"key list", "key rotate", "key export-public"}


def test_the_states_and_custodies_are_those_of_the_code() -> None:
    states = [row[0].strip("`") for row in rows(section(_PAGE, "The life of a key"))]
    custodies = [row[0].strip("`") for row in rows(section(_PAGE, "Where keys are"))]

    assert states == list(KeyState)
    assert custodies == list(KeyCustody)


def test_the_token_of_the_page_certifies_keys(
    softhsm: SoftHsm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for script in blocks(_PAGE, "sh"):
        subprocess.run(["sh", "-ec", script], check=True, capture_output=True)  # noqa: S603, S607
    [settings] = blocks(_PAGE, "toml")
    settings = settings.replace("/usr/lib/softhsm/libsofthsm2.so", str(softhsm.module))
    Path("assay.toml").write_text(f'data_dir = "data"\n{settings}')
    runner = CliRunner(env={"ASSAY_SETTINGS": "assay.toml"})

    made = runner.invoke(app, ["instance", "create", "payments", "--url", "https://a.example"])
    exported = runner.invoke(app, ["key", "export-public", "payments", "--form", "chain", "--json"])

    assert made.exit_code == 0, made.stderr
    leaf, authority = (
        x509.load_pem_x509_certificate(one.encode()) for one in json.loads(exported.stdout)["chain"]
    )
    leaf.verify_directly_issued_by(authority)
    assert not Path("authority.pem").exists()
