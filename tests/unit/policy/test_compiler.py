from __future__ import annotations

import tracemalloc

import pytest

from assay.errors import PolicyError
from assay.policy import MAX_POLICY_BYTES, PolicySyntaxError, compile_policy
from assay.policy.cursor import MAX_PROBLEMS
from assay.policy.parser import MAX_RULES
from assay.policy.tokens import MAX_TOKENS


def test_a_policy_keeps_its_text_and_version() -> None:
    text = "version=1.1;\r\nauthorizationrules{=> permit();};"

    policy = compile_policy(text)

    assert (policy.text, policy.version) == (text, "1.1")
    assert policy.tree.version is not None
    assert policy.hash in repr(policy)


def test_problems_of_grammar_and_meaning_come_together_in_order() -> None:
    text = "version=1.0;authorizationrules{![value==1] => permit();=> Deny();=> add(claim=c);};"

    with pytest.raises(PolicySyntaxError) as caught:
        compile_policy(text)

    assert [problem.column for problem in caught.value.problems] == [32, 59, 79]
    assert isinstance(caught.value, PolicyError)


def test_the_rules_of_a_misspelled_section_are_held_against_the_one_it_means() -> None:
    with pytest.raises(PolicySyntaxError) as caught:
        compile_policy('version=1.0;issuancerule{=> permit(); => issue(type="a", value=1);};')

    assert [problem.column for problem in caught.value.problems] == [13, 29]


def test_a_text_of_only_problems_lists_no_more_than_anybody_reads() -> None:
    with pytest.raises(PolicySyntaxError) as caught:
        compile_policy("version=1.0;authorizationrules{" + "=> no(); => add(claim=c);" * 99 + "};")

    assert len(caught.value.problems) == MAX_PROBLEMS


def test_a_text_without_a_version_is_refused_even_if_the_rest_is_good() -> None:
    with pytest.raises(PolicySyntaxError):
        compile_policy("version=;authorizationrules{=> permit();};")


def test_the_size_is_bounded() -> None:
    text = "version=1.0;//"

    compile_policy(text + "é" * ((MAX_POLICY_BYTES - len(text)) // 2))
    with pytest.raises(PolicySyntaxError, match="1048576 bytes") as caught:
        compile_policy(text + "é" * (MAX_POLICY_BYTES // 2))
    assert (caught.value.line, caught.value.column) == (1, 1)
    assert caught.value.problems[0].expected == "at most 1048576 bytes"


def test_half_a_surrogate_pair_is_refused_at_its_place() -> None:
    with pytest.raises(PolicySyntaxError) as caught:
        compile_policy("version=1.0;\n//\ud800")

    (problem,) = caught.value.problems
    assert (problem.line, problem.column, problem.expected) == (2, 3, "Unicode text")
    assert problem.message == "expected Unicode text, got half of a surrogate pair"


MEBIBYTE = 1_048_576
FRAME = "version=1.2;authorizationrules{"

HOSTILE = {
    "rules": "=> permit();" * 10_000,
    "brackets": "[" * 1_000_000,
    "conditions": '[type=="a"]' + ' && [type=="a"]' * 69_000,
    "names": "".join(f'n{index}:[type=="a",value==m{index}.value] && ' for index in range(20_000)),
    "calls": '=>add(type="a",value=' + "F(" * 500_000,
    "placeholders": "<a" * 500_000,
    "comments": "//\n" * 349_000,
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.timeout(20)  # quadratic work would take minutes
def test_a_mebibyte_of_anything_is_refused_for_its_size(kind: str) -> None:
    text = FRAME + HOSTILE[kind]
    assert len(text.encode()) <= MEBIBYTE

    with pytest.raises(PolicySyntaxError) as caught:
        compile_policy(text)

    bound = f"at most {MAX_RULES} rules" if kind == "rules" else f"at most {MAX_TOKENS} tokens"
    assert caught.value.problems[0].expected == bound


@pytest.mark.parametrize(
    ("rule", "column"),
    [
        ("\n" * 1_000_000 + "x", 1),
        ('=>add(type="a",value=' + "1" * 1_000_000 + ");", 53),
        ('=>add(type="a",value="' + "x" * 1_000_000, 53),
        ("0x" + "F" * 1_000_000, 32),
        ("%" + "a" * 1_000_000, 32),
    ],
    ids=["lines", "digits", "open string", "hexadecimal", "open placeholder"],
)
@pytest.mark.timeout(20)  # quadratic work would take minutes
def test_a_mebibyte_in_few_tokens_is_refused_where_it_is_wrong(rule: str, column: int) -> None:
    with pytest.raises(PolicySyntaxError) as caught:
        compile_policy(FRAME + rule)

    assert caught.value.column == column
    assert len(str(caught.value)) < 2_000


def test_the_memory_for_a_policy_is_bounded_by_its_tokens() -> None:
    # A quarter of the tokens that a policy can have, so within a quarter of 200 MiB.
    text = f"{FRAME}[value==1{',value==1' * (MAX_TOKENS // 16)}] => permit();}};"
    tracemalloc.start()
    try:
        compile_policy(text)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 50 * MEBIBYTE
