from __future__ import annotations

import pytest

from assay.policy import compile_policy, format_policy, lint_policy

ALLOW = "// assay: allow untyped-condition"
RULE = "[value==1] => permit();"
OTHER = '[type=="x-ms-sgx-svn", value>=2] => permit();'


def found(text: str, attestation_type: str | None = "SgxEnclave") -> list[tuple[str, int]]:
    findings = lint_policy(compile_policy(text), attestation_type)
    return [(finding.code, finding.line) for finding in findings]


def policy(rules: str) -> str:
    return f"version=1.0;\nauthorizationrules\n{{\n{rules}\n}};\n"


@pytest.mark.parametrize(
    "text",
    [
        policy(f"{ALLOW}\n{RULE}"),
        policy(f"{ALLOW} - the only claim there is\n{RULE}"),
        policy(f"{ALLOW}, unused-identifier\nc:{RULE}"),
        policy(f"// a word before\n{ALLOW}\n\n// and after\n{RULE}"),
        policy(f"{RULE} {ALLOW}"),
        policy(f"{OTHER}\n{RULE}{ALLOW}\n{OTHER.replace('2', '3')}"),
        policy(f'[type=="x-ms-sgx-svn", value>=2] &&\n{ALLOW}\n{RULE}'),
        policy(f"[value==1]\n{ALLOW}\n=> permit();"),
        f"{ALLOW}\n{policy(RULE)}",
        policy(RULE).replace("version=1.0;", f"version=1.0; {ALLOW}"),
        policy(RULE).replace("authorizationrules", f"{ALLOW}\nauthorizationrules"),
        policy(RULE).replace("authorizationrules", f"authorizationrules {ALLOW}"),
        policy(RULE).replace("};", f"}}; {ALLOW}"),
        policy(RULE).replace("{", f"{{ {ALLOW}"),
        policy(f"{ALLOW}\n{RULE} // and a word behind"),
    ],
)
def test_a_comment_covers_what_it_stands_above_in_or_behind(text: str) -> None:
    assert found(text) == []
    assert found(format_policy(text)) == []


@pytest.mark.parametrize(
    "text",
    [
        policy(f"{ALLOW}\n{OTHER}\n{RULE}"),
        policy(f"{RULE}\n{ALLOW}\n{OTHER}"),
        policy(f"{OTHER} {ALLOW}\n{RULE}"),
        policy(f"{RULE}\n{ALLOW}"),
        policy(RULE) + ALLOW,
        policy(RULE) + f"{ALLOW}\nissuancerules{{}};",
    ],
)
def test_a_comment_covers_nothing_else_and_says_so(text: str) -> None:
    assert sorted(code for code, _ in found(text)) == ["silence-unused", "untyped-condition"]


def test_a_comment_covers_only_the_codes_that_it_names() -> None:
    text = policy(f"// assay: allow placeholder\n{RULE}")

    assert found(text) == [("silence-unused", 4), ("untyped-condition", 5)]


@pytest.mark.parametrize(
    ("comment", "hint"),
    [
        ("// assay: allow untyped-conditoin", "did you mean `untyped-condition`?"),
        ("// assay: allow anything", "docs/policy-lint.md lists the codes"),
        ("// assay: allow silence-unused", "there is no code silence-unused to allow"),
        ("// assay: allow", "expected `// assay: allow CODE, CODE - reason`"),
        ("// assay: ignore untyped-condition", "expected `// assay: allow CODE, CODE - reason`"),
        ("//assay:allow untyped-condition because", "expected `// assay: allow CODE, CODE"),
    ],
)
def test_a_comment_that_cannot_work_is_found(comment: str, hint: str) -> None:
    findings = lint_policy(compile_policy(policy(f"{comment}\n{RULE}")))

    assert [finding.code for finding in findings] == ["silence-unknown", "untyped-condition"]
    assert hint in findings[0].message


def test_any_other_comment_is_a_comment() -> None:
    text = policy(f"// assay is nice\n// allow untyped-condition\n{RULE}")

    assert found(text) == [("untyped-condition", 6)]


def test_a_finding_about_the_whole_policy_is_silenced_at_its_version() -> None:
    text = "version=1.0; // assay: allow never-permits - a stub\nauthorizationrules{};"

    assert found(text) == []


def test_without_an_attestation_type_a_comment_may_be_about_what_is_not_known() -> None:
    text = policy(f"// assay: allow unknown-claim\n{OTHER}")

    assert found(text, None) == []
    assert found(text) == [("silence-unused", 4)]
