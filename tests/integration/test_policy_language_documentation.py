"""`docs/policy-language.md`: its examples are run, its tables compared with the code."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

import httpx2
import pytest

from assay.claims import CATALOGUE, ClaimName, ClaimType, Where
from assay.encoding import MAX_JSON_DEPTH, encode_base64url
from assay.evidence.format import AttestationType
from assay.policy import MAX_POLICY_BYTES, PolicySyntaxError, compile_policy, policy_hash, syntax
from assay.policy.check import ARITIES
from assay.policy.cursor import MAX_PROBLEMS
from assay.policy.evaluation import Decision
from assay.policy.meter import (
    CHARACTERS_A_STEP,
    MAX_STEPS,
    MAX_STRING_CHARACTERS,
    STEPS_A_QUERY_CHARACTER,
)
from assay.policy.outcome import ERROR
from assay.policy.parser import MAX_DIGITS, MAX_NESTING, MAX_RULES
from assay.policy.query import MAX_QUERY_CHARACTERS, MAX_QUERY_LEVELS
from assay.policy.run import MAX_INCOMING_CLAIMS, MAX_OUTPUT_CHARACTERS
from assay.policy.settings import PROPERTIES, SETTINGS
from assay.policy.syntax import ActionName, FunctionName, Operator, PropertyName, SectionName
from assay.policy.tokens import MAX_TOKENS
from assay.server.app import create_app
from assay.server.maa.attest_request import MAX_DRAFT_POLICY
from assay.token import read_unverified
from tests.documentation import blocks, read_page, rows, section
from tests.policy_examples import Example, policy_examples, printed_error, run
from tests.serving import VERSION, call, make_services, simulated_platform

_PAGE: Final = read_page("policy-language.md")
_EXAMPLES: Final = tuple(policy_examples(_PAGE))
_POLICIES: Final = tuple(one for one in _EXAMPLES if one.kind == "outcome")
_REFUSED: Final = tuple(one for one in _EXAMPLES if one.kind == "error")
_DECISIONS: Final = rows(section(_PAGE, "How a decision is reached"))

_LIMITS: Final = {
    "bytes of a policy": MAX_POLICY_BYTES,
    "tokens of a policy": MAX_TOKENS,
    "rules of a policy": MAX_RULES,
    "function calls in each other": MAX_NESTING,
    "digits of a number": MAX_DIGITS,
    "problems that an error reports": MAX_PROBLEMS,
    "incoming claims": MAX_INCOMING_CLAIMS,
    "steps of one evaluation": MAX_STEPS,
    "characters of a string that count as one step": CHARACTERS_A_STEP,
    "steps for each character of a query, to read it": STEPS_A_QUERY_CHARACTER,
    "characters of a query": MAX_QUERY_CHARACTERS,
    "levels of a query": MAX_QUERY_LEVELS,
    "characters of one string": MAX_STRING_CHARACTERS,
    "levels of JSON": MAX_JSON_DEPTH,
    "characters of all that is issued, and of all properties": MAX_OUTPUT_CHARACTERS,
    "characters of a draft policy": MAX_DRAFT_POLICY,
}
_NEWER: Final = {
    "`authorizationrules`, `issuancerules`": "authorizationrules {}; issuancerules {};",
    "`configurationrules`": "configurationrules {};",
    "`!` before a condition": 'authorizationrules { ![type=="a"] => permit(); };',
    "functions": 'issuancerules { => add(type="a", value=NegateBool(true)); };',
}
_ACTIONS: Final = {
    ActionName.PERMIT: "permit()",
    ActionName.DENY: "deny()",
    ActionName.ADD: 'add(type="a", value=1)',
    ActionName.ISSUE: 'issue(type="a", value=1)',
    ActionName.ISSUE_PROPERTY: 'issueproperty(type="a", value=1)',
}


def _name(example: Example) -> str:
    return f"line {example.line}"


def _accepts(text: str) -> str:
    try:
        compile_policy(text)
    except PolicySyntaxError:
        return "no"
    return "yes"


def _attest(policy: str) -> httpx2.Response:
    """What a service answers that judges an enclave of security version 3 by a draft policy."""
    quote = simulated_platform().quote(report_data=bytes(64), isv_svn=3)
    body = {"quote": encode_base64url(quote), "draftPolicyForAttestation": policy}
    return call(create_app(make_services()), "POST", f"/attest/SgxEnclave{VERSION}", json=body)


def _described(claim: ClaimName) -> tuple[str, str]:
    several = claim.type in {ClaimType.STRINGS, ClaimType.INTEGERS}
    kind = f"{claim.value_type}{', several' if several else ''}"
    return kind, "yes" if Where.TOKEN in claim.where else "no"


def _rules() -> Iterator[syntax.Rule]:
    for example in _POLICIES:
        for part in compile_policy(example.policy).tree.sections:
            yield from part.rules


@pytest.mark.parametrize("example", _POLICIES, ids=_name)
def test_what_comes_of_the_claims_is_what_the_page_says(example: Example) -> None:
    policy = compile_policy(example.policy)
    assert example.runs

    for said in example.runs:
        found = run(policy, said["claims"])

        # Why evidence was permitted is interesting less often.
        if said["decision"] == Decision.PERMIT and "reason" not in said:
            del found["reason"]
        assert said == found


@pytest.mark.parametrize("example", _REFUSED, ids=_name)
def test_a_text_is_refused_with_the_error_of_the_page(example: Example) -> None:
    assert printed_error(example.policy) == example.expected


def test_every_construct_has_an_example() -> None:
    rules = list(_rules())
    conditions = [condition for rule in rules for condition in rule.conditions]
    tests = [test for condition in conditions for test in condition.tests]
    claims = [rule.action.claim for rule in rules]
    new = [claim for claim in claims if isinstance(claim, syntax.NewClaim)]
    assigned = [one for claim in new for one in claim.assignments]
    outermost = [one for rule in rules for one in syntax.expressions(rule)]
    found = [inner for one in outermost for inner in syntax.descend(one)]

    assert {test.property for test in tests} == set(PropertyName)
    assert {test.operator for test in tests} == set(Operator)
    assert {one.property for one in assigned} == set(PropertyName)
    assert {rule.action.name for rule in rules} == set(ActionName)
    assert {one.name for one in found if isinstance(one, syntax.FunctionCall)} == set(FunctionName)
    assert {one.property for one in found if isinstance(one, syntax.PropertyAccess)} == set(
        PropertyName
    )
    assert {type(one.value) for one in found if isinstance(one, syntax.Literal)} == {str, int, bool}
    assert {condition.negated for condition in conditions} == {True, False}
    assert {syntax.ClaimCopy, syntax.NewClaim} <= {type(claim) for claim in claims}
    assert any(isinstance(test.expression, syntax.FunctionCall) for test in tests)
    assert any(len(rule.conditions) > 1 for rule in rules)


def test_every_version_section_and_decision_has_an_example() -> None:
    policies = [compile_policy(example.policy) for example in _POLICIES]

    sections = {part.name for policy in policies for part in policy.tree.sections}

    assert {policy.version for policy in policies} == set(syntax.Version)
    assert sections == set(SectionName)
    decisions = {said["decision"] for example in _POLICIES for said in example.runs}
    assert decisions == {*Decision, ERROR}


def test_the_grammar_has_the_words_of_the_language() -> None:
    [grammar] = blocks(_PAGE, "ebnf")

    words = set(re.findall(r'"(\w+)"', grammar))

    kinds = (SectionName, ActionName, PropertyName, FunctionName)
    assert words == {"version", "claim", "true", "false", *(one for kind in kinds for one in kind)}


@pytest.mark.parametrize("row", rows(section(_PAGE, "Versions")), ids=lambda row: row[0])
def test_a_version_has_what_its_column_says(row: tuple[str, ...]) -> None:
    name, *said = row

    assert [_accepts(f"version={one};{_NEWER[name]}") for one in syntax.Version] == said


def test_the_table_of_versions_has_every_gate() -> None:
    assert {name for name, *_ in rows(section(_PAGE, "Versions"))} == set(_NEWER)


def test_actions_stand_in_the_sections_of_the_table() -> None:
    documented = {
        name.strip("`"): dict(zip(ActionName, said, strict=True))
        for name, _, *said in rows(section(_PAGE, "Sections"))
    }

    assert documented == {
        name: {
            action: _accepts(f"version=1.2; {name} {{ => {text}; }};")
            for action, text in _ACTIONS.items()
        }
        for name in SectionName
    }


def test_the_table_of_functions_has_each_with_its_arguments() -> None:
    documented = {
        name.strip("`"): len(arguments.split(", "))
        for name, arguments, _, _ in rows(section(_PAGE, "Functions"))
    }

    assert documented == ARITIES


def test_the_tables_of_settings_have_each_with_its_values() -> None:
    documented = {
        name.strip("`"): (value.replace("`", ""), frozenset(re.findall(r"`(\w+)`", types)), default)
        for name, value, types, default, _ in rows(section(_PAGE, "Settings"))
    }

    known = {**SETTINGS, **PROPERTIES}
    assert list(documented) == list(known)
    for name, (value, types, default) in documented.items():
        assert (value, types) == (known[name].expected, known[name].types)
        assert known[name].fits(json.loads(default.strip("`")))


def test_the_limits_are_those_of_the_code() -> None:
    documented = {name: int(value) for name, value, _ in rows(section(_PAGE, "Limits"))}

    assert documented == _LIMITS


@pytest.mark.parametrize("attestation_type", CATALOGUE)
def test_the_incoming_claims_are_those_of_the_catalogue(attestation_type: str) -> None:
    [heading] = re.findall(rf"^### (.*\b{attestation_type}\b.*)$", _PAGE, re.MULTILINE)
    tables = rows(section(_PAGE, "All types")) + rows(section(_PAGE, heading))

    documented = {name.strip("`"): (kind, token) for name, kind, token, _ in tables}

    known = CATALOGUE[attestation_type].values()
    assert documented == {one.name: _described(one) for one in known if one.incoming}


def test_the_types_that_are_attested_are_those_of_the_page() -> None:
    [sentence] = re.findall(r"Assay attests (.*?);", section(_PAGE, "Incoming claims"))

    assert re.findall(r"`(\w+)`", sentence) == list(AttestationType)


def test_the_hash_is_that_of_the_page() -> None:
    [(text, digest)] = re.findall(r"`(version=[^`]*)`, .* hash `([\w-]{43})`", _PAGE)

    assert policy_hash(text) == digest


def test_the_token_shows_what_the_page_says() -> None:
    [documented] = [json.loads(block) for block in blocks(_PAGE, "json")]
    [example] = policy_examples(section(_PAGE, "What the token shows"))

    answer = _attest(example.policy)

    token = read_unverified(answer.json()["token"]).claims
    assert {name: token.get(name) for name in documented} == documented
    assert "nothing" not in token


def test_a_draft_policy_is_refused_as_the_page_says() -> None:
    [message] = blocks(_PAGE, "message")
    [example] = policy_examples(section(_PAGE, "Errors"))

    answer = _attest(example.policy)

    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "PolicyParsingError")
    assert error["message"] == message.strip()
    assert len(error["details"]) == len(re.findall(r"^line ", example.expected, re.MULTILINE))


@pytest.mark.parametrize("row", _DECISIONS, ids=lambda row: row[0])
def test_a_decision_is_answered_as_the_page_says(row: tuple[str, ...]) -> None:
    decision, _, status, code = row
    rules = {
        "permit": "=> permit();",
        "deny": "=> deny();",
        "no-permit": "",
        "error": '=> add(type="a", value=JsonToClaimValue(""));',
    }[decision.strip("`")]

    answer = _attest(f"version=1.2; authorizationrules {{ {rules} }};")

    assert str(answer.status_code) == status
    assert answer.json().get("error", {}).get("code", "") == code.strip("`")


def test_links_inside_the_page_lead_to_its_headings() -> None:
    headings = re.findall(r"^##+ (.*)$", _PAGE, re.MULTILINE)

    anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}

    assert set(re.findall(r"\]\(#([\w-]+)\)", _PAGE)) <= anchors
