from __future__ import annotations

import pytest

from assay.claims import Claim, ClaimIssuer, ClaimValue
from assay.policy import Decision, PolicyEvaluationError, compile_policy
from assay.policy.compile import Program, compile_program, predicate, run_rules
from assay.policy.meter import CHARACTERS_A_STEP, MAX_STEPS
from assay.policy.parser import parse
from assay.policy.query import Query
from assay.policy.source import Source
from assay.policy.syntax import Operator

SERVICE, POLICY, CUSTOM = ClaimIssuer.SERVICE, ClaimIssuer.POLICY, ClaimIssuer.CUSTOM


def holds(conditions: str, *claims: Claim) -> bool:
    policy = compile_policy(f"version=1.2;authorizationrules{{{conditions} => permit();}};")
    return policy.evaluate(claims).decision is Decision.PERMIT


def issued(rules: str, *claims: Claim) -> dict[str, object]:
    policy = compile_policy(
        f"version=1.2;authorizationrules{{=> permit();}};issuancerules{{{rules}}};"
    )
    return dict(policy.evaluate(claims).issued)


@pytest.mark.parametrize(
    ("value", "operator", "right", "expected"),
    [
        (1, "==", (1,), True),
        (1, "==", (True,), False),
        (True, "==", (1,), False),
        ("1", "==", (1,), False),
        (1, "!=", (1,), False),
        (1, "!=", (True,), True),
        (1, "!=", ("1",), True),
        ("a", "!=", ("A",), True),
        (1, "<", (2,), True),
        (2, "<", (2,), False),
        (2, "<=", (2,), True),
        (3, "<=", (2,), False),
        (3, ">", (2,), True),
        (2, ">", (2,), False),
        (2, ">=", (2,), True),
        (1, ">=", (2,), False),
        (True, "<", (2,), False),
        (0, "<", (True,), False),
        ("a", "<", ("b",), False),
        ("a", "<", (5,), False),
        (5, ">=", ("a",), False),
        (1, "==", (2, 1), True),
        (1, "!=", (1, 2), True),
        (1, "!=", (), False),
        (1, "==", (), False),
        (1, "<", (), False),
        (5, "<", (1, 9), True),
        (5, "<=", (1, 5), True),
        (5, ">", (4, 9), True),
        (5, ">=", (5, 9), True),
        (5, ">", (9, 7), False),
        (5, "<", ("x", 9), True),
    ],
)
def test_a_value_is_compared_with_any_of_the_right(
    value: ClaimValue, operator: str, right: tuple[ClaimValue, ...], *, expected: bool
) -> None:
    assert predicate(Operator(operator), right)(value) is expected


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ('[type=="a"]', True),
        ('[type=="none"]', False),
        ('[type=="a", value==2]', True),
        ('[type=="a", value==3]', False),
        ('[value==2, type=="a"]', True),
        ('[type=="a", value==1] && [type=="a", value==2]', True),
        ('[type=="a", value==1, value==2]', False),
        ('[type=="a", value>=1, value<2]', True),
        ('[type=="a", value!=1]', True),
        ('[type=="b", value!="x"]', False),
        ('[type=="none", value!="x"]', False),
        ('[type!="a"]', True),
        ('[type!="a", type!="b"]', False),
        ('[type=="a", type=="b"]', False),
        ('[value=="x"]', True),
        ('[value=="x", issuer=="CustomClaim"]', True),
        ('[value=="x", issuer=="AttestationService"]', False),
        ("[value==77, value==78]", False),
        ('[type=="b", issuer!="AttestationService"]', True),
        ('[type=="a", valueType=="Integer"]', True),
        ('[type=="a", valueType=="String"]', False),
        ('[type=="a", issuer==5]', False),
        ('[type=="A"]', False),
        ('![type=="none"]', True),
        ('![type=="a"]', False),
        ('![type=="a", value==3]', True),
        ("![value==77]", True),
        ('c:[type=="a"] && [type=="a", value==c.value]', True),
        ('c:[type=="a"] && ![type=="b", value!=c.value]', False),
        ('c:[type=="b"] && ![type=="b", value!=c.value]', True),
        ('c:[type=="b"] && [type==c.type, value==c.value]', True),
        ('[type=="a", value==JsonToClaimValue("[9,2]")]', True),
        ('[type=="a", value==JsonToClaimValue("null")]', False),
        ('[type=="a", value!=JsonToClaimValue("null")]', False),
        ('[type=="none", value==NegateBool(1)]', False),
        ('[type=="none"] && [type=="a", value==NegateBool(1)]', False),
    ],
)
def test_a_condition_asks_whether_some_claim_meets_all_its_tests(
    conditions: str, *, expected: bool
) -> None:
    claims = Claim("a", 1), Claim("a", 2), Claim("b", "x", CUSTOM)

    assert holds(conditions, *claims) is expected


def test_an_untyped_condition_over_nothing_fails() -> None:
    assert not holds("[value==1]")
    assert not holds("[value==1, value==2]")
    assert holds("![value==1]")


def test_a_policy_that_compares_with_more_than_64_bits_is_exact() -> None:
    assert holds('[type=="a", value<9223372036854775808]', Claim("a", 2**63 - 1))


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ('=> issue(type="r", value=5);', {"r": 5}),
        ('=> issue(type="r", value=9223372036854775807);', {"r": 2**63 - 1}),
        ('=> issue(value=5, type="r");', {"r": 5}),
        ('=> add(type="r", value=5);', {}),
        ('=> issueproperty(type="r", value=5);', {}),
        ('c:[type=="a"] => issue(claim=c);', {"a": [1, 2]}),
        ('c:[type=="a"] => add(claim=c);', {}),
        ('c:[type=="a"] => issueproperty(claim=c);', {}),
        ('c:[type=="a"] => issue(type="r", value=c.value);', {"r": [1, 2]}),
        ('c:[type=="a"] => issue(type="r", value=c.type);', {"r": "a"}),
        ('c:[type=="b"] => issue(type=c.value, value=true);', {"x": True}),
        ('c:[type=="b"] => issue(type=c.value, value=c.type);', {"x": "b"}),
        (
            'c:[type=="b"] => issue(type=c.value, value=AppendString(c.value, "y"));',
            {"x": "xy"},
        ),
        ('b:[type=="b"] && c:[type=="a"] => issue(type=b.value, value=c.value);', {"x": [1, 2]}),
        ('c:[value==2] => issue(type="r", value=c.type);', {"r": "a"}),
        ('=> issue(type="r", value=JsonToClaimValue("[]"));', {}),
        ('=> issue(type="r", value=JsonToClaimValue("[1,1]"));', {"r": 1}),
        ('=> issue(type="r", value=1); => issue(type="r", value=true);', {"r": [1, True]}),
        ('=> issue(type="r", value=1); => issue(type="r", value=1);', {"r": 1}),
        ('=> issue(type="r", value="a", issuer="AttestationService");', {"r": "a"}),
        ('=> issue(type="r", value="1", valueType="Integer");', {"r": "1"}),
        ('=> add(type="r", value=1); c:[type=="r"] => issue(claim=c);', {"r": 1}),
        (
            '=> issue(type="r", value=1); c:[type=="r"] => issue(type="s", value=c.issuer);',
            {"r": 1, "s": "AttestationPolicy"},
        ),
        (
            (
                '=> issue(type="r", value=1, issuer="AttestationService");'
                ' [type=="r", issuer=="AttestationService"] => issue(type="forged", value=true);'
            ),
            {"r": 1},
        ),
        ('=> issueproperty(type="r", value=1); [type=="r"] => issue(type="s", value=2);', {"s": 2}),
        (
            (
                '=> add(type="r", value=1); [value==1, issuer=="AttestationPolicy"] '
                '=> issue(type="s", value=2);'
            ),
            {"s": 2},
        ),
        (
            (
                'c:[type=="a"] => issue(claim=c); [type=="a", issuer=="AttestationPolicy"] '
                '=> issue(type="s", value=2);'
            ),
            {"a": [1, 2]},
        ),
        (
            (
                'c:[type=="a"] => add(type="a", value=c.value); d:[type=="a"] '
                '=> issue(type="s", value=d.value);'
            ),
            {"s": [1, 2]},
        ),
        ('[type=="late"] => issue(type="s", value=1); => add(type="late", value=1);', {}),
    ],
)
def test_actions_fill_the_sets(rules: str, expected: dict[str, object]) -> None:
    outcome = issued(rules, Claim("a", 1), Claim("a", 2), Claim("b", "x"))

    assert outcome == expected
    assert str(outcome) == str(expected)


def test_claims_can_be_copied_to_the_properties() -> None:
    policy = compile_policy(
        "version=1.2;authorizationrules{=> permit();};"
        'issuancerules{c:[type=="a"] => issueproperty(claim=c);};'
    )

    evaluation = policy.evaluate([Claim("a", 1), Claim("a", 2)])

    assert (evaluation.issued, evaluation.properties) == ({}, {"a": [1, 2]})


@pytest.mark.parametrize(
    ("rules", "part"),
    [
        ('=> issue(type="r", value=9223372036854775808);', "64 bits"),
        ('c:[type=="a"] => issue(type=c.value, value=1);', "one string, got 2 values"),
        ('c:[type=="n"] => issue(type=c.value, value=1);', "one string, got another type"),
        ('=> issue(type=JsonToClaimValue("null"), value=1);', "one string, got 0 values"),
        ('c:[type=="pcrs"] => issue(claim=c);', "read-only"),
        ('c:[type=="pcrs"] => issue(type="r", value=c.value);', "read-only"),
        ('c:[type=="pcrs"] => issueproperty(type="r", value=c.value);', "read-only"),
        ('c:[type=="pcrs"] => issueproperty(claim=c);', "read-only"),
        (
            'c:[type=="pcrs"] => add(type="r", value=c.value); d:[type=="r"] => issue(claim=d);',
            "read-only",
        ),
    ],
)
def test_actions_refuse_what_no_claim_can_be(rules: str, part: str) -> None:
    claims = Claim("a", "x"), Claim("a", "y"), Claim("n", 5), Claim("pcrs", "{}", read_only=True)

    with pytest.raises(PolicyEvaluationError, match=part):
        issued(rules, *claims)


def test_a_read_only_value_can_be_added_and_tested() -> None:
    rules = (
        'c:[type=="pcrs"] => add(type="r", value=c.value);'
        '[type=="r", value=="{}"] => issue(type="ok", value=true);'
    )

    assert issued(rules, Claim("pcrs", "{}", read_only=True)) == {"ok": True}


def test_an_action_runs_once_over_all_claims_of_a_name() -> None:
    claims = [
        *(Claim("Subset", value) for value in ("abc", 100)),
        *(Claim("Superset", value) for value in (True, "abc", 100)),
    ]
    rule = (
        'c1:[type=="Subset"] && c2:[type=="Superset"]'
        ' => issue(type="IsSubset", value=IsSubsetOf(c1.value, c2.value));'
    )

    assert issued(rule, *claims) == {"IsSubset": True}


@pytest.mark.parametrize(
    "rules",
    [
        '[value!="x", value!="y", value!="z"] => add(type="a", value=1);' * 120,
        'c:[type=="0"] => add(type="0", value=AppendString(c.value, c.value));'
        + "".join(
            f'c:[type=="{i}"] => add(type="{i + 1}", value=AppendString(c.value, c.value));'
            for i in range(60)
        ),
    ],
)
def test_an_evaluation_of_too_many_steps_is_refused(rules: str) -> None:
    claims = [Claim(str(index), "x" * 100) for index in range(9_000)]

    with pytest.raises(PolicyEvaluationError):
        issued(rules, *claims)


def compiled(rules: str) -> Program:
    source = Source(f"version=1.2;authorizationrules{{{rules}}};")
    tree, problems = parse(source)
    assert problems == []
    return compile_program(tree, source)


@pytest.mark.parametrize(
    ("rules", "steps"),
    [
        ('[type=="a"] => permit();', 0),
        ('[type=="a", value>=0] => permit();', 10),
        ("[value>=0] => permit();", 20),
        ('[type=="a", value<0, value>=0] => permit();', 10),
        ('c:[type=="a"] && [type=="a", value==c.value] => permit();', 30),
        ('c:[type=="a"] && [type=="a", value==1] => permit();', 10),
        ('c:[type=="a"] => issue(claim=c);', 10),
        ('c:[type=="a"] => add(claim=c);', 0),
        ('c:[type=="a"] => issue(type="b", value=c.value);', 10),
        ('c:[type=="a"] => issue(type="b", value=c.value); [type=="b"] => permit();', 20),
        ('c:[type=="a"] => issue(type="b", value=c.issuer);', 10),
        ('c:[type=="a", value==1] => issue(type="b", value=c.value);', 10),
    ],
)
def test_work_is_counted_by_the_claims_and_values_looked_at(rules: str, steps: int) -> None:
    program = compiled(rules)
    run = program.start(tuple(Claim("a", value) for value in range(10)))

    run_rules(program.authorization, run, program.source)

    assert MAX_STEPS - run.steps == steps


LONG = "x" * 1_600
COMPARED = len(LONG) // CHARACTERS_A_STEP


@pytest.mark.parametrize(
    ("rules", "steps"),
    [
        # Strings of other lengths are not looked at, nor are short ones worth a step.
        ('c:[type=="b"] && [type=="a", value==c.value] => permit();', 3 + COMPARED),
        ('c:[type=="b"] && [type=="a", value!=c.value] => permit();', 3 + COMPARED),
        (f'[type=="a", value=="{LONG}"] => permit();', 2 + COMPARED),
        (f'[type=="a", value!="{LONG}"] => permit();', 2 + COMPARED),
        ('[type=="a", value=="x"] => permit();', 2),
        (f'[type=="a", value=="{LONG}z"] => permit();', 2 + COMPARED),
        (f'[type=="a", value=="{LONG}zz"] => permit();', 2),
        ('c:[type=="a"] => issue(claim=c);', 2 + 2 * COMPARED),
        ('c:[type=="a"] => issue(type="d", value=c.value);', 2 + (2 + 2) * COMPARED),
        ('c:[type=="b"] => issue(type="d", value=c.value);', COMPARED),
        ('c:[type=="b"] => issue(type=c.value, value=1);', 1 + 2 * COMPARED),
    ],
)
def test_long_strings_are_compared_at_a_charge(rules: str, steps: int) -> None:
    program = compiled(rules)
    run = program.start((Claim("a", LONG), Claim("a", LONG + "y"), Claim("b", "".join(LONG))))

    run_rules(program.authorization, run, program.source)

    assert MAX_STEPS - run.steps == steps


def test_a_long_string_cannot_be_compared_without_end() -> None:
    tests = ", value==c.value" * 100
    policy = compile_policy(
        f'version=1.0;authorizationrules{{c:[type=="a"] && [type=="b"{tests}] => permit();}};'
    )
    long = "x" * 1_048_576

    with pytest.raises(PolicyEvaluationError, match="too many steps"):
        policy.evaluate((Claim("a", long), Claim("b", long[1:] + "x")))


def test_a_query_in_the_text_is_read_once_for_all_evaluations() -> None:
    program = compiled(
        'c:[type=="a"] => add(type="b", value=JmesPath(c.value, AppendString("@", "")));'
        'c:[type=="a"] => add(type="b", value=AppendString("", JmesPath(c.value, "x")));'
    )
    assert program.queries == {"x": None}

    kept = []
    for _ in range(2):
        run_rules(program.authorization, program.start((Claim("a", "{}"),)), program.source)
        kept.append(program.queries["x"])

    assert list(program.queries) == ["x"]
    assert isinstance(kept[0], Query)
    assert kept[0] is kept[1]


def test_rules_are_numbered_through_all_sections() -> None:
    source = Source(
        'version=1.2;configurationrules{=> issueproperty(type="a", value=1);};'
        "authorizationrules{=> deny();=> permit();};"
        'issuancerules{=> issue(type="a", value=1);};'
    )
    program = compile_program(parse(source)[0], source)

    rules = (*program.configuration, *program.authorization, *program.issuance)
    assert [rule.index for rule in rules] == [0, 1, 2, 3]


def test_only_claims_that_a_condition_can_see_are_kept() -> None:
    claims = (Claim("a", 1), Claim("b", 2))
    named = compiled('[type=="a"] => permit();')

    assert named.looked_at == frozenset({"a"})
    assert list(named.start(claims).by_type) == ["a"]
    for rules in ('[value==2] => permit(); [type=="a"] => deny();', '[type!="a"] => permit();'):
        assert compiled(rules).looked_at is None
        assert list(compiled(rules).start(claims).by_type) == ["a", "b"]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ('[type=="a", value=="a"]', False),
        ('[value=="a", type=="a"]', False),
        ('[type=="a", issuer=="a"]', False),
        ('[type=="a", type!="a"]', False),
        ('[type!="a", type=="a"]', False),
        ('[type=="a", type=="b"]', False),
        ('[type=="a", type=="a"]', True),
        ('[type=="a", type!="b"]', True),
        ("[type==5]", False),
        ("[type!=5]", True),
        ('c:[type=="a"] && [type==c.type]', True),
        ('c:[type=="a"] && [type==c.value]', False),
    ],
)
def test_every_test_of_a_condition_counts_whatever_it_resembles(
    condition: str, *, expected: bool
) -> None:
    assert holds(condition, Claim("a", "x")) is expected


def test_a_claim_of_a_computed_type_is_seen_by_later_rules() -> None:
    rules = (
        'c:[type=="a"] => add(type=c.value, value=1); '
        '[type=="x", value==1] => issue(type="r", value=true);'
    )

    assert issued(rules, Claim("a", "x")) == {"r": True}


def test_nothing_of_a_read_only_value_can_be_issued_because_it_is_nothing() -> None:
    rule = (
        'c:[type=="pcrs"] => issue(type="r", value=JsonToClaimValue(JmesPath(c.value, "absent")));'
    )

    assert issued(rule, Claim("pcrs", "{}", read_only=True)) == {}
