from __future__ import annotations

import pytest

from assay.policy import compile_policy, lint_policy

SVN = 'c:[type=="x-ms-sgx-svn"]'
HEX = 'c:[type=="x-ms-sgx-mrsigner"]'
FLAG = 'c:[type=="x-ms-sgx-is-debuggable"]'


def found(condition: str, call: str, *, before: str = "") -> list[str]:
    rule = f'{before}{condition} => add(type="a", value={call});[type=="a"] => permit();'
    text = f"version=1.2;authorizationrules{{{rule}}};"
    return [
        finding.message
        for finding in lint_policy(compile_policy(text), "SgxEnclave")
        if finding.code == "argument-type"
    ]


@pytest.mark.parametrize(
    ("condition", "call", "wanted", "got"),
    [
        (SVN, "NegateBool(c.value)", "Boolean", "Integer"),
        (SVN, "NegateBool(c.issuer)", "Boolean", "String"),
        ("", "NegateBool(1)", "Boolean", "Integer"),
        ("", 'NegateBool(JmesPath("{}", "a"))', "Boolean", "String"),
        ("", 'AppendString("a", NegateBool(true))', "String", "Boolean"),
        (SVN, 'AppendString(c.value, "a")', "String", "Integer"),
        (SVN, 'JmesPath("{}", c.value)', "String", "Integer"),
        (SVN, "JsonToClaimValue(IsSubsetOf(c.value, 1))", "String", "Boolean"),
        ("", 'JsonToClaimValue(AppendString("a", 1))', "String", "Integer"),
    ],
)
def test_an_argument_that_a_function_always_refuses_is_found(
    condition: str, call: str, wanted: str, got: str
) -> None:
    (message,) = found(condition, call)

    assert f"expects {wanted} here, this is of type {got}:" in message


@pytest.mark.parametrize(
    ("condition", "call"),
    [
        (FLAG, "NegateBool(c.value)"),
        (FLAG, "NegateBool(ContainsOnlyValue(c.value, 1))"),
        (HEX, 'AppendString(c.value, AppendString(c.type, "a"))'),
        (SVN, 'IsSubsetOf(c.value, "a")'),
        ("", 'NegateBool(JsonToClaimValue("true"))'),
        ('c:[type=="unheard"]', "NegateBool(c.value)"),
        ('c:[type=="x-ms-sgx-collateral"]', "NegateBool(c.value)"),
        ("c:[value==1]", "NegateBool(c.value)"),
    ],
)
def test_an_argument_that_may_fit_is_not_found(condition: str, call: str) -> None:
    assert found(condition, call) == []


def test_a_claim_that_the_policy_makes_anew_may_have_another_type() -> None:
    made = '=> add(type="x-ms-sgx-svn", value=true);'

    assert found(SVN, "NegateBool(c.value)", before=made) == []


def test_a_claim_is_of_no_known_type_without_an_attestation_type() -> None:
    text = (
        f"version=1.2;authorizationrules{{=> permit();}};"
        f'issuancerules{{{SVN} => issue(type="a", value=NegateBool(c.value));}};'
    )

    codes = [finding.code for finding in lint_policy(compile_policy(text))]

    assert "argument-type" not in codes
