from __future__ import annotations

from typing import Any

import pytest

from assay.claims import Claim
from assay.encoding import EncodingError, JsonValue
from assay.policy import policy_hash
from assay.policy.fixtures import (
    Fixture,
    FixtureResult,
    Status,
    read_claim_sets,
    read_fixture,
    run_fixture,
)

POLICY = """version=1.2;
configurationrules { => issueproperty(type="required_pcr_mask", value=15); };
authorizationrules { [type=="svn", value>=2] => permit(); [type=="bad"] => deny(); };
issuancerules
{
    c:[type=="svn"] => issue(type="version", value=c.value);
    => issueproperty(type="omit_x5c", value=true);
    c:[type=="broken"] => issue(type="a", value=NegateBool(c.value));
};
"""


def case(incoming: dict[str, JsonValue], **expected: JsonValue) -> dict[str, JsonValue]:
    return {"name": "the case", "incoming_claims": incoming, "expected": {**expected}}


def run(*cases: dict[str, JsonValue], text: str = POLICY, **more: Any) -> list[FixtureResult]:  # noqa: ANN401
    fixture = read_fixture({"cases": list(cases), **more}, "policy.json")
    return list(run_fixture(text, fixture))


@pytest.mark.parametrize(
    "expected",
    [
        {"decision": "permit"},
        {"decision": "permit", "claims": {"version": 2}},
        {"decision": "permit", "configuration": {"required_pcr_mask": 15}},
        {"decision": "permit", "properties": {"omit_x5c": True}},
    ],
)
def test_a_case_passes_where_all_that_it_names_is_so(expected: dict[str, JsonValue]) -> None:
    assert run(case({"svn": 2}, **expected)) == [
        FixtureResult(name="the case", status=Status.PASSED)
    ]


@pytest.mark.parametrize(
    ("incoming", "decision"),
    [({"svn": 1}, "no-permit"), ({"bad": 1}, "deny"), ({"svn": 2, "broken": 1}, "error")],
)
def test_a_refusal_can_be_expected(incoming: dict[str, JsonValue], decision: str) -> None:
    error: JsonValue = {"http": 400, "code": "PolicyEvaluationError"}

    (result,) = run(case(incoming, decision=decision, error=error, claims={}))

    assert result.status is Status.PASSED


@pytest.mark.parametrize(
    ("expected", "details"),
    [
        (
            {"decision": "deny"},
            (
                "decision: expected deny, got permit",
                "permitted by the rule at line 3: svn is 2",
            ),
        ),
        ({"decision": "permit", "claims": {}}, ("claims.version: expected nothing, got 2",)),
        (
            {"decision": "permit", "claims": {"version": "2", "a": True}},
            (
                'claims.version: expected "2", got 2',
                "claims.a: expected true, got nothing",
            ),
        ),
        # `True == 1` in Python.
        (
            {"decision": "permit", "properties": {"omit_x5c": 1}},
            ("properties.omit_x5c: expected 1, got true",),
        ),
        (
            {"decision": "permit", "configuration": {}},
            ("configuration.required_pcr_mask: expected nothing, got 15",),
        ),
    ],
)
def test_a_case_fails_with_all_that_differs(
    expected: dict[str, JsonValue], details: tuple[str, ...]
) -> None:
    (result,) = run(case({"svn": 2}, **expected))

    assert result == FixtureResult(name="the case", status=Status.FAILED, details=details)


def test_the_hash_is_tested_where_it_is_named() -> None:
    good = run(case({"svn": 2}, decision="permit"), policy_hash=policy_hash(POLICY))
    bad = run(case({"svn": 2}, decision="permit"), policy_hash="x")

    assert [result.status for result in good] == [Status.PASSED, Status.PASSED]
    assert bad[0].details == ("expected x", f"got      {policy_hash(POLICY)}")


def test_lint_findings_are_tested_where_they_are_named() -> None:
    text = 'version=1.0;authorizationrules{c:[type=="x-ms-sgx-svn", value=="2"] => permit();};'
    permit = case({"x-ms-sgx-svn": "2"}, decision="permit")

    wanted = ["unused-identifier: c", "type-mismatch"]

    (of_sgx, _) = run(permit, text=text, lint=wanted, attestation_type="SgxEnclave")
    (of_any, _) = run(permit, text=text, lint=wanted, attestation_type="any")

    assert of_sgx.status is Status.PASSED
    assert of_any.details == ("expected type-mismatch, got none",)


def test_a_text_that_is_no_policy_fails_once_with_its_problems() -> None:
    (result,) = run(case({}, decision="permit"), text="version=1.0;\nauthorisationrules{};")

    assert result.name == "is a policy"
    assert result.status is Status.FAILED
    assert result.details[0].startswith("line 2, column 1: expected a section")
    assert result.details[2].strip() == "^" * len("authorisationrules")


REFUSED = {"expected_error": {"code": "PolicyParsingError"}}


@pytest.mark.parametrize(
    ("members", "text", "status", "details"),
    [
        (REFUSED, "version", Status.PASSED, ""),
        ({**REFUSED, "first_offence": {"line": 1}}, "version", Status.PASSED, ""),
        ({**REFUSED, "first_offence": {"line": 2}}, "version", Status.FAILED, "at line 2"),
        (REFUSED, POLICY, Status.FAILED, "expected a text that is no policy"),
        ({"recommended": "Reject."}, "version", Status.PASSED, ""),
        ({"recommended": "Reject."}, POLICY, Status.FAILED, "no policy"),
        (
            {"recommended": "Accept.", "question": "Why?"},
            POLICY,
            Status.SKIPPED,
            "nothing is expected: Why?",
        ),
        ({"recommended": "Accept."}, "version", Status.FAILED, "line 1, column 8: expected"),
    ],
)
def test_a_fixture_can_say_that_a_text_is_refused(
    members: dict[str, JsonValue], text: str, status: Status, details: str
) -> None:
    (result,) = run_fixture(text, read_fixture(members, "policy.json"))

    assert result.status is status
    assert details in " ".join(result.details)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({}, "policy.json: expected a fixture with `cases` or `expected_error`"),
        ({"case": []}, "policy.json: expected a fixture"),
        ({"cases": []}, "expected `cases` as an array of cases, got an empty one"),
        ({"cases": {}}, "expected `cases` as an array of cases, got an object"),
        ({"cases": [1]}, "case 1: expected an object, got a number"),
        ({"cases": [{}]}, "case 1: name: expected a string, got none"),
        ({"cases": [{"name": "a"}]}, "case 1 (a): expected: expected an object, got none"),
        (
            {"cases": [case({}, decision="allow")]},
            'expected a `decision`, one of permit, deny, no-permit, error, got "allow"',
        ),
        ({"cases": [case({})]}, "no-permit, error, got none"),
        ({"cases": [case({}, decision="deny", clams={})]}, "got 'clams'; did you mean `claims`?"),
        ({"cases": [{**case({}, decision="deny"), "skip": True}]}, "got 'skip'"),
        ({"cases": [case({}, decision="deny", claims=[])]}, "claims: expected an object, got an"),
        ({"cases": [case({"a": 0.5}, decision="deny")]}, "(the case): incoming_claims: a: expec"),
        ({"cases": [{"name": 1}]}, "case 1: name: expected a string, got a number"),
        ({"cases": [case({}, decision="deny")], "policy_hash": 1}, "policy_hash: expected a str"),
        ({"cases": [case({}, decision="deny")], "lint": "a"}, "expected `lint` as an array, got"),
        ({"recommended": 1}, "recommended: expected a string"),
        ({"expected_error": {}, "first_offence": 1}, "first_offence: expected an object"),
    ],
)
def test_what_is_no_fixture_is_refused_with_its_place(
    members: dict[str, JsonValue], message: str
) -> None:
    with pytest.raises(EncodingError) as caught:
        read_fixture(members, "policy.json")

    assert caught.value.message.startswith("policy.json")
    assert message in caught.value.message


def test_a_line_that_is_no_number_is_not_held_against_anything() -> None:
    members: dict[str, JsonValue] = {"expected_error": {}, "first_offence": {"line": "2"}}

    assert read_fixture(members, "policy.json") == Fixture(refused=True)


@pytest.mark.parametrize("name", ["any", "CyResComponent", ["SgxEnclave"], None])
def test_a_type_without_catalogue_is_none(name: JsonValue) -> None:
    members: dict[str, JsonValue] = {
        "attestation_type": name,
        "cases": [case({}, decision="deny")],
    }

    assert read_fixture(members, "policy.json").attestation_type is None


def test_the_claims_of_each_case_serve_other_tools() -> None:
    members: dict[str, JsonValue] = {"cases": [case({"svn": 2}, decision="deny")]}

    assert list(read_claim_sets(members, "f")) == [("f: the case", (Claim("svn", 2),))]
