from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from assay.access import Right, token_digest
from assay.store import Store
from tests.unit.cli.conftest import Run

_READER = ("--right", "read", "--instance", "*")


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ASSAY_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


def test_a_token_is_printed_once_and_kept_as_a_digest(run: Run, data: Path) -> None:
    made = run("token-auth", "create", "ci", *_READER, "--right", "write", "--days", 2, "--json")

    text, identifier = made.json["token"], made.json["id"]
    with closing(Store.open(f"sqlite:///{data}/assay.sqlite3")) as store:
        token = store.api_tokens.get(identifier)
    assert token is not None
    assert token.digest == token_digest(text)
    assert token.grants.allow(Right.WRITE, "any")
    assert not token.grants.allow(Right.DELETE, "any")
    assert (token.expires_at - token.created_at).days == 2
    listed = run("token-auth", "list", "--json")
    assert listed.json == {
        "tokens": [{name: value for name, value in made.json.items() if name != "token"}]
    }
    assert text not in listed.out


def test_as_text_a_token_stands_alone_and_the_list_has_a_line_for_each(run: Run) -> None:
    made = run("token-auth", "create", "nightly check", *_READER)

    [text] = made.out.split()
    line = run("token-auth", "list").out
    assert text.split("_")[1] in line
    assert "  until " in line
    assert line.endswith("  read@*  nightly check\n")


def test_a_token_is_taken_away(run: Run) -> None:
    identifier = run("token-auth", "create", "ci", *_READER, "--json").json["id"]

    assert run("token-auth", "revoke", identifier, "--json").json == {
        "id": identifier,
        "revoked": True,
    }
    assert run("token-auth", "list").out == ""
    again = run("token-auth", "revoke", identifier)
    assert again.exit_code == 2
    assert "there is no API token" in again.err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("ci", "--right", "read"), "--instance"),
        (("ci", "--instance", "*"), "--right"),
        (("ci", "--right", "admin", "--instance", "*"), "admin"),
        (("ci", *_READER, "--days", "367"), "366"),
        (("", *_READER), "1 to 256 printable characters"),
        (("ci", "--right", "read", "--instance", "none"), "there is no instance 'none'"),
    ],
)
def test_a_token_is_for_what_was_said_and_nothing_else(
    arguments: tuple[str, ...], expected: str, run: Run
) -> None:
    outcome = run("token-auth", "create", *arguments)

    assert outcome.exit_code != 0
    assert expected in outcome.err
    assert run("token-auth", "list", "--json").json == {"tokens": []}
