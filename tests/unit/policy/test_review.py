from __future__ import annotations

import pytest

from assay.policy.lint import Severity
from assay.policy.review import SYNTAX, lint_text, review_policy


def policy(rule: str) -> str:
    return f"version=1.2;\nauthorizationrules\n{{\n{rule}\n}};\n"


def test_all_syntax_errors_come_with_their_source_and_a_caret() -> None:
    first, second = review_policy(policy('[type="a"] => permit();\n=> Deny();'))

    assert first.code == second.code == SYNTAX
    assert (first.line, first.column, first.length) == (4, 6, 1)
    assert first.source == '[type="a"] => permit();'
    assert first.caret == "     ^"
    assert "write `deny`" in second.message


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ('[type=="x-ms-sgx-mrsinger", value=="a"] => permit();', "unknown-claim"),
        ('[type=="x-ms-sgx-svn", value=="2"] => permit();', "type-mismatch"),
        ('[type=="x-ms-sgx-svn", value>="2"] => permit();', "ordering-type"),
        ('=> add(type="a", value=NegateBool(1)); => permit();', "argument-type"),
        ("=> deny();", "never-permits"),
    ],
)
def test_what_a_type_forbids_is_an_error_where_the_type_is_named(rule: str, code: str) -> None:
    findings = review_policy(policy(rule), "SgxEnclave")

    assert code in [finding.code for finding in findings]
    assert {finding.severity for finding in findings} == {Severity.ERROR}
    assert review_policy(policy(rule)) == ()


def test_what_is_only_doubtful_is_left_to_the_linter() -> None:
    text = policy("=> permit();")

    assert review_policy(text, "SgxEnclave") == ()
    assert [finding.code for finding in lint_text(text, "SgxEnclave")] == ["unconditional-permit"]


def test_a_linter_says_of_no_policy_why_it_is_none() -> None:
    assert lint_text("version") == review_policy("version") != ()
