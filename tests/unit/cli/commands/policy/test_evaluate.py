from __future__ import annotations

import pytest

from assay.encoding import JsonValue
from tests.unit.cli.commands.policy.conftest import GOOD, WRONG, Write
from tests.unit.cli.conftest import Run

BROKEN = """version=1.2;
configurationrules { => issueproperty(type="x-ms-sgx-tcbidentifier", value="15"); };
authorizationrules { c:[type=="a"] => add(type="b", value=NegateBool(c.value)); => permit(); };
"""


def test_a_permit_shows_what_is_issued(run: Run, write: Write) -> None:
    write("good.policy", GOOD)
    write("claims.json", {"x-ms-sgx-svn": 3})

    outcome = run("policy", "eval", "good.policy", "--claims", "claims.json")

    assert outcome.exit_code == 0
    assert outcome.err == ""
    assert outcome.out.splitlines() == [
        "decision: permit - permitted by the rule at line 5: x-ms-sgx-svn is 3",
        "",
        "issued claims",
        "  version  3",
    ]


def test_the_json_answer_has_exactly_its_members(run: Run, write: Write) -> None:
    write("good.policy", GOOD)
    write("claims.json", {"x-ms-sgx-svn": 3})

    report = run("policy", "eval", "good.policy", "--claims", "claims.json", "--json").json

    trace = report.pop("trace")
    assert [(record["line"], record["fired"]) for record in trace] == [
        (4, False),
        (5, True),
        (9, True),
    ]
    assert report == {
        "decision": "permit",
        "claims": {"version": 3},
        "configuration": {},
        "properties": {},
        "error": None,
    }


@pytest.mark.parametrize(
    ("claims", "decision"),
    [
        ({"x-ms-sgx-svn": 1}, "no-permit"),
        ({"x-ms-sgx-svn": 2, "x-ms-sgx-is-debuggable": True}, "deny"),
    ],
)
def test_a_refusal_ends_with_code_3(
    run: Run, write: Write, claims: dict[str, JsonValue], decision: str
) -> None:
    write("good.policy", GOOD)
    write("claims.json", claims)

    outcome = run("policy", "eval", "good.policy", "--claims", "claims.json", "--json")

    assert outcome.exit_code == 3
    assert outcome.json["decision"] == decision
    assert outcome.json["error"]["code"] == "PolicyEvaluationError"


def test_a_policy_that_fails_shows_where(run: Run, write: Write) -> None:
    write("broken.policy", BROKEN)
    write("claims.json", {"a": 1})

    outcome = run("policy", "eval", "broken.policy", "--claims", "claims.json")

    assert outcome.exit_code == 3
    lines = outcome.out.splitlines()
    assert lines[0].startswith("decision: error - the policy failed at line 3, column 59: ")
    assert lines[1] == "    " + BROKEN.splitlines()[2]
    assert lines[2] == " " * 62 + "^"
    assert lines[4:] == ["configuration", "  x-ms-sgx-tcbidentifier  15"]


def test_a_text_that_is_no_policy_is_a_matter_of_usage(run: Run, write: Write) -> None:
    write("wrong.policy", WRONG)
    write("claims.json", {})

    text = run("policy", "eval", "wrong.policy", "--claims", "claims.json")
    report = run("policy", "eval", "wrong.policy", "--claims", "claims.json", "--json")

    assert text.exit_code == report.exit_code == 2
    assert text.err.startswith(
        "assay: wrong.policy is not a policy\nline 4, column 10: expected a comparison"
    )
    assert report.json["decision"] == "error"
    assert report.json["error"]["code"] == "PolicyParsingError"


def test_claims_that_the_type_lacks_are_pointed_out_and_taken(run: Run, write: Write) -> None:
    write("good.policy", GOOD)
    write("claims.json", {"x-ms-sgx-svn": 2, "x-ms-sgx-snv": 3})

    outcome = run(
        *("policy", "eval", "good.policy", "--claims", "claims.json", "--type", "SgxEnclave")
    )

    assert outcome.exit_code == 0
    assert outcome.err == (
        "claims.json: no SgxEnclave evidence has the claim x-ms-sgx-snv; "
        "did you mean `x-ms-sgx-svn`?\n"
    )


def test_claims_may_come_from_standard_input(run: Run, write: Write) -> None:
    file = write("good.policy", GOOD)

    outcome = run("policy", "eval", file, "--claims", "-", stdin=b'{"x-ms-sgx-svn": 2}')

    assert outcome.exit_code == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "claims.json: expected a JSON object, got an array"),
        ('{"a": 1, "a": 2}', "claims.json: expected unique names, got 'a' twice"),
        ('{"a": {"valeu": 1}}', "claims.json: a: expected the members value, "),
        ('{"cases": []}', "claims.json: expected incoming claims, got a fixture with cases; `"),
    ],
)
def test_what_is_no_set_of_claims_is_a_matter_of_usage(
    run: Run, write: Write, content: str, message: str
) -> None:
    write("good.policy", GOOD)
    write("claims.json", content)

    outcome = run("policy", "eval", "good.policy", "--claims", "claims.json")

    assert outcome.exit_code == 2
    assert outcome.out == ""
    assert f"assay: {message}" in outcome.err
