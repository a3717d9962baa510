from __future__ import annotations

import pytest

from assay.claims import Claim, ClaimIssuer
from assay.policy.expressions import Evaluated, compile_expression
from assay.policy.meter import MAX_STEPS
from assay.policy.parser import parse
from assay.policy.run import Run
from assay.policy.source import PolicyEvaluationError, Source
from assay.policy.syntax import SectionName

CLAIMS = (
    Claim("a", 1),
    Claim("a", value=True, issuer=ClaimIssuer.CUSTOM),
    Claim("b", 1, ClaimIssuer.POLICY, read_only=True),
)


def evaluate(expression: str, *claims: Claim, run: Run | None = None) -> Evaluated:
    source = Source(f"version=1.2;authorizationrules{{[value=={expression}] => permit();}};")
    tree, problems = parse(source)
    assert problems == []
    node = tree.rules(SectionName.AUTHORIZATION)[0].conditions[0].tests[0].expression
    return compile_expression(node, {"c": 0}, source)(Run(()) if run is None else run, [claims])


def spent(expression: str, *claims: Claim) -> int:
    run = Run(())
    evaluate(expression, *claims, run=run)
    return MAX_STEPS - run.steps


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ("5", (5,)),
        ("true", (True,)),
        ('"a"', ("a",)),
        ("c.type", ("a", "b")),
        ("c.value", (1, True)),
        ("c.valueType", ("Integer", "Boolean")),
        ("c.issuer", ("AttestationService", "CustomClaim", "AttestationPolicy")),
        ("IsSubsetOf(5, c.value)", (False,)),
        ('AppendString(AppendString("a", "b"), "c")', ("abc",)),
    ],
)
def test_an_expression_stands_for_distinct_values(
    expression: str, values: tuple[object, ...]
) -> None:
    result, _ = evaluate(expression, *CLAIMS)

    assert [(type(value), value) for value in result] == [(type(value), value) for value in values]
    assert all(type(value) in {str, int, bool} for value in result)


@pytest.mark.parametrize(
    ("expression", "read_only"),
    [
        ("c.value", True),
        ("c.type", False),
        ("IsSubsetOf(c.value, c.value)", False),
        ("ContainsOnlyValue(c.value, c.value)", False),
        ("NegateBool(IsSubsetOf(c.value, c.value))", False),
    ],
)
def test_read_only_spreads_with_the_value_and_ends_at_predicates(
    expression: str, *, read_only: bool
) -> None:
    assert evaluate(expression, CLAIMS[2])[1] is read_only


@pytest.mark.parametrize(
    "expression",
    [
        'JmesPath(c.value, "@")',
        'JmesPath("{}", c.value)',
        "JsonToClaimValue(c.value)",
        'AppendString("x", c.value)',
    ],
)
def test_read_only_spreads_through_other_functions(expression: str) -> None:
    claim = Claim("d", "a" if '"{}"' in expression else "1", read_only=True)

    assert evaluate(expression, claim)[1]


def test_negate_bool_spreads_read_only() -> None:
    claim = Claim("d", value=True, read_only=True)

    assert evaluate("NegateBool(c.value)", claim) == ((False,), True)


def test_one_claim_among_several_is_enough_to_be_read_only() -> None:
    assert evaluate("c.value", *CLAIMS) == ((1, True), True)


def test_a_function_that_fails_names_its_place() -> None:
    with pytest.raises(PolicyEvaluationError) as caught:
        evaluate("NegateBool(c.value)", CLAIMS[0])

    assert caught.value.column == len("version=1.2;authorizationrules{[value==") + 1
    assert "NegateBool expects one Boolean, got 1" in str(caught.value)


def test_a_function_that_fails_inside_another_names_its_own_place() -> None:
    with pytest.raises(PolicyEvaluationError) as caught:
        evaluate("NegateBool(NegateBool(c.value))", CLAIMS[0])

    assert caught.value.column == len("version=1.2;authorizationrules{[value==NegateBool(") + 1


def test_values_of_many_claims_are_charged_for() -> None:
    source = Source("version=1.0;authorizationrules{[value==c.value] => permit();};")
    tree, _ = parse(source)
    node = tree.rules(SectionName.AUTHORIZATION)[0].conditions[0].tests[0].expression
    run = Run(())

    compile_expression(node, {"c": 0}, source)(run, [CLAIMS])

    assert run.steps == MAX_STEPS - len(CLAIMS)


def test_long_values_of_several_claims_are_compared_at_a_charge() -> None:
    claims = (Claim("x" * 1_600, "y" * 3_200), Claim("x" * 1_600, 1))

    assert spent("c.type", *claims) == 2 + 2 * 100
    assert spent("c.value", *claims) == 2 + 200
    assert spent("c.type", claims[0]) == 1
    assert spent("c.value", claims[0]) == 0
