from __future__ import annotations

import pytest

from assay.claims import Claim
from assay.encoding import JsonValue
from assay.policy import PolicySyntaxError, compile_policy
from assay.policy.outcome import Outcome, evaluate_policy, outcome_report, syntax_report

POLICY = """version=1.2;
configurationrules { => issueproperty(type="required_pcr_mask", value=15); };
authorizationrules
{
    [type=="bad", value==true] => deny();
    [type=="svn", value>=2] => permit();
};
issuancerules
{
    c:[type=="svn"] => issue(type="version", value=c.value);
    => issueproperty(type="omit_x5c", value=true);
    c:[type=="broken"] => issue(type="a", value=NegateBool(c.value));
};
"""


def outcome(*claims: Claim, text: str = POLICY) -> Outcome:
    return evaluate_policy(compile_policy(text), claims)


def error(report: dict[str, JsonValue]) -> dict[str, JsonValue]:
    assert isinstance(report["error"], dict)
    return report["error"]


def test_a_permit_has_everything_that_the_policy_made() -> None:
    report = outcome_report(outcome(Claim("svn", 3)))

    trace = report.pop("trace")
    assert report == {
        "decision": "permit",
        "claims": {"version": 3},
        "configuration": {"required_pcr_mask": 15},
        "properties": {"omit_x5c": True},
        "error": None,
    }
    assert isinstance(trace, list)
    assert len(trace) == 5
    assert trace[1] == {
        "section": "authorizationrules",
        "line": 6,
        "column": 5,
        "rule": '[type=="svn", value>=2] => permit()',
        "fired": True,
        "conditions": [
            {
                "claim_type": "svn",
                "held": True,
                "expected": "svn >= 2",
                "actual": "the evidence has 3",
                "claims": [{"type": "svn", "value": 3, "issuer": "AttestationService"}],
            }
        ],
    }


@pytest.mark.parametrize(
    ("claims", "decision", "message", "line"),
    [
        ((Claim("bad", value=True),), "deny", "denied by the rule at line 5: bad is true", 5),
        (
            (Claim("svn", 1),),
            "no-permit",
            "no rule permitted; the closest is line 6: it needs svn >= 2, the evidence has 1",
            None,
        ),
        (
            (Claim("svn", 2), Claim("broken", 1)),
            "error",
            "the policy failed at line 12, column 49: NegateBool expects one Boolean, got 1",
            12,
        ),
    ],
)
def test_a_refusal_has_the_error_of_the_service(
    claims: tuple[Claim, ...], decision: str, message: str, line: int | None
) -> None:
    found = outcome(*claims)
    report = outcome_report(found)

    assert not found.permitted
    assert report["decision"] == decision
    assert report["claims"] == report["properties"] == {}
    assert report["configuration"] == {"required_pcr_mask": 15}
    assert error(report)["code"] == "PolicyEvaluationError"
    assert error(report)["message"] == found.explanation == message
    assert error(report)["line"] == line
    assert (error(report)["column"] is None) is (line is None)


def test_a_setting_that_cannot_be_is_an_error_before_any_claim_is_looked_at() -> None:
    found = outcome(Claim("svn", 3), text=POLICY.replace("value=15", 'value="15"'))

    assert found.decision == "error"
    assert found.configuration == {}
    assert found.trace == ()
    assert "required_pcr_mask: an integer from 0 to 16777215 is expected" in found.explanation


def test_a_text_that_is_no_policy_has_the_same_members() -> None:
    with pytest.raises(PolicySyntaxError) as caught:
        compile_policy("version=1.0;\nauthorizationrule{};")

    report = syntax_report(caught.value)

    assert list(report) == list(outcome_report(outcome()))
    assert report["decision"] == "error"
    assert error(report)["code"] == "PolicyParsingError"
    assert (error(report)["line"], error(report)["column"]) == (2, 1)
    assert "did you mean `authorizationrules`?" in str(error(report)["message"])
