"""A query's tree as closures: published policies run dozens of queries over each boot log.

Work is charged before it is done. What runs once a query is charged with the query; what runs
for each element of a list, when the list is there. So the count does not depend on where an `&&`
stops.

Source: JMESPath specification.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from jmespath.visitor import _Expression

from assay.policy.meter import CHARACTERS_A_STEP, Meter
from assay.policy.query_functions import QueryFunctions, check_text, is_number, same

_Step: TypeAlias = Callable[[Any, Meter], Any]
_Node: TypeAlias = dict[str, Any]

_WHOLE: Final = 1_000
_DEEP_FUNCTIONS: Final = frozenset({"contains", "to_string"})
_FUNCTIONS: Final = QueryFunctions()
_SIZED: Final[frozenset[type]] = frozenset({str, list, dict})
_PLAIN: Final = frozenset({str, bool, int, float, type(None)})
_NESTED: Final = frozenset({list, dict})
_ALTERNATIVES: Final = frozenset({"or_expression"})
_CONJUNCTIONS: Final = frozenset({"and_expression"})
_CHAINS: Final = frozenset({"subexpression", "index_expression", "pipe"})
_ORDERINGS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
}


@dataclass(frozen=True, slots=True)
class QueryProgram:
    """A query or a part of one."""

    step: _Step
    weight: int
    """Steps to charge each time it runs."""

    names: tuple[str, ...] = ()
    """For a chain of fields, their names."""

    def run(self, document: Any, meter: Meter) -> Any:  # noqa: ANN401  any JSON value
        """The result over `document`.

        Raises:
            QueryError: A function refused its argument.
            OutOfStepsError: It would take too much work.
        """
        meter.spend(self.weight)
        return self.step(document, meter)


def compile_query(node: _Node) -> QueryProgram:
    """The program of a tree of the library's parser."""
    return _BUILDERS[node["type"]](node)


def is_false(value: Any) -> bool:  # noqa: ANN401  any JSON value
    """Whether a value counts as false: null, false, and what is empty; zero does not."""
    if value is None or value is False:
        return True
    return value.__class__ in _SIZED and not value


def _children(node: _Node) -> list[QueryProgram]:
    return [compile_query(child) for child in node["children"]]


def _operands(node: _Node, kinds: frozenset[str]) -> list[QueryProgram]:
    """Those of a chain of operators, which the parser nests on the left: `a || b || c`."""
    first, *others = node["children"]
    before = _operands(first, kinds) if first["type"] in kinds else [compile_query(first)]
    return before + [compile_query(other) for other in others]


def _weight(parts: list[QueryProgram]) -> int:
    return 1 + sum(part.weight for part in parts)


# --- values ---


def _current(_node: _Node) -> QueryProgram:
    return QueryProgram(lambda value, _meter: value, 1)


def _literal(node: _Node) -> QueryProgram:
    constant = node["value"]
    return QueryProgram(lambda _value, _meter: constant, 1)


def _field(node: _Node) -> QueryProgram:
    name = node["value"]

    def step(value: Any, _meter: Meter) -> Any:  # noqa: ANN401  any JSON value
        return value.get(name) if value.__class__ is dict else None

    return QueryProgram(step, 1, (name,))


def _fields(names: tuple[str, ...]) -> QueryProgram:
    def step(value: Any, _meter: Meter) -> Any:  # noqa: ANN401  any JSON value
        for name in names:
            if value.__class__ is not dict:
                return None
            value = value.get(name)
        return value

    return QueryProgram(step, len(names), names)


def _chain(node: _Node) -> QueryProgram:
    """Each part over the result of the part before: `a.b`, `a | b`, `a[0]`."""
    parts = _operands(node, _CHAINS)
    if all(part.names for part in parts):
        return _fields(tuple(name for part in parts for name in part.names))
    steps = [part.step for part in parts]

    def step(value: Any, meter: Meter) -> Any:  # noqa: ANN401  any JSON value
        for part in steps:
            value = part(value, meter)
        return value

    return QueryProgram(step, _weight(parts))


def _index(node: _Node) -> QueryProgram:
    index = node["value"]

    def step(value: Any, _meter: Meter) -> Any:  # noqa: ANN401  any JSON value
        if value.__class__ is not list or not -len(value) <= index < len(value):
            return None
        return value[index]

    return QueryProgram(step, 1)


def _slice(node: _Node) -> QueryProgram:
    bounds = slice(*node["children"])

    def step(value: Any, meter: Meter) -> Any:  # noqa: ANN401  any JSON value
        if value.__class__ is not list:
            return None
        meter.spend(len(value))
        return value[bounds]

    return QueryProgram(step, 1)


# --- truth ---


def _or(node: _Node) -> QueryProgram:
    parts = _operands(node, _ALTERNATIVES)
    steps = [part.step for part in parts]

    def step(value: Any, meter: Meter) -> Any:  # noqa: ANN401  any JSON value
        result = None
        for part in steps:
            result = part(value, meter)
            # Most results are Booleans, and a call costs more than all of this.
            if result is not False and not is_false(result):
                break
        return result

    return QueryProgram(step, _weight(parts))


def _and(node: _Node) -> QueryProgram:
    parts = _operands(node, _CONJUNCTIONS)
    steps = [part.step for part in parts]

    def step(value: Any, meter: Meter) -> Any:  # noqa: ANN401  any JSON value
        result = None
        for part in steps:
            result = part(value, meter)
            if result is not True and is_false(result):
                break
        return result

    return QueryProgram(step, _weight(parts))


def _not(node: _Node) -> QueryProgram:
    (part,) = _children(node)
    inner = part.step
    return QueryProgram(lambda value, meter: is_false(inner(value, meter)), 1 + part.weight)


def _comparator(node: _Node) -> QueryProgram:
    parts = _children(node)
    left, right = (part.step for part in parts)
    name = node["value"]
    if name in _ORDERINGS:
        return QueryProgram(_ordering(left, right, _ORDERINGS[name]), _weight(parts))
    wanted = name == "eq"
    constant = node["children"][1]
    if constant["type"] == "literal" and constant["value"].__class__ in _PLAIN:
        return QueryProgram(_equal_to(left, constant["value"], wanted=wanted), _weight(parts))

    def step(value: Any, meter: Meter) -> bool:  # noqa: ANN401  any JSON value
        return _equal(left(value, meter), right(value, meter), meter) is wanted

    return QueryProgram(step, _weight(parts))


def _equal_to(left: _Step, constant: object, *, wanted: bool) -> _Step:
    # What most conditions in published queries are. The query's own text bounds the comparison.
    kind = constant.__class__

    def of_its_class(value: Any, meter: Meter) -> bool:  # noqa: ANN401  any JSON value
        result = left(value, meter)
        return (result.__class__ is kind and result == constant) is wanted

    def numeric(value: Any, meter: Meter) -> bool:  # noqa: ANN401  any JSON value
        result = left(value, meter)
        return (result == constant and result.__class__ is not bool) is wanted

    return numeric if is_number(constant) else of_its_class


def _ordering(left: _Step, right: _Step, compare: Callable[[Any, Any], bool]) -> _Step:
    def step(value: Any, meter: Meter) -> bool | None:  # noqa: ANN401  any JSON value
        first, second = left(value, meter), right(value, meter)
        return compare(first, second) if is_number(first) and is_number(second) else None

    return step


def _equal(left: Any, right: Any, meter: Meter) -> bool:  # noqa: ANN401  any JSON value
    kind = left.__class__
    if kind in _NESTED:
        meter.weigh(left)
        return same(left, right)
    if kind is str:
        meter.spend(len(left) // CHARACTERS_A_STEP)
    # `True == 1` in Python.
    return (kind is bool) is (right.__class__ is bool) and left == right


# --- lists ---


def _projection(node: _Node) -> QueryProgram:
    base, body = _children(node)
    source, step_of, weight = base.step, body.step, body.weight

    def step(value: Any, meter: Meter) -> Any:  # noqa: ANN401  any JSON value
        elements = source(value, meter)
        if elements.__class__ is not list:
            return None
        meter.spend(len(elements) * weight)
        results = [step_of(element, meter) for element in elements]
        return [result for result in results if result is not None]

    return QueryProgram(step, 1 + base.weight)


def _value_projection(node: _Node) -> QueryProgram:
    base, body = _children(node)
    source, step_of, weight = base.step, body.step, body.weight

    def step(value: Any, meter: Meter) -> Any:  # noqa: ANN401  any JSON value
        members = source(value, meter)
        if members.__class__ is not dict:
            return None
        meter.spend(len(members) * weight)
        results = [step_of(element, meter) for element in members.values()]
        return [result for result in results if result is not None]

    return QueryProgram(step, 1 + base.weight)


def _filter_projection(node: _Node) -> QueryProgram:
    base, body, condition = _children(node)
    source, step_of, holds = base.step, body.step, condition.step
    weight = body.weight + condition.weight

    def step(value: Any, meter: Meter) -> Any:  # noqa: ANN401  any JSON value
        elements = source(value, meter)
        if elements.__class__ is not list:
            return None
        meter.spend(len(elements) * weight)
        results = [
            step_of(element, meter)
            for element in elements
            if (held := holds(element, meter)) is not False and not is_false(held)
        ]
        return [result for result in results if result is not None]

    return QueryProgram(step, 1 + base.weight)


def _flatten(node: _Node) -> QueryProgram:
    (base,) = _children(node)
    source = base.step

    def step(value: Any, meter: Meter) -> Any:  # noqa: ANN401  any JSON value
        elements = source(value, meter)
        if elements.__class__ is not list:
            return None
        meter.spend(sum(len(item) if item.__class__ is list else 1 for item in elements))
        flat: list[Any] = []
        for item in elements:
            if item.__class__ is list:
                flat.extend(item)
            else:
                flat.append(item)
        return flat

    return QueryProgram(step, 1 + base.weight)


# A list that holds the same part several times is small in memory and large in text. Each level
# is weighed when it is made, so that no chain of levels goes far.


def _multi_select_list(node: _Node) -> QueryProgram:
    parts = _children(node)
    steps = [part.step for part in parts]

    def step(value: Any, meter: Meter) -> Any:  # noqa: ANN401  any JSON value
        if value is None:
            return None
        made = [part(value, meter) for part in steps]
        meter.weigh(made, _WHOLE)
        return made

    return QueryProgram(step, _weight(parts))


def _multi_select_dict(node: _Node) -> QueryProgram:
    parts = [compile_query(pair["children"][0]) for pair in node["children"]]
    names = [pair["value"] for pair in node["children"]]
    steps = [part.step for part in parts]

    def step(value: Any, meter: Meter) -> Any:  # noqa: ANN401  any JSON value
        if value is None:
            return None
        made = {name: part(value, meter) for name, part in zip(names, steps, strict=True)}
        meter.weigh(made, _WHOLE)
        return made

    return QueryProgram(step, _weight(parts))


# --- functions ---


def _function(node: _Node) -> QueryProgram:
    name = node["value"]
    parts = _children(node)
    steps = [part.step for part in parts]
    depth = _WHOLE if name in _DEEP_FUNCTIONS else 1
    writes = name == "to_string"

    def step(value: Any, meter: Meter) -> Any:  # noqa: ANN401  any JSON value
        arguments = [part(value, meter) for part in steps]
        for argument in arguments:
            least = meter.weigh(argument, depth)
            if writes:
                check_text(least)
        result = _FUNCTIONS.call_function(name, arguments)
        if result.__class__ is str:
            meter.spend(len(result) // CHARACTERS_A_STEP)
        return result

    return QueryProgram(step, _weight(parts))


def _expression_reference(node: _Node) -> QueryProgram:
    (body,) = _children(node)
    # The library's functions call it back for each element, and know it by its class.
    return QueryProgram(lambda _value, meter: _Expression(body, _Caller(meter)), 1)


@dataclass(frozen=True, slots=True)
class _Caller:
    meter: Meter

    def visit(self, program: QueryProgram, value: Any) -> Any:  # noqa: ANN401  any JSON value
        """What an expression gives for one element."""
        return program.run(value, self.meter)


_BUILDERS: Final[dict[str, Callable[[_Node], QueryProgram]]] = {
    "and_expression": _and,
    "comparator": _comparator,
    "current": _current,
    "expref": _expression_reference,
    "field": _field,
    "filter_projection": _filter_projection,
    "flatten": _flatten,
    "function_expression": _function,
    "identity": _current,
    "index": _index,
    "index_expression": _chain,
    "literal": _literal,
    "multi_select_dict": _multi_select_dict,
    "multi_select_list": _multi_select_list,
    "not_expression": _not,
    "or_expression": _or,
    "pipe": _chain,
    "projection": _projection,
    "slice": _slice,
    "subexpression": _chain,
    "value_projection": _value_projection,
}
