from __future__ import annotations

from assay.policy import policy_hash
from tests.unit.cli.commands.policy.conftest import GOOD, WRONG, Write
from tests.unit.cli.conftest import Run

MISSPELLED = GOOD.replace("x-ms-sgx-svn", "x-ms-sgx-snv")


def test_a_policy_without_errors_is_said_to_be_one(run: Run, write: Write) -> None:
    outcome = run("policy", "check", write("good.policy", GOOD))

    assert outcome.exit_code == 0
    assert outcome.out == f"good.policy: no errors, hash {policy_hash(GOOD)}\n"
    assert outcome.err == "names and types of claims are not checked without --type\n"


def test_a_policy_without_errors_for_its_type_is_checked_in_full(run: Run, write: Write) -> None:
    outcome = run("policy", "check", write("good.policy", GOOD), "--type", "SgxEnclave")

    assert outcome.exit_code == 0
    assert outcome.err == ""


def test_every_error_has_its_place_its_line_and_a_caret(run: Run, write: Write) -> None:
    outcome = run("policy", "check", write("wrong.policy", WRONG), write("good.policy", GOOD))

    assert outcome.exit_code == 1
    lines = outcome.out.splitlines()
    assert lines[0].startswith("wrong.policy:4:10: error: expected a comparison, got `=`; ")
    assert lines[1] == '        [type="x-ms-sgx-svn"] => permit();'
    assert lines[2] == "             ^"
    assert lines[3].startswith("wrong.policy:5:8: error: expected an action, got `Deny`; ")
    assert lines[3].endswith("write `deny`")
    assert lines[6].startswith("good.policy: no errors")
    assert lines[7:] == ["2 errors in 2 files"]


def test_claims_that_the_type_lacks_are_errors_where_it_is_named(run: Run, write: Write) -> None:
    file = write("a.policy", MISSPELLED)

    with_type = run("policy", "check", file, "--type", "SgxEnclave")
    without = run("policy", "check", file)

    assert with_type.exit_code == 1
    assert "did you mean `x-ms-sgx-svn`? [unknown-claim]" in with_type.out
    assert without.exit_code == 0


def test_the_json_answer_has_everything(run: Run, write: Write) -> None:
    outcome = run(
        "policy", "check", write("wrong.policy", WRONG), write("good.policy", GOOD), "--json"
    )

    assert outcome.exit_code == 1
    wrong, good = outcome.json["files"]
    assert outcome.json["ok"] is wrong["ok"] is False
    assert good == {"file": "good.policy", "hash": policy_hash(GOOD), "ok": True, "errors": []}
    assert wrong["errors"][0] == {
        "code": "syntax",
        "severity": "error",
        "line": 4,
        "column": 10,
        "length": 1,
        "message": wrong["errors"][0]["message"],
        "source": '    [type="x-ms-sgx-svn"] => permit();',
        "caret": "         ^",
    }


def test_a_policy_may_come_from_standard_input(run: Run) -> None:
    outcome = run("policy", "check", "-", "--json", stdin=GOOD.encode())

    assert outcome.exit_code == 0
    assert outcome.json["files"][0]["hash"] == policy_hash(GOOD)


def test_a_file_that_is_not_there_is_a_matter_of_usage(run: Run, write: Write) -> None:
    outcome = run("policy", "check", write("good.policy", GOOD), "absent.policy")

    assert outcome.exit_code == 2
    assert outcome.out == ""
    assert "absent.policy: cannot be read" in outcome.err


def test_what_a_policy_says_cannot_steer_the_terminal(run: Run, write: Write) -> None:
    outcome = run("policy", "check", write("a.policy", "version=1.0; \x1b[31m"))

    assert outcome.exit_code == 1
    assert "\x1b" not in outcome.out
