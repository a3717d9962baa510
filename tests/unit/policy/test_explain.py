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
        ("[value==true] => deny();", "denied by the rule at line 4: a claim with value == true"),
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
        ("[value==77] => permit();", "a claim with value == 77, and there is none"),
        ('![type=="svn"] => permit();', "no claim with svn, and there is one"),
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
            "good, which the rule at line 4 adds given svn >= 5",
        ),
        (
            'c:[type=="none"] => add(type=c.value, value=1); [type=="x"] => permit();',
            "x, the evidence has no such claim",
        ),
        (
            'c:[type=="svn"] && [type=="role", value==c.value] => permit();',
            'role == c.value, the evidence has "admin"',
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
