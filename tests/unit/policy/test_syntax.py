from __future__ import annotations

from assay.policy.parser import parse
from assay.policy.source import Source
from assay.policy.syntax import FunctionCall, SectionName, descend, expressions


def test_expressions_come_in_the_order_of_the_text() -> None:
    source = Source(
        'version=1.2;issuancerules{c:[type=="a", value==1] => issue(type="b", value=F(G("x"), 2));'
        "c:[value==3] => issue(claim=c);};"
    )
    first, second = parse(source)[0].rules(SectionName.ISSUANCE)

    outer = list(expressions(first))
    assert [source.slice(expression.span) for expression in outer] == [
        *['"a"', "1", '"b"', 'F(G("x"), 2)']
    ]
    assert isinstance(outer[-1], FunctionCall)
    assert [source.slice(inner.span) for inner in descend(outer[-1])] == [
        *['F(G("x"), 2)', 'G("x")', '"x"', "2"]
    ]
    assert [source.slice(expression.span) for expression in expressions(second)] == ["3"]
