from __future__ import annotations

import pytest

from assay.policy import PolicySyntaxError, compile_policy
from assay.policy.hints import claim_meant, meant, suggestion


def first_message(text: str) -> str:
    with pytest.raises(PolicySyntaxError) as caught:
        compile_policy(text)
    return caught.value.problems[0].message


def test_misspelled_words_have_a_suggestion() -> None:
    choices = ["issue", "valueType"]

    assert suggestion("isue", choices) == "issue"
    assert suggestion("x" * 1_000_000, choices) is None
    assert suggestion("n9", [f"n{index}" for index in range(257)]) is None
    assert meant("isue", choices) == "did you mean `issue`?"
    assert meant("VALUETYPE", choices) == "upper and lower case matter: write `valueType`"
    assert meant("zzz", choices) == ""


def test_a_claim_is_not_taken_for_a_deprecated_one() -> None:
    known = ["$svn", "$sgx-mrsigner", "x-ms-sgx-svn", "x-ms-sgx-mrsigner"]

    assert claim_meant("svn", known) == "did you mean `x-ms-sgx-svn`?"
    assert claim_meant("svn", ["$svn"]) == ""
    assert claim_meant("sgx-mrsinger", known) == "did you mean `x-ms-sgx-mrsigner`?"
    assert claim_meant("$sgx-mrsinger", known) == "did you mean `$sgx-mrsigner`?"
    assert claim_meant("", known) == ""


def test_a_suggestion_does_not_depend_on_the_order_of_the_choices() -> None:
    assert suggestion("xvn", ["SVN", "svn"]) is None
    assert suggestion("a-svn", ["b-SVN", "b-svn"]) == suggestion("a-svn", ["b-svn", "b-SVN"])
    assert suggestion("a-svn", ["b-SVN", "b-svn"]) == "b-svn"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("package policy", "a policy starts with its version"),
        ("eyJhbGciOiJub25lIn0.e30.", "this looks like a JWS"),
        ('{"AttestationPolicy": "dmVy"}', "the text that is in its AttestationPolicy"),
        ('{"version": "1.0"}', "the JSON format of 2018 was retired"),
        ("dmVyc2lvbj0xLjA7", "this looks like base64 of a policy"),
        ('"version=1.0;"', "a policy stands without quotes around it"),
        ("version=1.0.0;", "two numbers, such as 1.0"),
        ("version=1.0;=> permit();", "each with its rules in braces"),
        ("version=1.0;version=1.1;", "the version statement comes first, once"),
    ],
)
def test_what_stands_around_rules_is_explained(text: str, hint: str) -> None:
    assert hint in first_message(text)


@pytest.mark.parametrize(
    ("rule", "hint"),
    [
        ('type=="a" => permit();', "a condition stands in brackets: `[type...]`"),
        ('c[type=="a"] => permit();', "write `c:[...]`"),
        ('c=[type=="a"] => permit();', "a name is followed by `:` and its condition"),
        ('(c:[type=="a"]) => permit();', "conditions are not grouped"),
        ("=> permit();;", "one `;` ends a rule"),
        ('[type=="a" => permit();', "the condition is not closed"),
        ('[type=="a" && [type=="b"] => permit();', "the condition is not closed"),
        ('[type=="a" && ![type=="b"] => permit();', "the condition is not closed"),
        ('[type=="a" && c:[type=="b"] => permit();', "the condition is not closed"),
        ('[type=="a"] && => permit();', "`&&` joins two conditions, and the second is missing"),
        ('[type=="a"] && (type=="b") => permit();', "conditions are not grouped"),
        ("=> permit(););", "the rules of a section end with `}`"),
        ('if [type=="a"] => permit();', "a rule starts with its conditions"),
        ('@RuleName = "x" => permit();', "describe a rule in a comment"),
        ('[type=="a"] => permit(); else => deny();', "every rule whose conditions hold runs"),
        ("c.value==1 => permit();", "tested inside the brackets"),
        ('[type=="a"].value==1 => permit();', "tested inside the brackets"),
        ("[c.value==1] => permit();", "looks for: write `value`"),
        ("[a.kind==1] => permit();", 'a claim called a.kind has type=="a.kind"'),
        ('[type=="a"]:c => permit();', "a name stands before its condition: `c:[...]`"),
        ('[type=="a"] as c => permit();', "a name stands before its condition: `c:[...]`"),
        ('[type=="a"] =&gt; permit();', "HTML-escaped; write `=>`"),
        ("[value=!1] => permit();", "write `!=`"),
        ("[value==!c.value] => permit();", "version 1.2 negates with NegateBool(boolean)"),
        ("=> add(svn=1);", 'write type="svn", value=...'),
        ('=> add(type="a"; value=1);', "assignments are separated by commas"),
        ('=> add(type="a", value=NegateBool(true);', "a `)` is missing"),
        ('=> add(type="a", value=1;', "a `)` is missing"),
        ('c:[type=="a"] => add(claim=c;', "a `)` is missing"),
        ('=> add(type="a", value=1]);', "expected `,` or `)`, got `]`"),
        ("-- why\n=> permit();", "a comment starts with `//`"),
        ("=> permit()\n=> deny();", "a rule ends with `;`; put it behind `)` in line 1"),
        ('[type=="a"] and [type=="b"] => permit();', "joined with `&&`"),
        ('[type=="a"], [type=="b"] => permit();', "joined with `&&`"),
        ('![type=="a"] ![type=="b"] => permit();', "joined with `&&`"),
        ('[type=="a"] OR [type=="b"] => permit();', "one rule for each alternative"),
        ('[type=="a"] -> permit();', "the arrow is `=>`"),
        ('[type=="a"] = > permit();', "write `=>` in one piece"),
        ("[] => permit();", "write `=>` alone"),
        ("[value==1,] => permit();", "a comma stands between two"),
        ('[type=="a" value==1] => permit();', "separated by commas"),
        ("[value==1 and value==2] => permit();", "separated by commas"),
        ("[value==1 or value==2] => permit();", "one rule for each alternative"),
        ("[value in [1, 2]] => permit();", "one rule for each alternative"),
        ("[value is 1] => permit();", "the comparisons are ==, !=, <, <=, > and >="),
        ("[value] => permit();", "the comparisons are ==, !=, <, <=, > and >="),
        ("[value!1] => permit();", "write `!=`"),
        ("[value<>1] => permit();", "write `!=`"),
        ("[value===1] => permit();", "write `==`"),
        ("[value> =1] => permit();", "write `>=` in one piece"),
        ('[!type=="a"] => permit();', "`!` stands before the `[`"),
        ('[[type=="a"]] => permit();', "one `[` opens a condition"),
        ("[x-svn>=1] => permit();", 'a claim called x-svn has type=="x-svn"'),
        ('[NegateBool(true)=="x"] => permit();', "stands on the right of a comparison"),
        ("[type==x-ms-sgx-svn] => permit();", 'in double quotes: write "x-ms-sgx-svn"'),
        ("[value==5aa5] => permit();", "strings stand in double quotes"),
        ("[value==5 aa5] => permit();", "expected `,` or `]`, got `aa5`"),
        ("[value==NegateBool true] => permit();", "write NegateBool(boolean)"),
        ('=> add(type="a", value=1,);', "a comma stands between two"),
        ('=> add(type="a", value=NegateBool(true,));', "a comma stands between two"),
        ('=> add(type="a", value="{"b": 1}");', 'inside a string `"` is written `\\"`'),
        ('!c:[type=="a"] => permit();', "leave the name out"),
        ('["a"==type] => permit();', "the property stands on the left"),
        ("[1==value] => permit();", "the property stands on the left"),
        ("[value=<1] => permit();", "write `<=`"),
        ("[value=1] => permit();", "compares with `==`"),
        ("[value==[1]] => permit();", "JsonToClaimValue"),
        ("[value>=1+1] => permit();", "there is no arithmetic"),
        ("=> permit;", "written with parentheses: permit()"),
        ("=> add;", "written with parentheses: add(...)"),
        ("=> allow();", "the actions are permit, deny, add, issue, issueproperty"),
        ('=> add(type="a" value=1);', "separated by commas"),
        ('c:[type=="a"] => add(claim==c);', "assigns with one `=`"),
        ('c:[type=="a"] => add(claim="c");', "a name stands without quotes"),
        ('=> add(store="x");', "store= is AD FS claim-rule syntax"),
        ('=> add(type="a", value=RegExReplace("a"));', "RegExReplace is AD FS"),
        ('=> add(type="a", value={{svn}});', "placeholder"),
        ('=> add(type="a", value=${SVN});', "placeholder"),
        ('=> add(type="a", value=%SVN%);', "placeholder"),
        ('[name=="a"] => permit();', 'a claim called name has type=="name"'),
        ('[(type=="a")] => permit();', "a condition tests type, value, valueType or issuer"),
        ("[value==null] => permit();", "ask for its absence with `![...]`"),
        ('EXISTS([type=="a"]) => permit();', "write `[...]` alone"),
        ("=> permit(), deny();", "write another rule for the next"),
        ('c:[type=="a"] => add(claim=c.value);', "a new claim has type=..., value=..."),
        ('=> add(type="a");', 'a claim is written type="name", value=expression'),
        ('=> add(type="a", value=c.value);', "write `c:` before a condition to the left"),
        ('c:[type=="a"] && c:[type=="b"] => permit();', "a name of its own"),
        ('=> add(type="a", value=JmesPath("1"));', "write JmesPath(json, query)"),
        ('=> add(type="a", value=NegateBool());', "write NegateBool(boolean)"),
        ('=> add(type="a", value=NegateBool());', "expected 1 argument of NegateBool"),
        ("=> permit();}; authorizationrules {", "put all its rules into one"),
        (
            "=> permit();}; configurationrules {",
            "the order is configurationrules, authorizationrules, issuancerules",
        ),
    ],
)
def test_what_stands_in_rules_is_explained(rule: str, hint: str) -> None:
    assert hint in first_message(f"version=1.2;authorizationrules{{{rule}}};")


@pytest.mark.parametrize(
    ("rule", "hint"),
    [
        ("issuancerules{=> permit();};", "permit() belongs in authorizationrules"),
        (
            'authorizationrules{=> issueproperty(type="a", value=1);};',
            "belongs in configurationrules or issuancerules",
        ),
        ("configurationrules{};", "write `version=1.1;`"),
        ('issuancerules{![type=="a"] => add(type="b", value=1);};', "write `version=1.2;`"),
        ('issuancerules{=> add(type="b", value=NegateBool(true));};', "write `version=1.2;`"),
    ],
)
def test_what_a_version_or_section_lacks_is_explained(rule: str, hint: str) -> None:
    assert hint in first_message(f"version=1.0;{rule}")
