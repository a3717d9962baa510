"""Properties of the whole language, over generated policies and claims."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.claims import Claim, ClaimIssuer
from assay.policy import (
    CompiledPolicy,
    Decision,
    Evaluation,
    PolicyEvaluationError,
    PolicySyntaxError,
    compile_policy,
    format_policy,
)
from assay.policy.tokens import tokenize

pytestmark = pytest.mark.property

NAMES = st.sampled_from(["a", "b", "c", "pcrs"])
JSON = st.sampled_from(
    [
        "1",
        "true",
        '"a"',
        "null",
        "[]",
        '[1,"a",true]',
        "[[1]]",
        '{"a":[1,2,{"b":"x"}]}',
        "1.5",
        "x",
        "",
    ]
)
QUERIES = st.sampled_from(
    ["a", "a[*]", "@", "a[?b == 'x']", "length(a)", "a[", "", "equals_ignore_case(b, 'X')"]
)
STRINGS = st.sampled_from(["", "a", "b", "x"]) | JSON | QUERIES
VALUES = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.integers(0, 2) | STRINGS
CLAIMS = st.lists(
    st.builds(Claim, NAMES, VALUES, st.sampled_from(ClaimIssuer), st.booleans()), max_size=8
)


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


LITERALS = st.sampled_from(["true", "false", "0", "1", "2", "9223372036854775808"]) | STRINGS.map(
    quoted
)


@cache
def expressions(bound: tuple[str, ...]) -> st.SearchStrategy[str]:
    leaves = LITERALS
    if bound:
        properties = st.sampled_from(["type", "value", "valueType", "issuer"])
        leaves |= st.builds("{}.{}".format, st.sampled_from(bound), properties)
    # Calls of functions mostly fail; evaluations are to come to their end, too.
    return leaves | leaves | leaves | st.recursive(leaves, calls, max_leaves=4)


def calls(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return (
        st.builds("JmesPath({}, {})".format, inner, inner | QUERIES.map(quoted))
        | st.builds("JsonToClaimValue({})".format, inner)
        | st.builds("IsSubsetOf({}, {})".format, inner, inner)
        | st.builds("AppendString({}, {})".format, inner, inner)
        | st.builds("NegateBool({})".format, inner)
        | st.builds("ContainsOnlyValue({}, {})".format, inner, inner)
    )


OPERATORS = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])


PROPERTIES = st.sampled_from(["value", "type", "valueType", "issuer"])


def conditions(draw: st.DrawFn, bound: list[str]) -> str:
    tests = []
    if draw(st.booleans()):
        tests.append(f"type=={quoted(draw(NAMES))}")
    tests.extend(
        f"{draw(PROPERTIES)}{draw(OPERATORS)}{draw(expressions(tuple(bound)))}"
        for _ in range(draw(st.integers(0 if tests else 1, 2)))
    )
    body = f"[{', '.join(tests)}]"
    if draw(st.booleans()):
        return f"!{body}"
    bound.append(f"n{len(bound)}")
    return f"{bound[-1]}:{body}"


# Literals of other types than string are refused by `check`.
TYPES = [
    NAMES.map(quoted)
    | expressions(tuple(f"n{index}" for index in range(count))).filter(
        lambda text: text[0] not in "tf0129"
    )
    for count in range(3)
]


@st.composite
def rules(draw: st.DrawFn, actions: Sequence[str]) -> str:
    bound: list[str] = []
    parts = [conditions(draw, bound) for _ in range(draw(st.integers(0, 2)))]
    action = draw(st.sampled_from(actions))
    copies = draw(st.booleans())
    if action in {"permit", "deny"}:
        argument = ""
    elif bound and copies:
        argument = f"claim={draw(st.sampled_from(bound))}"
    else:
        name = draw(TYPES[len(bound)])
        argument = f"type={name}, value={draw(expressions(tuple(bound)))}"
    return f"{' && '.join(parts)} => {action}({argument});"


AUTHORIZING = st.lists(rules(["permit", "deny", "add", "issue"]), max_size=4)
ISSUING = st.lists(rules(["add", "issue", "issueproperty"]), max_size=4)


def policy(authorizing: Sequence[str], issuing: Sequence[str] = ()) -> CompiledPolicy:
    return compile_policy(
        f"version=1.2;authorizationrules{{{''.join(authorizing)}}};"
        f"issuancerules{{{''.join(issuing)}}};"
    )


def outcome(compiled: CompiledPolicy, claims: Sequence[Claim]) -> Evaluation | None:
    try:
        return compiled.evaluate(claims)
    except PolicyEvaluationError:
        return None


@given(st.text() | st.text(alphabet='version=1.0;authzul{}[]()=>&&!"\\/,:. \n<é'))
def test_any_text_is_a_policy_or_a_syntax_error(text: str) -> None:
    with contextlib.suppress(PolicySyntaxError):
        compile_policy(text)


TOKENS = st.sampled_from(
    [
        *["version", "=", "1.0", "1.2", ";", "authorizationrules", "issuancerules", "{", "}", "}"],
        *["configurationrules", "[", "]", "type", "value", "==", '"a"', "=>", "permit", "(", ")"],
        *["()", "issue", "claim", "c", ":", ",", "&&", "!", ".", "5", "true", "JmesPath", "'x'"],
        *["// x\n", "\n", "//", '"', "/*", "<a>", "-1", "0xF", "||", "=~", "“", "\\", "exists"],
    ]
)


@given(st.lists(TOKENS, max_size=40))
def test_any_sequence_of_tokens_is_a_policy_or_problems_in_order(tokens: list[str]) -> None:
    text = "version=1.2;authorizationrules{" + " ".join(tokens)

    with pytest.raises(PolicySyntaxError) as caught:
        compile_policy(text + " {")

    places = [(problem.line, problem.column) for problem in caught.value.problems]
    assert places == sorted(places)
    assert all(problem.message and problem.expected for problem in caught.value.problems)


@given(AUTHORIZING, ISSUING, CLAIMS)
def test_any_policy_over_any_claims_gives_a_decision_or_an_error(
    authorizing: list[str], issuing: list[str], claims: list[Claim]
) -> None:
    result = outcome(policy(authorizing, issuing), claims)

    if result is not None:
        assert result.explanation
        assert (result.rule is None) is (result.decision is Decision.NO_PERMIT)
        if result.decision is not Decision.PERMIT:
            assert result.issued == result.properties == {}


@given(AUTHORIZING, ISSUING, CLAIMS)
def test_two_evaluations_agree(
    authorizing: list[str], issuing: list[str], claims: list[Claim]
) -> None:
    permitting = ["=> permit();", *authorizing]
    first = outcome(policy(permitting, issuing), claims)
    second = outcome(policy(permitting, issuing), claims)

    assert (first is None) is (second is None)
    if first is not None and second is not None:
        assert repr(first) == repr(second)
        assert first.explanation == second.explanation
        assert first.trace == second.trace


@given(AUTHORIZING, CLAIMS, rules(["deny"]), st.integers(0, 4))
def test_another_deny_rule_never_turns_a_refusal_into_a_permit(
    authorizing: list[str], claims: list[Claim], rule: str, place: int
) -> None:
    before = outcome(policy(authorizing), claims)
    after = outcome(policy([*authorizing[:place], rule, *authorizing[place:]]), claims)

    if before is None or before.decision is not Decision.PERMIT:
        assert after is None or after.decision is not Decision.PERMIT


@given(AUTHORIZING, ISSUING, CLAIMS)
def test_the_trace_agrees_with_the_decision(
    authorizing: list[str], issuing: list[str], claims: list[Claim]
) -> None:
    result = outcome(policy(authorizing, issuing), claims)

    if result is not None:
        fired = [record.rule.text for record in result.trace if record.fired]
        assert any(text.endswith("deny()") for text in fired) is (result.decision is Decision.DENY)
        if result.decision is Decision.PERMIT:
            assert any(text.endswith("permit()") for text in fired)


@given(AUTHORIZING, CLAIMS)
def test_no_policy_makes_a_claim_of_the_service(
    authorizing: list[str], claims: list[Claim]
) -> None:
    probe = '[type=="unheard", issuer!="AttestationPolicy"] => permit();'
    forge = '=> add(type="unheard", value=1, issuer="AttestationService");'

    result = outcome(policy([*[r for r in authorizing if "permit" not in r], forge, probe]), claims)

    assert result is None or result.decision is not Decision.PERMIT


GAPS = st.sampled_from(["", "", " ", "\n", "\r\n", "\t", "\n\n\n", " // why\n", '// \u00e9 " [\n'])


@st.composite
def layouts(draw: st.DrawFn, text: str) -> str:
    """The same tokens with other white space and comments between them."""
    words = [token.text for token in tokenize(text)]
    return "".join(word + draw(GAPS) for word in words)


def meaning(node: object) -> object:
    """A tree without its places; `True == 1` in Python."""
    if isinstance(node, tuple):
        return [meaning(item) for item in node]
    if dataclasses.is_dataclass(node):
        names = [field.name for field in dataclasses.fields(node) if field.name != "span"]
        return type(node).__name__, {name: meaning(getattr(node, name)) for name in names}
    return type(node).__name__, node


@given(st.data(), AUTHORIZING, ISSUING)
def test_a_formatted_policy_means_the_same_and_stays_as_it_is(
    data: st.DataObject, authorizing: list[str], issuing: list[str]
) -> None:
    text = data.draw(layouts(policy(authorizing, issuing).text))

    formatted = format_policy(text)

    assert meaning(compile_policy(formatted).tree) == meaning(compile_policy(text).tree)
    assert format_policy(formatted) == formatted
