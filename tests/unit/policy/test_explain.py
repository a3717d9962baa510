from __future__ import annotations

import pytest

from assay.claims import Claim, ClaimIssuer
from assay.policy import Evaluation, compile_policy
from assay.policy.syntax import SectionName

CUSTOM = ClaimIssuer.CUSTOM


def evaluate(rules: str, *claims: Claim, issuance: str = "") -> Evaluation:
    text = f"version=1.2;\nauthorizationrules\n{{\n{rules}\n}};issuancerules{{{issuance}}};"
    return compile_policy(text).evaluate(claims)


@pytest.mark.parametrize(
    ("rules", "sentence"),
    [
        (
            '[type=="debuggable", value==true] => deny();',
            "denied by the rule at line 4: debuggable is true",
        ),
        ("=> deny();", "denied by the rule at line 4, which has no condition"),
        ("=> permit();", "permitted by the rule at line 4, which has no condition"),
        (
            '=> permit();\n[type=="debuggable"] && [type=="s"] => deny();',
            'denied by the rule at line 5: debuggable is true; s is "x"',
        ),
        (
            '![type=="none", value==1] => deny();',
            "denied by the rule at line 4: no claim with none == 1",
        ),
        ("[value==true] => deny();", "denied by the rule at line 4: debuggable is true"),
        ("[value>2] => deny();", "denied by the rule at line 4: a claim with value > 2"),
        (
            '![type=="s", value=="y"] => deny();',
            'denied by the rule at line 4: no claim with s == "y"',
        ),
        ('[type=="svn", value>=2] => deny();', "denied by the rule at line 4: svn >= 2"),
        (
            '=> add(type="a", value=1); [type=="a"] => permit();',
            "permitted by the rule at line 4: a is 1",
        ),
        (
            '[type!="q"] && [type=="svn"] && [type=="s"] && [type=="debuggable"] => permit();',
            'permitted by the rule at line 4: a claim with type != "q"; svn; s is "x"; and 1 more',
        ),
    ],
)
def test_a_decision_is_explained_by_its_rule_and_claims(rules: str, sentence: str) -> None:
    claims = (
        *(Claim("svn", 3), Claim("svn", 4)),
        *(Claim("debuggable", value=True), Claim("s", "x", CUSTOM)),
    )

    assert evaluate(rules, *claims).explanation == sentence


@pytest.mark.parametrize(
    ("rules", "rest"),
    [
        ('=> add(type="x", value=1);', None),
        ('[type=="svn", value>=5] => permit();', "svn >= 5, the evidence has 3"),
        ('[type=="svn", value>=5, value<9] => permit();', "svn >= 5 and < 9, the evidence has 3"),
        ('[value>=5, type=="svn"] => permit();', "svn >= 5, the evidence has 3"),
        ('[type=="none"] => permit();', "none, the evidence has no such claim"),
        ('[type=="a\\"b\\\\"] => permit();', 'a"b\\, the evidence has no such claim'),
        ("[value==77] => permit();", "a claim with value == 77, there is none"),
        ('![type=="svn"] => permit();', "no claim with svn, the evidence has 3"),
        ("![value==3] => permit();", "no claim with value == 3, there is one"),
        (
            '[type=="role", value=="admin", issuer=="AttestationService"] => permit();',
            (
                'role == "admin", issuer == "AttestationService", '
                'the evidence has "admin" from CustomClaim'
            ),
        ),
        (
            '[type=="many", value==9] => permit();',
            "many == 9, the evidence has 0, 1, 2, …",
        ),
        (
            '=> add(type="x", value=1); [type=="x", value==2] => permit();',
            "x == 2, the policy set it to 1",
        ),
        (
            '[type=="svn", value>=5] => add(type="good", value=true);\n[type=="good"] => permit();',
            "good, which the rule at line 4 adds given svn >= 5 (the evidence has 3)",
        ),
        (
            (
                '[type=="a"] && [type=="b"] && [type=="c"] && [type=="d"]'
                ' => add(type="good", value=true);\n[type=="good"] => permit();'
            ),
            (
                "good, which the rule at line 4 adds given a (the evidence has no such claim) "
                "and b (the evidence has no such claim) and c (the evidence has no such claim) "
                "and 1 more"
            ),
        ),
        (
            (
                '[type=="svn", value>=5] => add(type="new", value=true); '
                '[type=="new"] => add(type="good", value=true); [type=="good"] => permit();'
            ),
            "good, which the rule at line 4 adds given new",
        ),
        (
            '=> add(type="good", value=JsonToClaimValue("[]"));\n[type=="good"] => permit();',
            "good, for which the rule at line 4 found no value",
        ),
        (
            '[type=="good"] => permit(); => add(type="good", value=true);',
            "good, which only the rule at line 4 adds, further below",
        ),
        (
            '[type=="svn", value=="3"] => permit();',
            'svn == "3", the evidence has 3 of type Integer',
        ),
        (
            '[type=="svn", value>"2"] => permit();',
            'svn > "2", the evidence has 3 of type Integer (only integers are ordered)',
        ),
        (
            '[type=="role", value>=2] => permit();',
            'role >= 2, the evidence has "admin" of type String (only integers are ordered)',
        ),
        (
            '[type=="svn", valueType=="String"] => permit();',
            'svn, valueType == "String", the evidence has 3 of type Integer',
        ),
        (
            '[type=="role", value=="Admin"] => permit();',
            'role == "Admin", the evidence has "admin" (upper and lower case matter)',
        ),
        (
            '[type=="role", value!="admin"] => permit();',
            'role != "admin", the evidence has "admin"',
        ),
        (
            '![type=="role", value!="Admin"] => permit();',
            'no claim with role != "Admin", the evidence has "admin"',
        ),
        (
            (
                '=> add(type="x", value=JmesPath("[\\"a\\"]", "[0]")); '
                '[type=="x", value=="a"] => permit();'
            ),
            (
                'x == "a", the policy set it to "\\"a\\"" '
                "(this is JSON text: JsonToClaimValue() takes the value out of it)"
            ),
        ),
        (
            '=> add(type="x", value=JmesPath("{}", "y")); [type=="x", value=="a"] => permit();',
            'x == "a", the policy set it to "null" (JmesPath() gives this where it finds nothing)',
        ),
        (
            'c:[type=="svn"] && [type=="many", value>c.value, value<c.value] => permit();',
            "many > c.value (3) and < c.value (3), the evidence has 0, 1, 2, …",
        ),
        (
            (
                'c:[type=="many"] && [type=="svn", value==c.value, issuer==c.issuer] && '
                '[type=="role", value==c.value] => permit();'
            ),
            'role == c.value (0, 1, 2, …), the evidence has "admin"',
        ),
        (
            'c:[type=="none"] => add(type=c.value, value=1); [type=="x"] => permit();',
            "x, the evidence has no such claim",
        ),
        (
            'c:[type=="svn"] && [type=="role", value==c.value] => permit();',
            'role == c.value (3), the evidence has "admin"',
        ),
        (
            'c:[type=="none"] && [type=="svn", value==NegateBool(c.value)] => permit();',
            "none, the evidence has no such claim; svn == NegateBool(c.value), the evidence has 3",
        ),
        (
            f'[type=="long", value=="{"y" * 200}"] => permit();',
            f'long == "{"y" * 69}…, the evidence has "{"x" * 70}…"',
        ),
    ],
)
def test_a_refusal_names_the_closest_rule_and_what_it_lacks(rules: str, rest: str | None) -> None:
    claims = (
        *(Claim("svn", 3), Claim("role", "admin", CUSTOM), Claim("long", "x" * 200)),
        *(Claim("many", value) for value in range(5)),
    )
    outcome = evaluate(rules, *claims)

    if rest is None:
        assert outcome.explanation == "no rule permitted: the policy has no rule with permit()"
        return
    line = 5 if "\n" in rules else 4
    assert outcome.explanation == (
        f"no rule permitted; the closest is line {line}: it needs {rest}"
    )


def test_the_closest_rule_is_the_first_with_the_fewest_missing_conditions() -> None:
    rules = (
        '[type=="a"] && [type=="b"] => permit();\n'
        '[type=="svn"] && [type=="c"] => permit();\n'
        '[type=="d"] => permit();'
    )

    assert "closest is line 5: it needs c" in evaluate(rules, Claim("svn", 1)).explanation


def test_the_trace_records_every_rule_that_ran() -> None:
    claim = Claim("a", 1)
    outcome = evaluate(
        '[type=="b"] => deny();\n=> permit();', claim, issuance='c:[type=="a"] => issue(claim=c);'
    )

    denied, permitted, issued = outcome.trace
    assert [record.action for record in outcome.trace] == ["deny", "permit", "issue"]
    assert (denied.fired, denied.needs) == (False, ("b, the evidence has no such claim",))
    assert denied.section is SectionName.AUTHORIZATION
    assert denied.matched == ()
    assert (permitted.fired, permitted.matched) == (True, ())
    assert (issued.fired, issued.matched) == (True, ((claim,),))
    assert issued.section is SectionName.ISSUANCE
    assert issued.rule.text == 'c:[type=="a"] => issue(claim=c)'


def test_a_record_holds_the_claims_as_they_were_when_the_rule_ran() -> None:
    first = evaluate('c:[type=="a"] => add(type="a", value=2); => permit();', Claim("a", 1)).trace[
        0
    ]

    assert first.matched == ((Claim("a", 1),),)


def test_a_refusal_has_no_trace_of_issuance() -> None:
    outcome = evaluate("=> deny();", issuance='=> issue(type="a", value=1);')

    assert [record.section for record in outcome.trace] == [SectionName.AUTHORIZATION]


def test_a_very_long_rule_is_shortened() -> None:
    outcome = evaluate(f'![type=="{"a" * 5_000}"] => permit();')

    assert outcome.rule is not None
    assert len(outcome.rule.text) == 2_001


def test_what_a_terminal_would_obey_is_not_shown() -> None:
    assert "\x1b" not in evaluate('[type=="a", value=="\x1b[2J"] => permit();').explanation


def test_an_expensive_question_does_not_change_what_happened() -> None:
    claims = [Claim(f"c{index}", index) for index in range(9_000)]
    rules = '[type=="none"] && [value=="x"] => permit();\n' * 250

    outcome = evaluate(rules + '[value=="y"] => permit();', *claims)

    assert "closest is line 254" in outcome.explanation
    assert not any(record.fired for record in outcome.trace)


def test_each_condition_is_recorded_with_what_it_asked_for_and_what_there_was() -> None:
    claims = (Claim("a", 1), Claim("a", 2), Claim("b", "x"))
    (record,) = evaluate(
        'c:[type=="a", value>=2] && [type=="b", value=="y"] && [value==2] => permit();', *claims
    ).trace

    first, second, third = record.conditions
    assert (first.held, first.expected, first.actual) == (True, "a >= 2", "the evidence has 1, 2")
    assert (first.claims, first.matched) == (claims[:2], claims[1:2])
    assert (second.held, str(second)) == (False, 'b == "y", the evidence has "x"')
    assert (second.claims, second.matched) == (claims[2:], ())
    assert (third.held, third.actual, third.claims) == (True, "there is one", claims[1:2])
    assert not record.fired
    assert record.matched == ()


def test_a_negated_condition_that_names_no_type_says_whether_there_is_one() -> None:
    (record,) = evaluate("![value==1] && ![value==2] => permit();", Claim("a", 1)).trace

    assert [str(condition) for condition in record.conditions] == [
        "no claim with value == 1, there is one",
        "no claim with value == 2, there is none",
    ]


def test_a_record_keeps_a_few_of_many_claims() -> None:
    claims = [Claim("a", value) for value in range(100)]

    (record,) = evaluate('[type=="a"] => permit();', *claims).trace

    assert record.conditions[0].claims == record.matched[0] == tuple(claims[:16])


def test_an_absent_claim_with_a_near_name_is_suspected_to_be_meant() -> None:
    claim = Claim("x-ms-sgx-svn", 3)

    outcome = evaluate('[type=="x-ms-sgx-svm"] => permit();', claim)

    assert outcome.explanation.endswith(
        "the evidence has no such claim (did you mean `x-ms-sgx-svn`?)"
    )


def test_names_are_compared_a_few_times_only() -> None:
    rules = '[type=="sgx-svm"] => permit();\n' * 50
    many = [Claim(f"c{index}", 1) for index in range(300)]

    suspected = [record.needs for record in evaluate(rules, Claim("sgx-svn", 1)).trace]

    assert sum("did you mean" in needs[0] for needs in suspected) == 32
    assert "did you mean" not in evaluate(rules, Claim("sgx-svn", 1), *many).explanation


def test_the_reasons_of_a_decision_are_the_rule_that_decided() -> None:
    denied = evaluate('=> permit();\n[type=="a"] => deny();\n=> deny();', Claim("a", 1))

    assert [record.rule for record in denied.reasons] == [denied.rule]
    assert denied.reasons[0].fired


def test_the_reasons_of_a_refusal_are_the_permitting_rules_closest_first() -> None:
    outcome = evaluate(
        '[type=="a"] && [type=="b"] => permit();\n'
        '[type=="c"] => add(type="d", value=1);\n'
        '[type=="e"] => permit();\n'
        '[type=="f"] => deny();'
    )

    assert [record.rule.line for record in outcome.reasons] == [6, 4]
    assert evaluate("").reasons == ()


def test_long_names_and_many_tests_are_shortened() -> None:
    name = "n" * 5_000
    tests = ", ".join(f"value!={number}" for number in range(100))

    (record,) = evaluate(f'[type=="{name}", {tests}] => permit();', Claim(name, "v")).trace

    (condition,) = record.conditions
    assert condition.claim_type == name
    assert condition.expected == (
        f"{'n' * 200}… != 0 and != 1 and != 2 and != 3 and != 4 and != 5 and != 6, …"
    )
    assert evaluate(f'[type=="{name}"] => permit();', Claim(name, 1)).explanation == (
        f"permitted by the rule at line 4: {'n' * 200}… is 1"
    )


def test_values_of_the_evidence_that_a_terminal_would_obey_are_not_shown() -> None:
    claims = (Claim("a\x9b", "\x9b2J\u202e"), Claim("b", "\x1b"))

    explanation = evaluate('[type=="a\x9b"] && [type=="b"] => permit();', *claims).explanation

    assert (
        explanation
        == 'permitted by the rule at line 4: a\ufffd is "\ufffd2J\ufffd"; b is "\\u001b"'
    )


@pytest.mark.timeout(20)  # quadratic work would take minutes
def test_an_account_of_thousands_of_rules_does_not_repeat_long_texts() -> None:
    condition = f'[type=="x", value=="{"y" * 500_000}"]'
    adding = condition + ' && [type=="x"]' * 7_000 + ' => add(type="good", value=1);\n'

    outcome = evaluate(adding + '[type=="good"] => permit();\n' * 4_000)

    assert len(outcome.trace) == 4_001
    lacks = "(the evidence has no such claim)"
    assert (
        f'adds given x == "{"y" * 69}… {lacks} and x {lacks} and x {lacks} and 6998 more'
        in outcome.explanation
    )


def test_so_many_rules_are_asked_why_they_add_nothing() -> None:
    names = [f"n{index}" for index in range(33)]
    adding = [f'[type=="a"] && [type=="b"] => add(type="{name}", value=1);\n' for name in names]
    asking = " && ".join(f'[type=="{name}"]' for name in (*names[31:], *names[:31]))

    explanation = evaluate("".join(adding) + asking + " => permit();").explanation

    lacks = "(the evidence has no such claim)"
    assert f"n31, which the rule at line 35 adds given a {lacks} and b {lacks}; " in explanation
    assert "; n32, which the rule at line 36 adds given a and b; " in explanation
