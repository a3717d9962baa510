from __future__ import annotations

import pytest

from assay.policy.check import check
from assay.policy.cursor import MAX_PROBLEMS
from assay.policy.parser import parse
from assay.policy.source import PolicyProblem, Source


def problems(text: str) -> list[PolicyProblem]:
    source = Source(text)
    tree, found = parse(source)
    assert found == []
    return check(tree, source)


def in_section(rule: str, *, version: str = "1.2", section: str = "issuancerules") -> str:
    return f"version={version};{section}{{\n{rule}\n}};"


@pytest.mark.parametrize(
    ("text", "column", "part"),
    [
        ("version=1.3;", 9, "got `1.3`"),
        ("version=1.00;", 9, "got `1.00`"),
        ("version=1.0;configurationrules{};", 13, "version 1.1 or later"),
    ],
)
def test_versions_are_gated(text: str, column: int, part: str) -> None:
    (problem,) = problems(text)

    assert problem.column == column
    assert part in problem.message


def test_an_unknown_version_is_one_problem_whatever_the_rules_use() -> None:
    rule = '![type=="a"] => issue(type="b", value=NegateBool(true));'

    assert len(problems(in_section(rule, version="9.9"))) == 1


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_negation_and_functions_need_version_1_2(version: str) -> None:
    rule = '![type=="a"] => issue(type="b", value=NegateBool(true));'

    negation, function = problems(in_section(rule, version=version))

    assert (negation.column, negation.length, negation.expected) == (1, 1, "version 1.2 for `!`")
    assert (function.column, function.length) == (39, len("NegateBool"))
    assert problems(in_section(rule)) == []


@pytest.mark.parametrize(
    ("section", "action", "allowed"),
    [
        ("configurationrules", "permit()", False),
        ("configurationrules", 'add(type="a", value=1)', False),
        ("configurationrules", 'issue(type="a", value=1)', False),
        ("configurationrules", 'issueproperty(type="a", value=1)', True),
        ("authorizationrules", "permit()", True),
        ("authorizationrules", "deny()", True),
        ("authorizationrules", 'add(type="a", value=1)', True),
        ("authorizationrules", 'issue(type="a", value=1)', True),
        ("authorizationrules", 'issueproperty(type="a", value=1)', False),
        ("issuancerules", "permit()", False),
        ("issuancerules", "deny()", False),
        ("issuancerules", 'add(type="a", value=1)', True),
        ("issuancerules", 'issue(type="a", value=1)', True),
        ("issuancerules", 'issueproperty(type="a", value=1)', True),
    ],
)
def test_each_section_has_its_actions(section: str, action: str, *, allowed: bool) -> None:
    found = problems(in_section(f"=> {action};", section=section))

    assert (found == []) is allowed
    assert all(problem.column == 4 for problem in found)


@pytest.mark.parametrize(
    ("rule", "column", "part"),
    [
        ('[type=="a"] => issue(claim=c);', 28, "got `c`"),
        ('signer:[type=="a"] => issue(claim=singer);', 35, "did you mean `signer`?"),
        ('[type=="a"] => issue(type="b", value=c.value);', 38, "got `c`"),
        ('[value==d.value] && d:[type=="a"] => issue(claim=d);', 9, "got `d`"),
        ('c:[type=="a", value==c.value] => issue(claim=c);', 22, "got `c`"),
        ('c:[type=="a"] && c:[type=="b"] => issue(claim=c);', 18, "second time"),
        ('=> issue(type="a");', 18, "`value=`"),
        ("=> issue(value=1);", 17, "`type=`"),
        ('=> issue(type="a", type="b", value=1);', 20, "`type` once"),
        ("=> issue(type=1, value=1);", 15, "string as claim type"),
        ('=> issue(type="a", value=ToLower("A"));', 26, "there are JmesPath"),
        ('=> issue(type="a", value=negatebool(true));', 26, "write `NegateBool`"),
        ('=> issue(type="a", value=JmesPath("1"));', 26, "2 arguments of JmesPath, got 1"),
        ('=> issue(type="a", value=NegateBool(NegateBool()));', 37, "got 0"),
    ],
)
def test_a_rule_is_refused_where_it_makes_no_sense(rule: str, column: int, part: str) -> None:
    (problem,) = problems(in_section(rule))

    assert (problem.line, problem.column) == (2, column)
    assert part in problem.message


@pytest.mark.parametrize(
    "rule",
    [
        'a:[type=="a"] && ![type=="b", value!=a.value] => issue(claim=a);',
        'a:[type=="a"] => issue(type=a.value, value=a.type);',
        '=> issue(type="a", value=1, issuer="AttestationService", valueType="String");',
        '[type<"a", valueType==5, value<"x"] => issue(type="a", value=99999999999999999999);',
    ],
)
def test_what_is_only_unwise_passes(rule: str) -> None:
    assert problems(in_section(rule)) == []


def test_the_number_of_problems_is_bounded() -> None:
    assert len(problems(in_section("=> issue(claim=c);" * 99))) == MAX_PROBLEMS


def test_an_action_in_the_wrong_section_is_marked_and_told_what_stands_there() -> None:
    (problem,) = problems(
        in_section('=> issueproperty(type="a", value=1);', section="authorizationrules")
    )

    assert problem.message == (
        "expected one of permit(), deny(), add(), issue() in authorizationrules, "
        "got issueproperty(); issueproperty() belongs in configurationrules or issuancerules"
    )
    assert problem.caret == "   " + "^" * len("issueproperty")


def test_a_section_of_one_action_names_it_alone() -> None:
    (problem,) = problems(in_section("=> permit();", section="configurationrules"))

    assert problem.message == (
        "expected issueproperty() in configurationrules, got permit(); "
        "permit() belongs in authorizationrules"
    )
