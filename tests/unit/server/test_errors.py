from __future__ import annotations

import json
from typing import Any

import pytest

from assay.claims import Claim
from assay.errors import (
    AssayError,
    CollateralUnavailableError,
    Finding,
    IssuerUnavailableError,
    MalformedEvidenceError,
    OperationRefusedError,
    PolicyDeniedError,
    PolicyError,
    RequestError,
    SettingsError,
    StoreUnavailableError,
    TokenError,
    UnauthorizedError,
    UnknownInstanceError,
    UntrustedEvidenceError,
    UntrustedSignerError,
)
from assay.policy import (
    PolicyEvaluationError,
    PolicyProblem,
    PolicySyntaxError,
    compile_policy,
)
from assay.server.errors import (
    Refusal,
    RefusedRequestError,
    StoredPolicyError,
    error_answer,
    internal_answer,
)
from assay.server.operator_reason import operator_reason
from assay.service.attestation import PolicyRefusalError
from assay.service.instance_options import PolicyExplanations

_FINDING = Finding(check="a.b.c", expected="one", actual="two", hint="do it")
_PROBLEM = PolicyProblem(
    line=2, column=3, length=1, message="expected x", expected="x", source="y", caret="^"
)


def _body(error: AssayError) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(error_answer(error).body)["error"]
    return body


@pytest.mark.parametrize(
    ("error", "status", "code", "inner_code"),
    [
        (RequestError("x"), 400, "InvalidParameter", "InvalidRequest"),
        (MalformedEvidenceError("x"), 400, "InvalidParameter", "InvalidQuote"),
        (UntrustedEvidenceError("x"), 400, "InvalidParameter", "InvalidQuote"),
        (CollateralUnavailableError("x"), 503, "CollateralUnavailable", None),
        (PolicyDeniedError("x"), 400, "PolicyEvaluationError", None),
        (PolicySyntaxError([_PROBLEM]), 400, "PolicyParsingError", None),
        (PolicyEvaluationError("x", line=1, column=2), 400, "PolicyEvaluationError", None),
        (PolicyError("x"), 400, "PolicyEvaluationError", None),
        (StoredPolicyError([_PROBLEM]), 400, "PolicyParsingError", None),
        (TokenError("x"), 400, "InvalidOperation", None),
        (OperationRefusedError("x"), 400, "InvalidOperation", None),
        (UntrustedSignerError("x"), 400, "InvalidParameter", "UntrustedSigner"),
        (UnauthorizedError("x"), 401, "Unauthorized", None),
        (IssuerUnavailableError("x"), 503, "IssuerUnavailable", None),
        (UnknownInstanceError("x"), 404, "NotFound", None),
        (SettingsError("x"), 503, "InstanceUnavailable", None),
        (StoreUnavailableError("x"), 503, "StoreUnavailable", None),
    ],
)
def test_each_family_has_its_status_and_code(
    error: AssayError, status: int, code: str, inner_code: str | None
) -> None:
    answer = error_answer(error)

    assert (answer.status, answer.code, answer.inner_code) == (status, code, inner_code)
    assert (b"x-ms-error-code", code.encode()) in answer.headers


@pytest.mark.parametrize("refusal", Refusal)
def test_each_refusal_has_its_status_and_code(refusal: Refusal) -> None:
    status, code, inner_code = refusal.value

    answer = error_answer(RefusedRequestError(refusal, "why", target="there"))

    assert (answer.status, answer.code, answer.inner_code) == (status, code, inner_code)
    assert answer.message == "why"
    assert answer.target == "there"


def test_no_request_causes_another_family() -> None:
    with pytest.raises(LookupError):
        error_answer(AssayError("x"))


def test_what_is_wrong_with_an_instance_is_not_told() -> None:
    assert "SECRET" not in _body(SettingsError("SECRET"))["message"]


def test_a_caller_without_rights_is_told_how_to_authenticate_and_not_what_came() -> None:
    error = UnauthorizedError("who are you", findings=[_FINDING], challenge='Bearer realm="x"')

    assert (b"www-authenticate", b'Bearer realm="x"') in error_answer(error).headers
    assert _body(error) == {
        "code": "Unauthorized",
        "message": "who are you",
        "details": [{"code": "a.b.c", "message": "expected one", "target": "a.b"}],
    }


def test_an_issuer_that_is_away_is_told_without_its_address() -> None:
    assert "inside.example" not in str(_body(IssuerUnavailableError("https://inside.example")))


def test_a_policy_that_is_none_names_what_was_sent() -> None:
    assert _body(StoredPolicyError([_PROBLEM]))["target"] == "AttestationPolicy"
    assert _body(PolicySyntaxError([_PROBLEM]))["target"] == "draftPolicyForAttestation"


def test_findings_become_details() -> None:
    body = _body(UntrustedEvidenceError("bad", findings=[_FINDING]))

    assert body["message"] == "the evidence is not accepted: bad"
    assert body["innererror"] == {"code": "InvalidQuote"}
    assert body["details"] == [
        {"code": "a.b.c", "message": "expected one, got two (do it)", "target": "a.b"}
    ]


def test_many_findings_are_cut() -> None:
    body = _body(UntrustedEvidenceError("bad", findings=[_FINDING] * 100))

    assert len(body["details"]) == 32


def test_what_is_absent_is_no_member() -> None:
    assert set(_body(PolicyDeniedError("no"))) == {"code", "message"}


def _refusal(
    rules: str, explanations: PolicyExplanations = PolicyExplanations.FULL
) -> PolicyRefusalError:
    outcome = compile_policy(f"version=1.0;\nauthorizationrules{{\n{rules}\n}};").evaluate(
        [Claim("svn", 3), Claim("debug", value=True)]
    )
    return PolicyRefusalError(
        outcome.explanation,
        findings=[_FINDING],
        decision=outcome.decision,
        reasons=outcome.reasons,
        explanations=explanations,
    )


def test_a_denial_carries_its_rule_with_every_condition() -> None:
    body = _body(_refusal('[type=="svn"] && [type=="debug", value==true] => deny();'))

    assert body["message"] == (
        "the policy does not permit this evidence: denied by the rule at line 3: "
        "svn is 3; debug is true"
    )
    [finding] = body["details"]
    assert finding["code"] == "a.b.c"
    assert finding["details"] == [
        {
            "code": "policy.rule.fired",
            "message": '[type=="svn"] && [type=="debug", value==true] => deny()',
            "target": "line 3, column 1",
            "details": [
                {
                    "code": "policy.condition.held",
                    "message": "expected svn, the evidence has 3",
                    "target": "svn",
                },
                {
                    "code": "policy.condition.held",
                    "message": "expected debug == true, the evidence has true",
                    "target": "debug",
                },
            ],
        }
    ]


def test_a_refusal_without_permit_carries_what_the_rules_lack_closest_first() -> None:
    body = _body(
        _refusal('[type=="a"] && [value==7] => permit();\n[type=="svn", value>=5] => permit();')
    )

    rules = body["details"][0]["details"]
    assert [rule["target"] for rule in rules] == ["line 4, column 1", "line 3, column 1"]
    assert [rule["code"] for rule in rules] == ["policy.rule.unmet"] * 2
    assert rules[0]["details"] == [
        {
            "code": "policy.condition.failed",
            "message": "expected svn >= 5, the evidence has 3",
            "target": "svn",
        }
    ]
    assert [detail["target"] for detail in rules[1]["details"]] == ["a", "claims"]


def test_of_many_rules_and_conditions_a_few_are_told() -> None:
    rule = " && ".join(['[type=="a"]'] * 20) + " => permit();\n"

    rules = _body(_refusal(rule * 20))["details"][0]["details"]

    assert [len(rule["details"]) for rule in rules] == [8] * 8


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ("=> deny();", "Policy Engine Exception: A Deny claim was issued, authorization failed."),
        (
            "",
            (
                "Policy Engine Exception: No Permit claim was issued in the authorizationrules "
                "section, authorization failed."
            ),
        ),
    ],
)
def test_a_refusal_can_be_told_in_the_words_of_maa(rules: str, message: str) -> None:
    body = _body(_refusal(rules, PolicyExplanations.MINIMAL))

    assert body == {"code": "PolicyEvaluationError", "message": message}


def test_a_policy_that_fails_can_be_told_without_its_reason() -> None:
    error = PolicyRefusalError(
        "line 1, column 2: secret",
        findings=[_FINDING],
        decision="error",
        explanations=PolicyExplanations.MINIMAL,
    )

    assert _body(error) == {
        "code": "PolicyEvaluationError",
        "message": "Policy Evaluation Error has occurred",
    }


def test_the_problems_of_a_policy_become_details() -> None:
    body = _body(PolicySyntaxError([_PROBLEM]))

    assert "line 2, column 3: expected x" in body["message"]
    assert body["details"] == [
        {"code": "policy.syntax", "message": "expected x", "target": "line 2, column 3"}
    ]


def test_what_the_database_said_does_not_go_out() -> None:
    assert "secret path" not in str(_body(StoreUnavailableError("secret path")))


@pytest.mark.parametrize(
    ("error", "header"),
    [
        (CollateralUnavailableError("x"), (b"retry-after", b"5")),
        (StoreUnavailableError("x"), (b"retry-after", b"5")),
        (IssuerUnavailableError("x"), (b"retry-after", b"5")),
        (RefusedRequestError(Refusal.BUSY, "x"), (b"retry-after", b"1")),
        (RefusedRequestError(Refusal.METHOD, "x", allow="GET"), (b"allow", b"GET")),
        (RefusedRequestError(Refusal.BODY_SIZE, "x"), (b"connection", b"close")),
    ],
)
def test_headers_say_what_to_do(error: AssayError, header: tuple[bytes, bytes]) -> None:
    assert header in error_answer(error).headers


def test_text_that_utf8_cannot_carry_is_replaced() -> None:
    assert _body(RequestError("half \ud800"))["message"] == "half ?"


def test_a_long_message_is_cut() -> None:
    assert len(_body(RequestError("x" * 10_000))["message"]) == 2003


def test_an_internal_error_says_its_id_only() -> None:
    answer = internal_answer("00-ab")

    assert answer.status == 500
    assert "00-ab" in answer.message


def test_the_operator_reads_where_a_policy_is_wrong_and_not_its_text() -> None:
    with pytest.raises(PolicySyntaxError) as caught:
        compile_policy("version= 1.0; {} // hunter2")

    assert "hunter2" in caught.value.message
    for error in (caught.value, StoredPolicyError(caught.value.problems)):
        reason = operator_reason(error)
        assert reason.startswith("line 1, column 15: expected a section")
        assert "hunter2" not in reason


def test_the_operator_reads_every_other_error_as_it_is() -> None:
    assert operator_reason(TokenError("not a token")) == "not a token"
