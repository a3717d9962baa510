from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.policy import PolicySyntaxError, compile_policy, default_policy
from assay.policy.format import format_policy
from assay.policy.source import Span


def bare(node: Any) -> Any:  # noqa: ANN401
    """A tree without its places."""
    if isinstance(node, Span):
        return None
    if isinstance(node, tuple):
        return tuple(bare(child) for child in node)
    if dataclasses.is_dataclass(node):
        return type(node).__name__, tuple(
            bare(getattr(node, field.name)) for field in dataclasses.fields(node)
        )
    return node


def test_a_policy_is_laid_out_as_usual() -> None:
    text = (
        "// who\nversion = 1.2 ;authorizationrules { // open\n"
        'c : [ type == "a" ,value>=007 ] && ! [ type=="b" ] => add( claim = c ) ; // why\n\n\n\n'
        "=>permit( ) ;} ;\n\n\n// last"
    )

    assert format_policy(text) == (
        "// who\n"
        "version=1.2;\n"
        "authorizationrules\n"
        "{ // open\n"
        '    c:[type=="a", value>=7] && ![type=="b"] => add(claim=c); // why\n'
        "\n"
        "    => permit();\n"
        "};\n"
        "\n"
        "// last\n"
    )


def test_a_long_rule_has_a_line_for_each_condition() -> None:
    rule = f'[type=="{"a" * 60}"]&&[type=="{"b" * 60}"]=>permit();'

    assert format_policy(f"version=1.0;authorizationrules{{{rule}}};").splitlines()[3:6] == [
        f'    [type=="{"a" * 60}"] &&',
        f'    [type=="{"b" * 60}"]',
        "        => permit();",
    ]


def test_a_long_rule_without_conditions_stays_on_its_line() -> None:
    rule = f'=> issue(type="{"a" * 120}", value=1);'

    assert f"\n    {rule}\n" in format_policy(f"version=1.0;issuancerules{{{rule}}};")


def test_a_comment_inside_a_rule_moves_above_it() -> None:
    text = 'version=1.0;authorizationrules // a\n{[type=="a"] // b\n => // c\npermit();\n} // d\n;'

    assert format_policy(text) == (
        "version=1.0;\n// a\nauthorizationrules\n{\n    // b\n    // c\n"
        '    [type=="a"] => permit();\n    // d\n};\n'
    )


def test_blank_lines_at_the_edges_of_a_section_go() -> None:
    text = "\n\nversion=1.0;\r\n\r\nauthorizationrules{\n\n\n=>permit();\n\n};"

    assert format_policy(text) == ("version=1.0;\n\nauthorizationrules\n{\n    => permit();\n};\n")


def test_strings_are_not_touched() -> None:
    text = 'version=1.0;issuancerules{=> issue(type="a  //\r\n", value="\\t 007 &&=>,");};'

    assert '"a  //\r\n", value="\\t 007 &&=>,"' in format_policy(text)


def test_what_is_no_policy_is_not_formatted() -> None:
    with pytest.raises(PolicySyntaxError):
        format_policy("version=1.0")


@pytest.mark.parametrize("attestation_type", ["SgxEnclave", "SevSnpVm", "AzureGuest"])
def test_the_default_policies_keep_their_meaning(attestation_type: str) -> None:
    text = default_policy(attestation_type)
    assert text is not None

    formatted = format_policy(text)

    assert bare(compile_policy(formatted).tree) == bare(compile_policy(text).tree)
    assert format_policy(formatted) == formatted


WORDS = re.findall(
    r'"[^"]*"|\w+\.\d|\w+|&&|=>|==|>=|.',
    'version=1.2;authorizationrules{c:[type=="a",value>=01]&&![type=="b"]=>issue(type="r",'
    'value=c.value);=>permit();};issuancerules{=>issue(type="x",value="y");};',
)
SPACES = st.sampled_from(
    ["", "", " ", "\n", "\n\n", "\r\n\r\n\n", "// x \n", " // y\n\n", "\t//\r"]
)


@pytest.mark.property
@given(st.lists(SPACES, min_size=len(WORDS) + 1, max_size=len(WORDS) + 1))
def test_formatting_keeps_meaning_and_comments_and_is_idempotent(spaces: list[str]) -> None:
    text = spaces[0] + "".join(
        f"{word}{space}" for word, space in zip(WORDS, spaces[1:], strict=True)
    )

    formatted = format_policy(text)

    assert format_policy(formatted) == formatted
    assert bare(compile_policy(formatted).tree) == bare(compile_policy(text).tree)
    assert formatted.count("//") == text.count("//")
