from __future__ import annotations

from typing import Any

import jmespath
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jmespath.visitor import Options, TreeInterpreter

from assay.encoding import encode_json
from assay.policy.meter import MAX_STEPS, Meter, OutOfStepsError
from assay.policy.query import Query
from assay.policy.query_functions import QueryError, QueryFunctions, is_number, same
from assay.policy.query_program import is_false


class _Reference(TreeInterpreter):  # type: ignore[misc]  # the library has no types
    """The library's interpreter, with the comparisons of the specification."""

    def __init__(self) -> None:
        super().__init__(Options(custom_functions=QueryFunctions()))

    def visit_comparator(self, node: Any, value: Any) -> Any:  # noqa: ANN401
        left, right = (self.visit(child, value) for child in node["children"])
        if node["value"] in {"eq", "ne"}:
            return same(left, right) is (node["value"] == "eq")
        numbers = is_number(left) and is_number(right)
        return self.COMPARATOR_FUNC[node["value"]](left, right) if numbers else None


LITERALS = st.sampled_from(
    ["`null`", "`true`", "`false`", "`0`", "`1`", "`1.0`", "`2`", "'a'", "''", "`[]`", "`[1,true]`"]
)
FIELDS = st.sampled_from(["a", "b", "c", "a.b", "a.b.c", "@", "*", "[]", "[*]", "[0]", "[-2]"])
OPERATORS = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])


def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return (
        st.builds("{} {} {}".format, inner, OPERATORS, inner)
        | st.builds("({} && {} && {})".format, inner, inner, inner)
        | st.builds("({} || {} || {})".format, inner, inner, inner)
        | st.builds("!({})".format, inner)
        | st.builds("{} | {}".format, inner, inner)
        | st.builds("({})[?{}]".format, inner, inner)
        | st.builds("({})[?{}].a".format, inner, inner)
        | st.builds("({})[*].[{}, {}]".format, inner, inner, inner)
        | st.builds("({}).*.b".format, inner)
        | st.builds("({})[]".format, inner)
        | st.builds("({})[1:]".format, inner)
        | st.builds("({})[::-1]".format, inner)
        | st.builds("{{x: {}, y: {}}}".format, inner, inner)
        | st.builds("not_null({}, {})".format, inner, inner)
        | st.builds("map(&({}), to_array({}))".format, inner, inner)
        | st.builds("sort_by(to_array({}), &to_string({}))".format, inner, inner)
        | st.builds("type({})".format, inner)
    )


QUERIES = st.recursive(FIELDS | LITERALS, larger, max_leaves=8)
DOCUMENTS = st.recursive(
    st.sampled_from([None, True, False, 0, 1, 1.0, 2, "", "a", "b"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=10,
)


@pytest.mark.property
@given(QUERIES, DOCUMENTS)
def test_a_query_finds_what_the_library_finds(query: str, document: object) -> None:
    tree = jmespath.compile(query).parsed
    try:
        expected = encode_json(_Reference().visit(tree, document)).decode()
    except (jmespath.exceptions.JMESPathError, AttributeError, TypeError, ValueError):
        with pytest.raises(QueryError):
            Query(query).run(document, Meter())
        return

    assert Query(query).run(document, Meter()) == expected


@pytest.mark.parametrize(
    ("value", "false"),
    [
        *[(None, True), (False, True), ("", True), ([], True), ({}, True)],
        *[(True, False), (0, False), (0.0, False), ("x", False), ([0], False), ({"": 0}, False)],
    ],
)
def test_null_false_and_what_is_empty_are_false(value: object, *, false: bool) -> None:
    assert is_false(value) is false


DOCUMENT = {
    "a": {"b": {"c": 1}, "n": None},
    "l": [1, 2, 3],
    "one": 1,
    "yes": True,
    "no": False,
    "zero": 0,
    "empty": "",
    "rows": [{"k": 1, "v": "x"}, {"k": True, "v": ""}, {"k": 1.0}, 5, {"k": "1", "v": None}],
    "nested": [[1, 2], 3, [[4]], []],
}


@pytest.mark.parametrize(
    ("query", "result"),
    [
        ("a.b.c", "1"),
        ("a.b.c.d", "null"),
        ("a.x.c", "null"),
        ("l.a", "null"),
        *[("l[0]", "1"), ("l[2]", "3"), ("l[3]", "null"), ("l[-1]", "3"), ("l[-3]", "1")],
        *[("l[-4]", "null"), ("a[0]", "null"), ("empty[0]", "null")],
        *[("l[1:]", "[2,3]"), ("l[::-1]", "[3,2,1]"), ("a[1:]", "null")],
        *[("no || one", "1"), ("zero || one", "0"), ("empty || one", "1"), ("yes || one", "true")],
        *[("a.n || no", "false"), ("no || a.n", "null"), ("no || empty || l", "[1,2,3]")],
        *[
            ("yes && one", "1"),
            ("zero && one", "1"),
            ("empty && one", '""'),
            ("no && one", "false"),
        ],
        *[("a.n && no", "null"), ("yes && zero", "0"), ("one && l && a.n && yes", "null")],
        *[("!no", "true"), ("!zero", "false"), ("!empty", "true"), ("!yes", "false")],
        *[("yes && !one || l[0]", "1"), ("(yes || no) && no", "false")],
        *[("one == `1`", "true"), ("one == `1.0`", "true"), ("yes == `1`", "false")],
        *[("one != `1`", "false"), ("yes != `1`", "true"), ("one == `true`", "false")],
        *[("yes == `true`", "true"), ("a.n == `null`", "true"), ("no == `null`", "false")],
        *[("empty == ''", "true"), ("one == '1'", "false"), ("l == `1`", "false")],
        *[("one == one", "true"), ("one == yes", "false"), ("one != yes", "true")],
        *[("one == zero", "false"), ("empty == a.n", "false"), ("zero == no", "false")],
        *[("l == l", "true"), ("l == a", "false"), ("a.n == a.n", "true")],
        *[("one < `2`", "true"), ("one < `1`", "false"), ("one <= `1`", "true")],
        *[("one > `0`", "true"), ("one >= `2`", "false"), ("yes < `2`", "null")],
        *[("one > `1`", "false"), ("one >= `1`", "true"), ("one <= `0`", "false")],
        *[("`2` > yes", "null"), ("empty < `1`", "null"), ("`1` > empty", "null")],
        ("rows[?k == `1`].k", "[1,1.0]"),
        ("rows[?k].v", '["x",""]'),
        ("rows[?v]", '[{"k":1,"v":"x"}]'),
        ("rows[?!v].k", '[true,1.0,"1"]'),
        ("rows[*].v", '["x",""]'),
        ("one[?k]", "null"),
        ("one[*]", "null"),
        ("nested[]", "[1,2,3,[4]]"),
        ("one[]", "null"),
        ("a.*.c", "[1]"),
        ("l.*", "null"),
        ("a.*", '[{"c":1}]'),
        ("a.n.[b]", "null"),
        ("a.n.{b: b}", "null"),
        ("a.b.[c, d]", "[1,null]"),
        ("a.b.{d: d, c: c}", '{"d":null,"c":1}'),
        ("map(&k, rows[:2])", "[1,true]"),
        ("sort_by(rows[?v == 'x' || v == ''], &v)[0].k", "true"),
        ("length(join('', ['a', 'b']))", "2"),
        # What takes steps of its own, at each place that an expression can have.
        *[("no || l[1:]", "[2,3]"), ("yes && l[1:]", "[2,3]"), ("!l[1:]", "false")],
        *[("l[1:] == '1'", "false"), ("length(l) == `3`", "true"), ("l[1:] == l[1:]", "true")],
        *[("length(l) > one", "true"), ("one < length(l)", "true"), ("one > length(l)", "false")],
        *[("(l[1:])[*]", "[2,3]"), ("l[*].[@]", "[[1],[2],[3]]"), ("(l[1:])[1:]", "[3]")],
        *[("{x: one}.*", "[1]"), ("a.*.[c]", "[[1]]"), ("(nested[:1])[]", "[1,2]")],
        *[("(l[1:])[?@ > `2`]", "[3]"), ("l[?[@]]", "[1,2,3]"), ("l[?@ > `2`].[@]", "[[3]]")],
        *[("[length(l), one]", "[3,1]"), ("{x: length(l)}", '{"x":3}')],
        *[("to_array(length(l))", "[3]"), ("l[1:] | [0]", "2"), ("one | length([@])", "1")],
    ],
)
def test_each_construct_finds_what_the_specification_says(query: str, result: str) -> None:
    assert Query(query).run(DOCUMENT, Meter()) == result


@pytest.mark.parametrize(
    ("query", "steps"),
    [
        # Of the query and, last, of the result.
        *[("@", 1 + 3), ("`1`", 1 + 1), ("a", 1 + 1), ("a.b.c", 3 + 1), ("[0]", 2 + 1 + 1)],
        *[("!a", 2 + 1), ("a && b", 3 + 1), ("a || b || c", 4 + 1), ("a == b", 3 + 1)],
        *[("a < b", 3 + 1), ("a == `1`", 3 + 1), ("a | b", 2 + 1), ("(a)[0]", 3 + 1)],
        ("a | b.c", 3 + 1),
        *[("[*].a", 2 + 2 * 1 + 1), ("[?a].b", 2 + 2 * 2 + 1), ("[]", 3 + 2 + 2 * 1 + 3)],
        *[("[:]", 4 + 2 + 2 * 1 + 3), ("*.a", 2 + 1), ("[@, @]", 3 + 7 + 7)],
        *[("{x: a}", 2 + 2 + 2), ("type(@)", 2 + 3 + 1), ("map(&a, @)", 3 + 1 + 3 + 2 + 3)],
        ("to_string(@)", 2 + 3 + 1),
    ],
)
def test_work_is_counted_by_the_parts_of_a_query_and_the_elements_of_lists(
    query: str, steps: int
) -> None:
    assert spent(query, [0, 1]) == steps


def spent(query: str, document: object) -> int:
    meter = Meter()
    Query(query).run(document, meter)
    return MAX_STEPS - meter.steps


def test_the_count_does_not_depend_on_where_an_alternative_is_met() -> None:
    query = "[?a == `1` || b == `1`] | `0`"

    assert spent(query, [{"a": 1, "b": 2}] * 9) == spent(query, [{"a": 2, "b": 1}] * 9)


@pytest.mark.parametrize(
    "query",
    ["[*].a | `0`", "[?a] | `0`", "map(&a, @) | `0`", "[:] | `0`", "[] | `0`"],
)
def test_each_element_of_a_list_is_charged(query: str) -> None:
    assert spent(query, [{}] * 1_000) - spent(query, [{}] * 10) >= 990


def test_each_member_of_an_object_is_charged() -> None:
    few, many = ({str(name): 0 for name in range(count)} for count in (10, 1_000))

    assert spent("*.a | `0`", many) - spent("*.a | `0`", few) == 990


def test_work_is_charged_before_it_is_done() -> None:
    # Were it done first, the function would refuse the first element.
    with pytest.raises(OutOfStepsError):
        Query("[*].length(@)").run([1] * 1_000, Meter(100))


NESTED = [[[1], 2], [3]]
LONG = "x" * 160


@pytest.mark.parametrize(
    ("query", "document", "steps"),
    [
        ("[*].a.b | `0`", [0, 1], 2 + 2 * 2 + 1 + 1 + 1),
        ("*.a.b | `0`", {"a": 0, "b": 1}, 2 + 2 * 2 + 1 + 1 + 1),
        ("[?a.b].c | `0`", [0, 1], 2 + 2 * 3 + 1 + 1 + 1),
        # Functions see their arguments' surface, and those that look deeper all of it.
        ("length(@)", NESTED, 2 + 3 + 1),
        ("to_string(@) | `0`", NESTED, 2 + 7 + 0 + 1 + 1 + 1),
        ("contains(@, `5`)", NESTED, 3 + 7 + 1 + 1),
        ("join('', @) | `0`", [LONG, LONG], 5 + 1 + (1 + 2 + 20) + 20 + 1),
        # Texts and lists are compared by their size, with the query's own text at no cost.
        ("a == b", {"a": LONG, "b": LONG}, 3 + 10 + 1),
        ("a == b", {"a": LONG + "x", "b": ""}, 3 + 10 + 1),
        ("a == b", {"a": NESTED, "b": NESTED}, 3 + 7 + 1),
        # To flatten is to go through the lists inside, too.
        ("[] | `0`", [[1, 2, 3], 4], 5 + (3 + 1) + 4 * 1 + 1),
        ("a == 'x'", {"a": LONG}, 3 + 1),
    ],
)
def test_work_is_counted_by_the_size_of_what_is_looked_at(
    query: str, document: object, steps: int
) -> None:
    assert spent(query, document) == steps
