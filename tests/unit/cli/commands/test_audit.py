from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from assay.audit import AuditHead, parse_line, verify_export
from assay.store.engine import create_engine
from assay.store.tables import AUDIT
from tests.unit.cli.conftest import Run


@pytest.fixture(autouse=True)
def data(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A service's data, with a few changes."""
    monkeypatch.setenv("ASSAY_DATA_DIR", str(tmp_path / "data"))
    options = ("--url", "https://one.example", "--token-algorithm", "ES256")
    assert run("instance", "create", "one", *options).exit_code == 0
    made = run("token-auth", "create", "ci", "--right", "read", "--instance", "one", "--json").json
    assert run("token-auth", "revoke", made["id"]).exit_code == 0
    return tmp_path / "data"


def _head(run: Run) -> str:
    head: str = run("audit", "verify", "--json").json["head"]
    return head


def test_the_export_is_the_chain_of_what_was_done(run: Run, tmp_path: Path) -> None:
    text = run("audit", "export").out
    lines = text.encode().splitlines()

    assert [parse_line(line)[0].event.action for line in lines] == [
        "instance.create",
        "key.add",
        "token.create",
        "token.revoke",
    ]
    assert parse_line(lines[0])[0].event.actor_kind == "operator"
    head = verify_export(lines)
    assert _head(run) == f"{head.sequence}:{head.digest}"
    (tmp_path / "audit.jsonl").write_text(text)
    assert run("audit", "verify", tmp_path / "audit.jsonl", "--json").json == {
        "verified": True,
        "records": 4,
        "head": f"{head.sequence}:{head.digest}",
    }


def test_a_record_that_was_changed_is_found(run: Run, data: Path, tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl").write_text(run("audit", "export").out.replace("create", "revoke"))
    engine = create_engine(f"sqlite:///{data}/assay.sqlite3")
    with engine.begin() as connection:
        connection.execute(AUDIT.delete().where(AUDIT.c.sequence == sa.literal(2)))
    engine.dispose()

    exported = run("audit", "verify", tmp_path / "audit.jsonl")
    kept = run("audit", "verify")

    assert exported.exit_code == kept.exit_code == 4
    assert "line 1, where record 1 should be" in exported.err
    assert "line 2, where record 2 should be" in kept.err


def test_an_end_that_was_cut_off_is_found_with_a_head_that_was_kept(run: Run) -> None:
    head = _head(run)
    later = AuditHead(sequence=5, digest="0" * 64)

    assert run("audit", "verify", "--head", head).exit_code == 0
    cut = run("audit", "verify", "--head", f"{later.sequence}:{later.digest}")
    assert cut.exit_code == 4
    assert "a chain up to record 4 without it" in cut.err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [(("--head", "3"), "SEQUENCE:DIGEST"), (("none.jsonl",), "cannot read it")],
)
def test_what_cannot_be_verified_is_told(
    arguments: tuple[str, ...], expected: str, run: Run
) -> None:
    outcome = run("audit", "verify", *arguments)

    assert outcome.exit_code == 2
    assert expected in outcome.err
