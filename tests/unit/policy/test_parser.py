from __future__ import annotations

import pytest

from assay.policy import syntax
from assay.policy.parser import MAX_DIGITS, MAX_NESTING, MAX_RULES, parse
from assay.policy.source import PolicyProblem, Source, Span
from assay.policy.syntax import ActionName, Operator, PropertyName, SectionName


def tree(text: str) -> syntax.Policy:
    policy, problems = parse(Source(text))
    assert problems == []
    return policy


def problems(text: str) -> list[PolicyProblem]:
    return parse(Source(text))[1]


def in_section(rules: str) -> str:
    return "version=1.2;\nauthorizationrules\n{\n" + rules + "\n};\n"


def only_rule(text: str) -> syntax.Rule:
    (rule,) = tree(in_section(text)).rules(SectionName.AUTHORIZATION)
    return rule


def test_the_version_is_kept_with_its_place() -> None:
    assert tree(" version = 1.2 ;").version == syntax.VersionStatement(
        number="1.2", span=Span(11, 14)
    )


def test_sections_come_in_their_order() -> None:
    policy = tree("version=1.1;configurationrules{};authorizationrules{};issuancerules{};")

    assert tuple(section.name for section in policy.sections) == tuple(SectionName)


def test_an_absent_section_has_no_rules() -> None:
    assert tree("version=1.0;").rules(SectionName.ISSUANCE) == ()


def test_a_rule_keeps_all_its_parts() -> None:
    text = 'c:[type=="a", value>=5] && ![issuer!=c.issuer] => issue(type="b", value=F(c.value));'
    rule = only_rule(text)

    first, second = rule.conditions
    assert first.identifier is not None
    assert first.identifier.name == "c"
    assert [test.property for test in first.tests] == [PropertyName.TYPE, PropertyName.VALUE]
    assert [test.operator for test in first.tests] == [Operator.EQUAL, Operator.GREATER_OR_EQUAL]
    assert (second.negated, second.identifier) == (True, None)
    assert rule.action.name is ActionName.ISSUE
    assert isinstance(rule.action.claim, syntax.NewClaim)
    call = rule.action.claim.find(PropertyName.VALUE)
    assert isinstance(call, syntax.FunctionCall)
    assert call.name == "F"
    assert isinstance(call.arguments[0], syntax.PropertyAccess)
    assert rule.action.claim.find(PropertyName.ISSUER) is None


def test_spans_cover_what_was_written() -> None:
    source = Source(in_section('  c : [ type == "a" ] => add( claim = c ) ;'))
    (rule,) = parse(source)[0].rules(SectionName.AUTHORIZATION)

    assert source.slice(rule.span) == 'c : [ type == "a" ] => add( claim = c )'
    assert source.slice(rule.conditions[0].span) == 'c : [ type == "a" ]'
    assert source.slice(rule.conditions[0].tests[0].span) == 'type == "a"'
    assert source.slice(rule.action.span) == "add( claim = c )"
    assert isinstance(rule.action.claim, syntax.ClaimCopy)
    assert source.slice(rule.action.claim.span) == "claim = c"


def test_the_span_of_a_new_claim_covers_its_assignments() -> None:
    source = Source(in_section('=> issue( type = "a" , value = 1 );'))
    claim = parse(source)[0].rules(SectionName.AUTHORIZATION)[0].action.claim

    assert claim is not None
    assert source.slice(claim.span) == 'type = "a" , value = 1'


@pytest.mark.parametrize(
    ("text", "value"),
    [('"a"', "a"), ("007", 7), ("true", True), ("false", False), (str(2**64), 2**64)],
)
def test_literals_have_their_value(text: str, value: object) -> None:
    test = only_rule(f"[value=={text}] => permit();").conditions[0].tests[0]

    assert isinstance(test.expression, syntax.Literal)
    assert test.expression.value == value
    assert type(test.expression.value) is type(value)


@pytest.mark.parametrize(
    "word",
    [
        *("version", "claim", "configurationrules", "authorizationrules", "issuancerules"),
        *("permit", "deny", "add", "issue", "issueproperty"),
        *("type", "value", "valueType", "issuer", "true", "false"),
    ],
)
def test_a_word_of_the_language_names_no_claims(word: str) -> None:
    (problem,) = problems(in_section(f'{word}:[type=="a"] => permit();'))

    assert (problem.line, problem.column) == (4, 1)
    assert problem.message.endswith(f"`{word}` is a word of the language")


def test_a_call_may_have_no_argument() -> None:
    test = only_rule("[value==F()] => permit();").conditions[0].tests[0]

    assert isinstance(test.expression, syntax.FunctionCall)
    assert test.expression.arguments == ()


@pytest.mark.parametrize(
    ("rule", "column", "part"),
    [
        ("permit();", 1, "`=> permit()`"),
        ("=> permit(1);", 11, "takes no argument"),
        ("=> permit(), deny();", 12, "one action a rule"),
        ("=> permit()", 1, "a rule ends with `;`"),
        ("=> permit;", 10, "expected `(`"),
        ("=> Permit();", 4, "write `permit`"),
        ("=> isue(claim=c);", 4, "did you mean `issue`?"),
        ("=> 5;", 4, "expected an action"),
        ('[type="a"] => permit();', 6, "compares with `==`"),
        ("[value=>5] => permit();", 7, "write `>=`"),
        ("[value 5] => permit();", 8, "expected a comparison"),
        ('[type=="a"; value==1] => permit();', 11, "separated by commas"),
        ('[type=="a" && value==1] => permit();', 12, "separated by commas"),
        ('[type=="a" value==1] => permit();', 12, "expected `,` or `]`"),
        ('[type=="a"] [type=="b"] => permit();', 13, "joined with `&&`"),
        ('[type=="a"] || [type=="b"] => permit();', 13, "one rule for each"),
        ('[type=="a"] permit();', 13, "expected `=>`"),
        ("[] => permit();", 2, "expected a property"),
        ("[typ==1] => permit();", 2, "did you mean `type`?"),
        ("[name==1] => permit();", 2, "tests type, value"),
        ('!c:[type=="a"] => permit();', 2, "names no claims"),
        ('c:![type=="a"] => permit();', 3, "names no claims"),
        ('value:[type=="a"] => permit();', 1, "word of the language"),
        ('EXISTS([type=="a"]) => permit();', 1, "EXISTS is AD FS"),
        ('NOT EXISTS([type=="a"]) => permit();', 1, "NOT EXISTS is AD FS"),
        ('COUNT([type=="a"]) > 1 => permit();', 1, "COUNT is AD FS"),
        ('c[type=="a"] => permit();', 1, "followed by `:`"),
        ("c: => permit();", 4, "stands in `[`"),
        ("[value==null] => permit();", 9, "no null"),
        ("[value==TRUE] => permit();", 9, "write `true`"),
        ("[value==1.5] => permit();", 9, "numbers are integers"),
        ("[value==[1]] => permit();", 9, "no arrays"),
        ("[value==c] => permit();", 9, 'write c.value or "c"'),
        ("[value==NegateBol] => permit();", 9, "NegateBool(...)"),
        ("[value==] => permit();", 9, "can stand here"),
        (f"[value=={'1' * 41}] => permit();", 9, "at most 40 digits"),
        (f"[value=={'F(' * 33}] => permit();", 73, "at most 32 calls"),
        ('=> add(type=="a", value=1);', 12, "one `=`"),
        ("=> add(c);", 8, "write claim=c"),
        ("=> add(claim=c.value);", 15, "nothing else"),
        ('=> add(claim="c");', 14, "a name that a condition binds"),
        ("=> add(claim==c);", 13, "expected `=`"),
        ('=> add("a", value=1);', 8, 'type="name"'),
        ("=> add();", 8, 'type="name"'),
        ('=> add(type="a" value=1);', 17, "expected `,` or `)`"),
        ('=> add(type="a", value=c.kind);', 26, "type, value, valueType and issuer"),
        ('=> add(type="a", value=F(1 2));', 28, "expected `,` or `)`"),
        ('=> add(type="a", value=<value>);', 24, "placeholder"),
        ("=> add(type=“a”, value=1);", 13, "typographic"),
    ],
)
def test_a_rule_is_refused_where_it_goes_wrong(rule: str, column: int, part: str) -> None:
    (problem,) = problems(in_section(rule))

    line = 5 if rule == "=> permit()" else 4
    assert (problem.line, problem.column) == (line, column)
    assert part in problem.message


@pytest.mark.parametrize(
    ("text", "line", "column", "part"),
    [
        ("", 1, 1, "got the end of the policy"),
        ("   ", 1, 4, "got the end of the policy"),
        ("hello", 1, 1, "`version=1.0;`"),
        ('{"$version":1,"$allow-debuggable":true}', 1, 1, "JSON format of 2018"),
        ("authorizationrules{};", 1, 1, "comes first"),
        ("Version=1.0;", 1, 1, "write `version`"),
        ("\ufeffversion=1.0;", 1, 1, "byte-order mark"),
        ("# x\n", 1, 1, "`//`"),
        ("version==1.0;", 1, 8, "one `=`"),
        ('version="1.0";', 1, 9, "bare number"),
        ("version=1;", 1, 9, "major.minor"),
        ("version='1.0';", 1, 9, "bare number"),
        ("version=1.0.0;", 1, 12, "two numbers"),
        ("version=1.0\nauthorizationrules{};", 2, 1, "ends with `;`"),
        ("version=1.0", 1, 12, "ends with `;`"),
        ("version=1.0;authorisationrules{};", 1, 13, "did you mean `authorizationrules`?"),
        ("version=1.0;Issuancerules{};", 1, 13, "write `issuancerules`"),
        ("version=1.0;rules{};authorizationrules{};", 1, 13, "expected a section"),
        ("version=1.0;version=1.0;", 1, 13, "version statement comes first"),
        ("version=1.0;authorizationrules=>permit();", 1, 31, "stand in braces"),
        ("version=1.0;issuancerules", 1, 26, "stand in braces"),
        ("version=1.0;authorizationrules{}", 1, 33, "followed by `;`"),
        ("version=1.0;authorizationrules{\n}\n", 3, 1, "; put it behind `}` in line 2"),
        ("version=1.0\nauthorizationrules{};", 2, 1, "; put it behind `1.0` in line 1"),
        ("version=1.0;authorizationrules{", 1, 32, "is not closed: it ends with `};`"),
        ("version=1.0;authorizationrules{issuancerules{};", 1, 32, "is not closed"),
        ("version=1.0;authorizationrules{};}", 1, 34, "expected a section"),
        ("version=1.0;issuancerules{};issuancerules{};", 1, 29, "second one"),
        ("version=1.1;authorizationrules{};configurationrules{};", 1, 34, "got it after"),
        ("version=1.0;\\r\\n", 1, 13, "escaped twice"),
        ("version=1.0;/* a */", 1, 13, "no block comments"),
    ],
)
def test_a_policy_is_refused_where_it_goes_wrong(
    text: str, line: int, column: int, part: str
) -> None:
    first, *rest = problems(text)

    assert (first.line, first.column, rest) == (line, column, [])
    assert part in first.message


def test_all_problems_come_in_one_go() -> None:
    text = in_section(
        '[type="a"] => permit();\n'
        '[type=="ok"] => permit();\n'
        "=> Deny();\n"
        '[type=="b"] => permit()\n'
        "=> add(c);"
    ) + ("issuancerule\n{\n=> issue(claim==c);\n};\nrest")

    assert [(problem.line, problem.column) for problem in problems(text)] == [
        *[(4, 6), (6, 4), (8, 1), (8, 8), (10, 1), (12, 15), (14, 1)]
    ]


def test_a_good_rule_next_to_a_bad_one_is_kept() -> None:
    policy, found = parse(Source(in_section("=> nothing();\n=> permit();")))

    assert len(found) == 1
    assert len(policy.rules(SectionName.AUTHORIZATION)) == 1


def test_what_follows_a_lost_brace_is_looked_at_too() -> None:
    found = problems("version=1.0;rules{=>x();};issuancerules{=>y();};")

    assert [problem.column for problem in found] == [13, 43]


def test_a_misspelled_version_statement_is_not_skipped_blindly() -> None:
    found = problems("version 1.0;authorizationrules{=> x();};")

    assert [problem.column for problem in found] == [9, 35]


def test_the_longest_number_is_read() -> None:
    assert problems(in_section(f"[value=={'5':0>{MAX_DIGITS}}] => permit();")) == []

    (problem,) = problems(in_section(f"[value=={'5':0>{MAX_DIGITS + 1}}] => permit();"))
    assert problem.expected == f"at most {MAX_DIGITS} digits"


@pytest.mark.parametrize("call", ["F(", "F(1,"], ids=["first argument", "later argument"])
@pytest.mark.parametrize(
    ("before", "after"),
    [("[value==", "] => permit();"), ('=> add(type="a", value=', ");")],
    ids=["condition", "action"],
)
def test_the_deepest_nesting_is_read(call: str, before: str, after: str) -> None:
    def nested(depth: int) -> str:
        return in_section(f"{before}{call * depth}1{')' * depth}{after}")

    # That there is no such function is found by later checks.
    assert problems(nested(MAX_NESTING)) == []

    (problem,) = problems(nested(MAX_NESTING + 1))
    assert problem.expected == f"at most {MAX_NESTING} calls in each other"
    assert problem.column == len(before) + len(call) * MAX_NESTING + 1


def test_the_greatest_number_of_rules_is_kept() -> None:
    assert problems(in_section("=> deny();" * MAX_RULES)) == []

    (problem,) = problems(in_section("=> deny();" * (MAX_RULES + 1)))
    assert problem.expected == f"at most {MAX_RULES} rules"
