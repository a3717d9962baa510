from __future__ import annotations

import tracemalloc

import jmespath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.policy.meter import MAX_STRING_CHARACTERS, Meter, OutOfStepsError
from assay.policy.query import MAX_QUERY_CHARACTERS, Query
from assay.policy.query_functions import QueryError

EVENTS = {
    "Events": [
        {"EventSeq": 1, "PcrIndex": 13, "Name": "WdBoot.SYS"},
        {"EventSeq": 2, "PcrIndex": 12, "Name": None},
        {"EventSeq": 3, "PcrIndex": 13, "Name": "other"},
    ]
}


def run(query: str, document: object = None) -> str:
    return Query(query).run(document, Meter(50_000))


@pytest.mark.parametrize(
    ("query", "result"),
    [
        ("Events[?PcrIndex == `13`].EventSeq", "[1,3]"),
        ("Events[?PcrIndex == '13'].EventSeq", "[]"),
        ("Events[?PcrIndex > `12`] | length(@) == `2` && @[0].EventSeq", "1"),
        ("Events[-1].Name", '"other"'),
        ("Events[*].Name | [0]", '"WdBoot.SYS"'),
        ("Events[].{a: EventSeq, b: PcrIndex} | [1]", '{"a":2,"b":12}'),
        ("Events[?equals_ignore_case(not_null(Name, ''), 'wdboot.sys')].EventSeq", "[1]"),
        ("Events[:2].EventSeq", "[1,2]"),
        ("[Events[0].EventSeq, Events[1].EventSeq]", "[1,2]"),
        ("Missing", "null"),
        ("Missing[:2]", "null"),
        ("Missing[]", "null"),
        ("Missing.[a]", "null"),
        ("Events[0].Name < `5`", "null"),
        ("'b' > 'a'", "null"),
        ("Events != null", "true"),
        ("`true`", "true"),
        ("true", "null"),
        ('`"\\`"`', '"`"'),
        ("sort_by(Events, &PcrIndex)[0].EventSeq", "2"),
    ],
)
def test_queries_find_what_the_specification_says(query: str, result: str) -> None:
    assert run(query, EVENTS) == result


def test_text_that_is_not_ascii_stays_as_it_is() -> None:
    assert run("a", {"a": "é\n"}) == '"é\\n"'


@pytest.mark.parametrize(
    ("query", "result"),
    [
        ("`1` == `true`", "false"),
        ("`0` == `false`", "false"),
        ("`[1]` == `[true]`", "false"),
        ("`1` == `1.0`", "true"),
        ('`{"a":[1]}` == `{"a":[1]}`', "true"),
        ('`{"a":1}` == `{"b":1}`', "false"),
        ('`{"a":1}` == `[1]`', "false"),
        ('`{"a":1}` == `{"a":true}`', "false"),
        ("`[1]` == `[1,2]`", "false"),
        ("`[1,2]` == `[1,3]`", "false"),
        ("`[3,2]` == `[1,2]`", "false"),
        ('`{"a":1,"b":2}` == `{"a":1,"b":3}`', "false"),
        ('`{"a":3,"b":2}` == `{"a":1,"b":2}`', "false"),
        ("`[1]` == `1`", "false"),
        ("`1` != `true`", "true"),
        ("`true` < `2`", "null"),
        ("contains(`[1]`, `true`)", "false"),
        ("contains(`[[1]]`, `[1]`)", "true"),
        ("contains('abc', 'b')", "true"),
        ("contains('abc', 'd')", "false"),
        ("contains(`[1,2]`, `1`)", "true"),
        ("contains(`[1,2]`, `3`)", "false"),
        ("contains('1', `1`)", "false"),
    ],
)
def test_values_of_different_types_are_different(query: str, result: str) -> None:
    assert run(query) == result


@pytest.mark.parametrize(
    ("query", "result"),
    [
        ("equals_ignore_case('aZ', 'Az')", "true"),
        ("equals_ignore_case('a', 'b')", "false"),
        ("equals_ignore_case('[', '{')", "false"),
        ("equals_ignore_case('@', '`')", "false"),
        ("equals_ignore_case('AZ', 'az')", "true"),
        ("equals_ignore_case('k', '\u212a')", "false"),
        ("equals_ignore_case('ß', 'SS')", "false"),
        ("to_number('12')", "12"),
        ("to_number('-1.5e1')", "-15.0"),
        *[("to_number('1E2')", "100.0"), ("to_number('1e+2')", "100.0")],
        *[("to_number('1e-2')", "0.01"), ("to_number('0')", "0"), ("to_number('-7')", "-7")],
        *[(f"to_number('{'9' * 19}')", "9" * 19), (f"to_number('{'9' * 20}')", "null")],
        *[("to_number('01')", "null"), ("to_number('')", "null"), ("to_number('-')", "null")],
        *[("to_number('1.')", "null"), ("to_number('.5')", "null"), ("to_number('+1')", "null")],
        (f"to_number('0.{'0' * 29}1')", "1e-30"),
        (f"to_number('0.{'0' * 30}1')", "null"),
        *[("to_number('1e99') > `1e98`", "true"), ("to_number('1e100')", "null")],
        ("to_number('0x1')", "null"),
        ("to_number('\uff11')", "null"),
        ("to_number('nan')", "null"),
        ("to_number('1e999')", "null"),
        ("to_number(`true`)", "null"),
        ("to_number(`5`)", "5"),
        ("to_string('a')", '"a"'),
        ('to_string(`{"é":1}`)', '"{\\"é\\":1}"'),
    ],
)
def test_functions_are_exact(query: str, result: str) -> None:
    assert run(query) == result


@pytest.mark.parametrize(
    "query",
    [
        "[?a == 20]",
        "a ==",
        "a[",
        "`abc`",
        "`{a}`",
        "`NaN`",
        "`a\\\nb`",
        "`" + "[" * 100 + "]" * 100 + "`",
        "a" * (MAX_QUERY_CHARACTERS + 1),
        "!" * 5_000 + "a",
        "a" + " | a" * 300,
        "[" * 500,
        "a[" + "9" * 5_000 + "]",
        "\x00",
        "\ud800",
    ],
)
def test_what_is_no_query_is_refused(query: str) -> None:
    with pytest.raises(QueryError):
        Query(query)


@pytest.mark.parametrize(
    ("query", "result"),
    [
        ("'`x`'", '"`x`"'),
        ("'\\'`x`'", '"\'`x`"'),
        ("'\\\n`x`'", '"\\\\\\n`x`"'),
        ('"`x`"', "1"),
        ('"\\"`x`"', "2"),
    ],
)
def test_backquotes_inside_other_quotes_hold_no_literal(query: str, result: str) -> None:
    assert run(query, {"`x`": 1, '"`x`': 2}) == result


def test_a_literal_is_checked_as_it_will_be_read() -> None:
    # JSON has two ways to write a backquote here, and a name stands only once.
    assert run('`{"\\`": 1, "x\\u0060": 2}`') == '{"`":1,"x`":2}'
    with pytest.raises(QueryError, match="not a JMESPath query"):
        Query('`{"\\`": 1, "\\u0060": 2}`')


@pytest.mark.parametrize(
    "query",
    [
        "nothing(@)",
        "length(`1`)",
        "equals_ignore_case('a')",
        "equals_ignore_case(`1`, 'a')",
        "equals_ignore_case('a', `null`)",
        """contains(`{"a":1}`, 'a')""",
        "contains(`null`, 'a')",
        "&a",
        "to_string(&a)",
        "`[1]`[::0]",
        'sum(`["a"]`)',
        'sort_by(`[{"a":1},{"a":"b"}]`, &a)',
        "max_by(`[{}]`, &a)",
        "ceil(sum(`[1e308,1e308]`))",
        "join(',', `[1]`)",
    ],
)
def test_a_function_that_refuses_its_argument_fails_the_query(query: str) -> None:
    with pytest.raises(QueryError, match="the query failed"):
        run(query)


@pytest.mark.parametrize(
    "query",
    [
        "@" + " | [@,@]" * 60,
        "@" + " | {a: @, b: @}" * 60,
        "@" + " | [@,@][]" * 60,
        "'aaaaaaaaaaaaaaaa'" + " | join('', [@,@])" * 60,
        "`[1]`" + " | map(&[@,@,@,@], @) | []" * 40,
        "`[1]`" + " | [@,@][] | [@,@][] | [?to_string(@) == to_string(@)]" * 40,
    ],
)
def test_a_query_that_grows_without_end_runs_out_of_steps(query: str) -> None:
    with pytest.raises(OutOfStepsError):
        Query(query).run("x", Meter(50_000))


SHARED_NAME = {"k" * 65_536: 1}
BOMB = "[" + ",".join("@" * 80) + "]"


@pytest.mark.parametrize(
    ("query", "document", "steps"),
    [
        (f"{BOMB}", SHARED_NAME, 80 * 4_096),
        (f"to_string({BOMB})", SHARED_NAME, 80 * 4_096),
        ("[*].{" + "k" * 10_000 + ":@}", [1] * 2_000, 2_000 * 625),
        ("[?@ == @] | `0`", [SHARED_NAME] * 100, 100 * 4_096),
        ("[?contains([@], @)] | `0`", [SHARED_NAME] * 100, 100 * 4_096),
    ],
)
def test_long_names_are_charged_wherever_they_are_written_or_compared(
    query: str, document: object, steps: int
) -> None:
    with pytest.raises(OutOfStepsError):
        Query(query).run(document, Meter(steps))


@pytest.mark.parametrize("query", ["{q}", "to_string({q})", "length(to_string({q}))"])
@pytest.mark.parametrize(
    "document", [SHARED_NAME, "x" * 65_536, {f"{name:064}": 0 for name in range(1_024)}]
)
def test_a_text_that_would_be_longer_than_any_string_is_not_written(
    query: str, document: object
) -> None:
    program = Query(query.format(q=BOMB))
    tracemalloc.start()

    with pytest.raises(QueryError, match="strings have at most 4194304 characters"):
        program.run(document, Meter())

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MAX_STRING_CHARACTERS


class Unreadable(dict[str, object]):
    def __repr__(self) -> str:
        pytest.fail("the argument was written out")


def test_an_error_does_not_write_out_a_large_argument() -> None:
    argument = Unreadable(SHARED_NAME)

    with pytest.raises(QueryError, match="too large to be shown") as caught:
        # Lists are looked through for what they should hold.
        Query("sum(@)").run([argument], Meter())
    assert "k" * 100 not in str(caught.value)
    assert "k" * 100 not in str(caught.value.__cause__)

    with pytest.raises(QueryError, match=r"value: \{'a': 1\}, expected one of: \['number'\]"):
        Query("abs(@)").run({"a": 1}, Meter())


def test_a_list_of_a_hundred_alternatives_is_not_too_deep() -> None:
    query = "Events[?" + " || ".join(f"Name == 'd{index}.sys'" for index in range(150)) + "]"

    assert run(query, EVENTS) == "[]"


def test_strings_are_not_joined_beyond_the_longest_string() -> None:
    half = "x" * 2_097_152

    joined = Query('length(join(@, `["","",""]`))').run(half, Meter())
    assert joined == "4194304"
    with pytest.raises(QueryError, match=r"join\(\) makes at most 4194304 characters"):
        Query('join(@, `["","","",""]`)').run(half, Meter())


def test_a_query_has_at_most_so_many_characters_and_levels() -> None:
    assert run("a" * MAX_QUERY_CHARACTERS) == "null"
    assert run("a" + " | a" * 199) == "null"
    with pytest.raises(QueryError, match="at most 200 levels"):
        Query("a" + " | a" * 200)


def test_the_library_s_memory_of_trees_is_not_used() -> None:
    kept = jmespath.compile("kept")

    # It remembers the last 512.
    for number in range(600):
        assert run(f"a{number}", {f"a{number}": 1}) == "1"

    assert jmespath.compile("kept") is kept


def test_slices_are_charged_for() -> None:
    meter = Meter()
    before = meter.steps

    Query("[:]").run([0] * 1_000, meter)

    assert before - meter.steps > 2_000


LEAVES = (
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-5, 5) | st.text("ab", max_size=3)
)
JSON = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=8,
)
PIECES = st.sampled_from(
    [
        *[
            "a",
            "b",
            "@",
            "*",
            "[*]",
            "[]",
            "[0]",
            "[-1]",
            "[1:]",
            ".",
            " | ",
            "&&",
            "||",
            "!",
            "==",
        ],
        *[
            "<",
            "[?",
            "]",
            "(",
            ")",
            ",",
            "&",
            "`1`",
            "`[1,2]`",
            "'a'",
            '"a"',
            "{a: ",
            "}",
            "[",
            ":",
        ],
        *["length(", "sort_by(", "map(", "to_number(", "merge(", "max_by(", "not_null(", "values("],
        *["ceil(", "avg(", "sum(", "join('', ", "reverse(", "keys(", "contains(", "to_string("],
    ]
)


@given(st.lists(PIECES, max_size=12).map("".join), JSON)
def test_any_query_over_any_document_gives_json_or_an_error(query: str, document: object) -> None:
    try:
        result = run(query, document)
    except (QueryError, OutOfStepsError):
        return
    assert Query("@").run(None, Meter()) == "null"
    assert result == run(query, document)


@pytest.mark.parametrize("quote", ["'", '"', "`"])
@pytest.mark.timeout(10)  # quadratic work would take minutes
def test_a_long_text_that_nothing_closes_is_refused_at_once(quote: str) -> None:
    query = quote + ("\\" + quote) * ((MAX_QUERY_CHARACTERS - 1) // 2)

    with pytest.raises(QueryError):
        Query(query)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a[", "Incomplete expression"),
        ("'a", "Unclosed ' delimiter"),
        ("", "cannot be empty."),
        ("[?a = `1`]", "equality is written `==`"),
        ("[?a == 1]", "invalid token at character 8; numbers stand in backquotes"),
        ("a.b c", "Unexpected token: c at character 5"),
        ("`{`", "the literal in backquotes: not valid JSON: Input data was truncated"),
    ],
)
def test_a_text_that_is_no_query_is_told_why(text: str, complaint: str) -> None:
    with pytest.raises(QueryError) as refused:
        Query(text)

    assert str(refused.value) == f"this is not a JMESPath query: {complaint}"
