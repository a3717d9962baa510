from __future__ import annotations

import pytest

from assay.claims import Claim
from assay.policy import CompiledPolicy, Decision, PolicyEvaluationError, compile_policy
from assay.policy.outcome import evaluate_policy
from assay.policy.run import MAX_INCOMING_CLAIMS


def policy(authorization: str, issuance: str = "", configuration: str = "") -> CompiledPolicy:
    return compile_policy(
        "version=1.2;\n"
        f"configurationrules\n{{\n{configuration}\n}};\n"
        f"authorizationrules\n{{\n{authorization}\n}};\n"
        f"issuancerules\n{{\n{issuance}\n}};\n"
    )


@pytest.mark.parametrize(
    ("rules", "decision"),
    [
        ("", Decision.NO_PERMIT),
        ("=> permit();", Decision.PERMIT),
        ("=> deny();", Decision.DENY),
        ("=> permit(); => deny();", Decision.DENY),
        ("=> deny(); => permit();", Decision.DENY),
        ('[type=="none"] => deny(); => permit();', Decision.PERMIT),
        ('[type=="none"] => permit();', Decision.NO_PERMIT),
    ],
)
def test_deny_beats_permit_and_silence_refuses(rules: str, decision: Decision) -> None:
    assert policy(rules).evaluate([]).decision is decision


@pytest.mark.parametrize("text", ["version=1.0;", "version=1.0;issuancerules{};"])
def test_a_policy_without_authorization_rules_refuses(text: str) -> None:
    assert compile_policy(text).evaluate([]).decision is Decision.NO_PERMIT


@pytest.mark.parametrize("rules", ["=> deny();", "", "=> permit(); => deny();"])
def test_a_refusal_issues_nothing(rules: str) -> None:
    issue = '=> issue(type="a", value=1);'
    outcome = policy(issue + rules, issue + '=> issueproperty(type="b", value=1);').evaluate([])

    assert outcome.issued == outcome.properties == {}


def test_issuing_in_authorization_rules_reaches_the_token() -> None:
    outcome = policy('=> issue(type="a", value=1); [type=="a"] => permit();').evaluate([])

    assert outcome.issued == {"a": 1}


def test_claims_added_while_authorizing_are_seen_while_issuing() -> None:
    outcome = policy(
        '=> add(type="a", value=1); => permit();', 'c:[type=="a"] => issue(claim=c);'
    ).evaluate([])

    assert outcome.issued == {"a": 1}


def test_property_claims_are_kept_apart() -> None:
    outcome = policy("=> permit();", '=> issueproperty(type="omit_x5c", value=true);').evaluate([])

    assert (outcome.issued, outcome.properties) == ({}, {"omit_x5c": True})


def test_configuration_claims_are_no_claims_of_later_sections() -> None:
    compiled = policy(
        '[type=="a"] => deny(); => permit();',
        'c:[type=="a"] => issue(claim=c);',
        '=> issueproperty(type="a", value=1);',
    )

    assert compiled.configuration() == {"a": 1}
    assert compiled.evaluate([]).issued == {}


def test_a_configuration_rule_with_a_condition_sees_no_claims() -> None:
    compiled = policy(
        "=> permit();",
        configuration='[type=="x"] => issueproperty(type="a", value=1);'
        '![type=="x"] => issueproperty(type="b", value=2);',
    )

    assert compiled.configuration() == {"b": 2}


@pytest.mark.parametrize("value", ['"azuredefault"', '"10"', '"15"', '"999999999"'])
def test_a_tcb_identifier_is_the_default_or_a_number_as_string(value: str) -> None:
    rule = f'=> issueproperty(type="x-ms-sgx-tcbidentifier", value={value});'

    assert list(policy("", configuration=rule).configuration()) == ["x-ms-sgx-tcbidentifier"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-ms-sgx-tcbidentifier", "11"),
        ("x-ms-sgx-tcbidentifier", '"AzureDefault"'),
        ("x-ms-sgx-tcbidentifier", '""'),
        ("x-ms-sgx-tcbidentifier", '"1\\n"'),
        ("x-ms-sgx-tcbidentifier", '"-1"'),
        ("x-ms-sgx-tcbidentifier", '"0"'),
        ("x-ms-sgx-tcbidentifier", '"1234567890"'),
        ("x-ms-sgx-tcbidentifier", '"\u0661\u0660"'),
        ("x-ms-sgx-tcbidentifier", "true"),
        ("require_valid_aik_cert", '"false"'),
        ("require_valid_aik_cert", "1"),
        ("required_pcr_mask", '"15"'),
        ("required_pcr_mask", "true"),
        ("required_pcr_mask", "16777216"),
    ],
)
def test_a_setting_of_the_wrong_kind_fails_instead_of_falling_back(name: str, value: str) -> None:
    compiled = policy("", configuration=f'=> issueproperty(type="{name}", value={value});')

    with pytest.raises(PolicyEvaluationError, match=name) as caught:
        compiled.configuration()
    assert caught.value.line == 4


def test_known_settings_of_the_right_kind_pass() -> None:
    rules = (
        '=> issueproperty(type="require_valid_aik_cert", value=false);'
        '=> issueproperty(type="required_pcr_mask", value=16777215);'
        '=> issueproperty(type="other", value="x");'
    )

    assert policy("", configuration=rules).configuration() == {
        "require_valid_aik_cert": False,
        "required_pcr_mask": 16777215,
        "other": "x",
    }


def test_the_configuration_is_worked_out_once_and_cannot_be_changed() -> None:
    compiled = policy("", configuration='=> issueproperty(type="a", value=1);')

    assert compiled.configuration() is compiled.configuration()
    assert not hasattr(compiled.configuration(), "__setitem__")


def test_a_configuration_that_fails_fails_each_time() -> None:
    compiled = policy("", configuration='=> issueproperty(type="a", value=NegateBool(1));')

    for _ in range(2):
        with pytest.raises(PolicyEvaluationError, match="NegateBool expects") as caught:
            compiled.configuration()
        assert (caught.value.line, caught.value.column) == (4, 34)


def test_a_setting_with_two_values_fails() -> None:
    rules = (
        '=> issueproperty(type="x", value=1);'
        '=> issueproperty(type=JsonToClaimValue("\\"y\\""), value=1);'
        '=> issueproperty(type=JsonToClaimValue("\\"y\\""), value=2);'
    )

    with pytest.raises(PolicyEvaluationError, match="one value is expected, got 2") as caught:
        policy("", configuration=rules).configuration()
    assert (caught.value.line, caught.value.column) == (1, 1)


def test_a_setting_with_two_values_is_placed_at_its_first_rule() -> None:
    rules = "".join(f'\n=> issueproperty(type="x", value={value});' for value in (1, 2))

    with pytest.raises(PolicyEvaluationError, match="x: one value is expected, got 2") as caught:
        policy("", configuration=rules).configuration()
    assert (caught.value.line, caught.value.column) == (5, 1)


def test_a_setting_copied_from_a_claim_is_placed_at_the_start() -> None:
    rules = (
        '=> issueproperty(type="y", value="require_valid_aik_cert");'
        'c:[type=="y"] => issueproperty(type=c.value, value=1);'
        'd:[type=="require_valid_aik_cert"] => issueproperty(claim=d);'
    )

    with pytest.raises(
        PolicyEvaluationError, match="true or false is expected, got 1 of type Integer"
    ) as caught:
        policy("", configuration=rules).configuration()
    assert (caught.value.line, caught.value.column) == (1, 1)


def test_the_deciding_rule_is_the_first_of_its_kind() -> None:
    rules = "=> permit();\n=> deny();\n  => deny();\n=> permit();"

    denied = policy(rules).evaluate([]).rule
    permitted = policy(rules.replace("deny", "permit")).evaluate([]).rule

    assert denied is not None
    assert permitted is not None
    assert (denied.line, denied.column, denied.text) == (9, 1, "=> deny()")
    assert permitted.line == 8
    assert policy("").evaluate([]).rule is None


def test_an_error_anywhere_fails_the_evaluation() -> None:
    bad = '=> add(type="a", value=NegateBool(1));'

    with pytest.raises(PolicyEvaluationError):
        policy("=> deny();" + bad).evaluate([])
    with pytest.raises(PolicyEvaluationError):
        policy("=> permit();", bad).evaluate([])
    assert policy("=> deny();", bad).evaluate([]).decision is Decision.DENY


def exhausting(action: str) -> str:
    """Rules that make the longest string there is and read it until no step is left."""
    doublings = "".join(
        f'c:[type=="{n}"] => {action}(type="{n + 1}", value=AppendString(c.value, c.value));'
        for n in range(18)
    )
    reading = (
        '\nc:[type=="18"] && [type=="0", value==AppendString(c.value, "")]'
        f' => {action}(type="read", value=true);'
    )
    return f'=> {action}(type="0", value="{"x" * 16}");' + doublings + reading * 8


@pytest.mark.parametrize("section", ["configuration", "authorization", "issuance"])
def test_too_many_steps_are_an_error_of_the_evaluation_in_each_section(section: str) -> None:
    rules = {"authorization": "=> permit();"}
    rules[section] = exhausting("issueproperty" if section == "configuration" else "add")
    compiled = policy(**rules)

    outcome = evaluate_policy(compiled, [])

    assert outcome.decision == "error"
    assert outcome.error is not None
    assert outcome.error.reason == "the evaluation takes too many steps"
    first = compiled.text[: compiled.text.index('"read"')].count("\n") + 1
    assert first < outcome.error.line < first + 8


def test_too_many_claims_are_an_error_of_the_evaluation() -> None:
    claims = [Claim("a", 1)] * MAX_INCOMING_CLAIMS

    assert policy("=> permit();").evaluate(claims).decision is Decision.PERMIT
    with pytest.raises(PolicyEvaluationError, match="incoming claims") as caught:
        policy("=> permit();").evaluate([*claims, claims[0]])
    assert (caught.value.line, caught.value.column) == (1, 1)


def test_too_much_output_is_an_error_of_the_evaluation() -> None:
    compiled = policy("=> permit();", 'c:[type=="a"] => issue(claim=c);')

    with pytest.raises(PolicyEvaluationError, match="characters issued"):
        compiled.evaluate([Claim("a", "x" * 2_000_000)])


def test_an_evaluation_shows_its_decision() -> None:
    outcome = policy("=> permit();", '=> issue(type="a", value=1);').evaluate([])

    assert repr(outcome) == "Evaluation(decision=permit, issued={'a': 1})"
