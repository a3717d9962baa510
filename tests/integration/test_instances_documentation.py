"""The examples of `docs/instances.md`, run in their order and compared with what the page says."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from assay.access import Right
from assay.store import TrustModel
from tests.administration import certify, owner, rsa_key
from tests.documentation import blocks, examples, follow, read_page, rows, section

_PAGE: Final = read_page("instances.md")


def test_every_example_of_the_page_gives_what_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ASSAY_DATA_DIR", str(tmp_path / "data"))
    [policy] = [text for text in blocks(_PAGE, "") if text.startswith("version=")]
    Path("no-debug.policy").write_text(policy)
    key = rsa_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    Path("owner.key").write_bytes(key)
    Path("owner.pem").write_bytes(owner().public_bytes(Encoding.PEM))
    successor = certify(rsa_key(1), "successor")
    Path("successor.pem").write_bytes(successor.public_bytes(Encoding.PEM))

    follow(_PAGE, tmp_path)


def test_every_command_has_an_example() -> None:
    shown = {" ".join(command.split()[2:4]) for command, _ in examples(_PAGE)}

    for command in ("create", "list", "show", "delete"):
        assert any(f"{one} ".startswith(f"{command} ") for one in shown)
    policy = {"get", "set", "reset", "history", "show", "rollback"}
    assert shown >= {f"policy {one}" for one in policy}
    assert shown >= {f"signer {one}" for one in ("list", "add", "remove")}


def test_the_trust_models_are_those_of_the_code() -> None:
    named = [name.strip("`") for name, _ in rows(section(_PAGE, "Trust models"))]

    assert named == list(TrustModel)


def test_the_rights_are_those_of_the_code() -> None:
    assert [right for _, right in rows(section(_PAGE, "Who may"))] == list(Right)
