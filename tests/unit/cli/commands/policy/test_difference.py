from __future__ import annotations

from assay.encoding import JsonValue
from tests.unit.cli.commands.policy.conftest import GOOD, WRONG, Write
from tests.unit.cli.commands.policy.test_explain import token
from tests.unit.cli.conftest import Run

STRICTER = GOOD.replace(">=2", ">=3")


def write_inputs(write: Write) -> None:
    case: JsonValue = {
        "name": "an old build",
        "incoming_claims": {"x-ms-sgx-svn": 2},
        "expected": {"decision": "permit"},
    }
    write("old.policy", GOOD)
    write("new.policy", STRICTER)
    write("claims/a.json", {"x-ms-sgx-svn": 3})
    write("claims/deeper/b.json", {"cases": [case]})
    write("claims/c.jwt", token({"x-ms-attestation-type": "sgx", "x-ms-sgx-svn": 2}) + "\n")
    write("claims/ignored.policy", GOOD)


def test_inputs_that_come_out_otherwise_are_shown_with_the_reasons(run: Run, write: Write) -> None:
    write_inputs(write)

    outcome = run("policy", "diff", "old.policy", "new.policy", "--claims-dir", "claims")

    assert outcome.exit_code == 1
    lines = outcome.out.splitlines()
    assert lines[:4] == [
        "refuses: claims/c.jwt",
        "  before  permit: permitted by the rule at line 5: x-ms-sgx-svn is 2",
        (
            "  after   no-permit: no rule permitted; the closest is line 5: "
            "it needs x-ms-sgx-svn >= 3, the evidence has 2"
        ),
        "  claims.version: 2 -> nothing",
    ]
    assert lines[4] == "refuses: claims/deeper/b.json: an old build"
    assert lines[-1] == "2 of 3 inputs come out otherwise"


def test_the_json_answer_tells_both_sides(run: Run, write: Write) -> None:
    write_inputs(write)

    outcome = run("policy", "diff", "new.policy", "old.policy", "--claims-dir", "claims", "--json")

    assert outcome.exit_code == 1
    assert outcome.json["inputs"] == 3
    changed = outcome.json["changed"][1]
    assert changed["input"] == "claims/deeper/b.json: an old build"
    assert changed["effect"] == "permits"
    assert changed["before"]["decision"] == "no-permit"
    assert changed["after"] == {
        "decision": "permit",
        "explanation": "permitted by the rule at line 5: x-ms-sgx-svn is 2",
    }
    assert changed["changes"] == [
        {"member": "claims", "name": "version", "before": "nothing", "after": "2"}
    ]


def test_policies_that_do_the_same_differ_in_nothing(run: Run, write: Write) -> None:
    write_inputs(write)

    outcome = run("policy", "diff", "old.policy", "old.policy", "--claims-dir", "claims")

    assert outcome.exit_code == 0
    assert outcome.out == "0 of 3 inputs come out otherwise\n"


def test_without_inputs_there_is_nothing_to_compare(run: Run, write: Write) -> None:
    write_inputs(write)

    outcome = run("policy", "diff", "old.policy", "new.policy", "--claims-dir", "absent")

    assert outcome.exit_code == 2
    assert "absent: expected a folder with claims, fixtures or tokens" in outcome.err


def test_a_text_that_is_no_policy_is_named(run: Run, write: Write) -> None:
    write_inputs(write)
    write("new.policy", WRONG)

    outcome = run("policy", "diff", "old.policy", "new.policy", "--claims-dir", "claims")

    assert outcome.exit_code == 2
    assert "new.policy is not a policy" in outcome.err


def test_a_path_that_the_system_refuses_is_a_usage_error(run: Run, write: Write) -> None:
    write_inputs(write)

    outcome = run("policy", "diff", "old.policy", "new.policy", "--claims-dir", "x" * 256)

    assert outcome.exit_code == 2
    assert "cannot be read: File name too long" in outcome.err
