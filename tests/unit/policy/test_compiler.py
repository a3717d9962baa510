from __future__ import annotations

import pytest

from assay.errors import PolicyError
from assay.policy import MAX_POLICY_BYTES, PolicySyntaxError, compile_policy
from assay.policy.cursor import MAX_PROBLEMS


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
    with pytest.raises(PolicySyntaxError, match="1048576 bytes"):
        compile_policy(text + "é" * (MAX_POLICY_BYTES // 2))


def test_half_a_surrogate_pair_is_refused_at_its_place() -> None:
    with pytest.raises(PolicySyntaxError) as caught:
        compile_policy("version=1.0;\n//\ud800")

    assert (caught.value.line, caught.value.column) == (2, 3)
