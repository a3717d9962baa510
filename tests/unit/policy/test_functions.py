from __future__ import annotations

import pytest

from assay.policy.functions import (
    FUNCTIONS,
    FunctionError,
    Values,
    Workbench,
    distinct,
    in_range,
    typed,
)
from assay.policy.meter import MAX_STEPS, MAX_STRING_CHARACTERS, Meter, OutOfStepsError
from assay.policy.query import MAX_QUERY_CHARACTERS, Query
from assay.policy.syntax import FunctionName


def call(name: str, *arguments: Values) -> Values:
    return FUNCTIONS[FunctionName(name)](Workbench(Meter()), arguments)


def test_there_is_an_implementation_of_each_function() -> None:
    assert set(FUNCTIONS) == set(FunctionName)


@pytest.mark.parametrize(
    ("json", "query", "result"),
    [
        ('{"foo": "bar"}', "foo", '"bar"'),
        ('{"values": [0,1,2,3,4]}', "values[2]", "2"),
        ("{}", "missing", "null"),
        ("null", "@", "null"),
    ],
)
def test_jmes_path_gives_json_text(json: str, query: str, result: str) -> None:
    assert call("JmesPath", (json,), (query,)) == (result,)


@pytest.mark.parametrize(
    ("json", "query", "part"),
    [
        (("",), ("a",), "JSON that is not empty"),
        (("{}",), ("",), "query that is not empty"),
        (("{a}",), ("a",), "JSON is expected"),
        (('{"a":1,"a":2}',), ("a",), "JSON is expected"),
        (("\ud800",), ("a",), "JSON is expected"),
        (("{}",), ("[?a == 20]",), "not a JMESPath query"),
        (("{}",), ("length(a)",), "the query failed"),
        ((5,), ("a",), "a string as JSON, got 5"),
        (("{}",), (True,), "a string as query, got true"),
        ((), ("a",), "one value as JSON, got 0"),
        (("{}", "[]"), ("a",), "one value as JSON, got 2"),
    ],
)
def test_jmes_path_refuses_what_is_not_json_or_jmespath(
    json: Values, query: Values, part: str
) -> None:
    with pytest.raises(FunctionError, match=part):
        call("JmesPath", json, query)


def test_a_document_and_a_query_are_read_once() -> None:
    meter = Meter()
    workbench = Workbench(meter)
    text = '{"a": ["' + "x" * 100_000 + '"]}'
    FUNCTIONS[FunctionName.JMES_PATH](workbench, ((text,), ("b",)))
    before = meter.steps

    FUNCTIONS[FunctionName.JMES_PATH](workbench, ((text,), ("b",)))

    assert before - meter.steps < 10
    assert MAX_STEPS - before > 6_000


def test_a_document_is_compared_with_an_equal_one_at_a_charge() -> None:
    workbench = Workbench(Meter())
    text = '"' + "x" * 1_600 + '"'
    workbench.document(text)
    before = workbench.meter.steps

    workbench.document("".join(list(text)))

    assert before - workbench.meter.steps == 100


@pytest.mark.parametrize("element", ["[],", '{"":0},'])
def test_a_short_text_of_many_nodes_runs_out_of_steps_before_it_is_parsed(element: str) -> None:
    workbench = Workbench(Meter(10_000))

    # What is not closed would be an error of the parser.
    with pytest.raises(OutOfStepsError):
        FUNCTIONS[FunctionName.JMES_PATH](workbench, (("[" + element * 5_000,), ("[0]",)))


@pytest.mark.parametrize(
    ("json", "values"),
    [
        ("100", (100,)),
        ("-5", (-5,)),
        ("true", (True,)),
        ('"abc"', ("abc",)),
        ('""', ("",)),
        ("null", ()),
        ("[]", ()),
        ("[7]", (7,)),
        ('[0, "abc", true]', (0, "abc", True)),
        ("[1, null, true, 1]", (1, True)),
        ("[null]", ()),
        (str(2**63 - 1), (2**63 - 1,)),
    ],
)
def test_json_becomes_values(json: str, values: Values) -> None:
    result = call("JsonToClaimValue", (json,))

    assert [(type(value), value) for value in result] == [(type(value), value) for value in values]


@pytest.mark.parametrize(
    "json", ["1.5", "1.0", "1e2", '{"a":1}', '[{"a":1}]', "[[1]]", "abc", "", str(2**63), "[1.5]"]
)
def test_json_that_no_claim_can_hold_is_refused(json: str) -> None:
    with pytest.raises(FunctionError):
        call("JsonToClaimValue", (json,))


def test_json_to_claim_value_of_nothing_is_nothing() -> None:
    assert call("JsonToClaimValue", ()) == ()

    with pytest.raises(FunctionError):
        call("JsonToClaimValue", ("1", "2"))
    with pytest.raises(FunctionError):
        call("JsonToClaimValue", (1,))


@pytest.mark.parametrize(
    ("left", "right", "result"),
    [
        (("abc", 100), (True, "abc", 100), True),
        (("abc", 1), (True, "abc"), False),
        ((), (), True),
        ((), (1,), True),
        ((1,), (), False),
        (("1",), (1,), False),
    ],
)
def test_a_subset_is_one_by_type_and_value(left: Values, right: Values, *, result: bool) -> None:
    assert call("IsSubsetOf", left, right) == (result,)


@pytest.mark.parametrize(
    ("values", "wanted", "result"),
    [
        ((5,), 5, True),
        ((5, 6), 5, False),
        ((), 5, False),
        ((True,), 1, False),
        ((0,), False, False),
    ],
)
def test_only_one_value_is_contained_or_not(values: Values, wanted: int, *, result: bool) -> None:
    assert call("ContainsOnlyValue", values, (wanted,)) == (result,)


def test_contains_only_value_needs_one_value_to_look_for() -> None:
    with pytest.raises(FunctionError, match="second argument, got 2"):
        call("ContainsOnlyValue", (1,), (1, 2))


def test_strings_are_appended() -> None:
    assert call("AppendString", ("a",), ("b",)) == ("ab",)
    assert call("AppendString", ("",), ("",)) == ("",)

    with pytest.raises(FunctionError, match="string as second argument, got 5"):
        call("AppendString", ("a",), (5,))
    longest = "a" * MAX_STRING_CHARACTERS
    assert call("AppendString", (longest,), ("",)) == (longest,)
    with pytest.raises(FunctionError, match="characters"):
        call("AppendString", (longest,), ("b",))


def test_booleans_are_negated() -> None:
    assert call("NegateBool", (True,)) == (False,)
    assert call("NegateBool", (False,)) == (True,)

    refused: list[Values] = [("true",), (1,), (), (True, False)]
    for values in refused:
        with pytest.raises(FunctionError):
            call("NegateBool", values)


def test_values_are_told_apart_by_type() -> None:
    assert distinct([1, True, "1", 1, True]) == (1, True, "1")
    assert typed((1,)) != typed((True,))


def test_integers_of_claims_have_64_bits() -> None:
    assert in_range(2**63 - 1)
    assert in_range(-(2**63))
    assert in_range("x")
    assert in_range(value=True)
    assert not in_range(2**63)
    assert not in_range(-(2**63) - 1)


LONG = "x" * 1_600


def cost(name: str, *arguments: Values) -> int:
    meter = Meter()
    FUNCTIONS[FunctionName(name)](Workbench(meter), arguments)
    return MAX_STEPS - meter.steps


@pytest.mark.parametrize(
    ("name", "arguments", "steps"),
    [
        # The document: itself, its characters, its structure.
        ("JsonToClaimValue", ((f'"{"X" * 30}"',),), 1 + 2 + 0 + 1),
        ("JsonToClaimValue", (("[1,2,3,4,5]",),), 1 + 0 + 5 + 5),
        # The query: itself and its characters; to run it; what it found.
        ("JmesPath", (("1",), ("@",)), 1 + (1 + 8) + 1 + 1),
        ("JmesPath", (('{"a":{"b":[1,2]}}',), ("a.b",)), (1 + 1 + 6) + (1 + 3 * 8) + 2 + 3),
        ("IsSubsetOf", ((1, 2), (1, 2, 3)), 5),
        ("AppendString", (("x" * 20,), ("y" * 30,)), 1 + 3),
        ("NegateBool", ((True,),), 0),
        ("ContainsOnlyValue", ((1, 2), (1,)), 2),
        # Strings that may have equals are compared to their ends.
        ("IsSubsetOf", ((LONG, "a"), (1, 2, 3)), 5 + 100),
        ("ContainsOnlyValue", ((1, 2), (LONG,)), 2 + 100),
        ("JsonToClaimValue", ((f'["{LONG}",1]',),), (1 + 100 + 2) + 2 + 100),
    ],
)
def test_work_is_counted_by_what_is_read_and_made(
    name: str, arguments: tuple[Values, ...], steps: int
) -> None:
    assert cost(name, *arguments) == steps


def test_a_query_of_the_policy_s_text_is_read_once_for_all_evaluations() -> None:
    kept: dict[str, Query | None] = {"a": None}
    first, second = Workbench(Meter(), kept), Workbench(Meter(), kept)

    query = first.query("a")

    assert kept == {"a": query}
    assert second.query("a") is query
    assert first.meter.steps == second.meter.steps == MAX_STEPS - 9
    assert first.query("b") is not second.query("b")
    assert kept == {"a": query}


def test_a_query_is_charged_once_an_evaluation() -> None:
    workbench = Workbench(Meter())

    query = workbench.query("abc")

    assert workbench.query("abc") is query
    assert workbench.meter.steps == MAX_STEPS - 25


def test_queries_are_paid_for_before_they_are_read() -> None:
    # Were it read first, it would be refused as no query.
    with pytest.raises(OutOfStepsError):
        Workbench(Meter(8 * 100)).query("[" * 100)


def test_an_evaluation_reads_no_more_than_some_fifteen_of_the_longest_queries() -> None:
    workbench = Workbench(Meter())
    longest = "a" * (MAX_QUERY_CHARACTERS - 2)

    for number in range(15):
        workbench.query(f"{longest}{number:02}")

    with pytest.raises(OutOfStepsError):
        workbench.query(f"{longest}xx")
