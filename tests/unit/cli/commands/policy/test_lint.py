from __future__ import annotations

from tests.unit.cli.commands.policy.conftest import GOOD, WRONG, Write
from tests.unit.cli.conftest import Run

OPEN = "version=1.0;\nauthorizationrules{ => permit(); };\n"
NAMED = 'version=1.0;\nauthorizationrules{ c:[type=="x-ms-sgx-svn", value>=2] => permit(); };\n'


def test_a_clean_policy_passes(run: Run, write: Write) -> None:
    outcome = run("policy", "lint", write("good.policy", GOOD), "--type", "SgxEnclave")

    assert outcome.exit_code == 0
    assert outcome.out == "nothing found in 1 file\n"


def test_what_is_not_looked_for_without_a_type_is_said(run: Run, write: Write) -> None:
    outcome = run("policy", "lint", write("good.policy", GOOD))

    assert outcome.exit_code == 0
    assert outcome.out == "nothing found in 1 file\n"
    assert outcome.err == "names and types of claims are not checked without --type\n"


def test_a_warning_has_its_code_and_fails(run: Run, write: Write) -> None:
    outcome = run("policy", "lint", write("open.policy", OPEN), write("named.policy", NAMED))

    assert outcome.exit_code == 1
    lines = outcome.out.splitlines()
    assert lines[0].startswith("open.policy:2:21: warning: ")
    assert lines[0].endswith("[unconditional-permit]")
    assert lines[1] == "    authorizationrules{ => permit(); };"
    assert lines[2] == " " * 24 + "^" * len("=> permit()")
    assert lines[3] == "named.policy:2:21: note: the name c is not used [unused-identifier]"
    assert lines[6:] == ["1 warning, 1 note in 2 files"]


def test_a_note_does_not_fail(run: Run, write: Write) -> None:
    outcome = run("policy", "lint", write("named.policy", NAMED), "--json")

    assert outcome.exit_code == 0
    assert outcome.json["ok"] is True
    (file,) = outcome.json["files"]
    assert [finding["code"] for finding in file["findings"]] == ["unused-identifier"]


def test_a_comment_silences(run: Run, write: Write) -> None:
    text = OPEN.replace("=>", "// assay: allow unconditional-permit - a test\n=>")

    assert run("policy", "lint", write("open.policy", text)).exit_code == 0


def test_a_text_that_is_no_policy_fails_with_its_errors(run: Run, write: Write) -> None:
    outcome = run("policy", "lint", write("wrong.policy", WRONG))

    assert outcome.exit_code == 1
    assert outcome.out.endswith("2 errors in 1 file\n")
