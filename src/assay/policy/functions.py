"""The six functions of version 1.2.

Arguments and results are sets of values; a function that needs one value takes a set of one.

Source: MAA policy language 1.2, section 7.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from assay.claims import ClaimValue
from assay.encoding import EncodingError, JsonValue, json_type, parse_json
from assay.policy.meter import (
    CHARACTERS_A_STEP,
    MAX_STRING_CHARACTERS,
    STEPS_A_QUERY_CHARACTER,
    Meter,
)
from assay.policy.query import Query
from assay.policy.query_functions import QueryError
from assay.policy.syntax import FunctionName

Values: TypeAlias = tuple[ClaimValue, ...]
"""Distinct values in the order in which they came."""

MIN_INTEGER: Final = -(2**63)
MAX_INTEGER: Final = 2**63 - 1


class FunctionError(Exception):
    """A function refused its argument; becomes a `PolicyEvaluationError` at the call."""


class Workbench:
    """What the functions of one evaluation share: documents and queries parsed so far.

    Queries that stand in the policy's text are under `kept`, and are read once for all evaluations.
    """

    __slots__ = ("_documents", "_kept", "_queries", "meter")

    def __init__(self, meter: Meter, kept: dict[str, Query | None] | None = None) -> None:
        self.meter = meter
        self._kept = {} if kept is None else kept
        self._documents: dict[str, tuple[str, JsonValue]] = {}
        """Each with the text that it was read from."""
        self._queries: dict[str, Query] = {}

    def document(self, text: str) -> JsonValue:
        """The JSON value of `text`.

        Raises:
            FunctionError: It is not strict JSON.
        """
        found = self._documents.get(text)
        if found is None:
            # Before it is parsed: a short text can make a large tree.
            self.meter.spend(1 + len(text) // CHARACTERS_A_STEP + sum(map(text.count, "[{,:")))
            try:
                document = parse_json(text.encode(), "JSON is expected as argument")
            except EncodingError as error:
                raise FunctionError(str(error)) from error
            except UnicodeEncodeError as error:
                raise FunctionError(f"JSON is expected as argument: {error}") from error
            self._documents[text] = (text, document)
            return document
        known, document = found
        # The same object is found without a look at its characters.
        if known is not text:
            self.meter.compare((text,))
        return document

    def query(self, text: str) -> Query:
        """The query of `text`.

        Raises:
            FunctionError: It is not JMESPath.
        """
        query = self._queries.get(text)
        if query is None:
            # Whether another evaluation has read it or not: the count must not depend on that.
            self.meter.spend(1 + len(text) * STEPS_A_QUERY_CHARACTER)
            query = self._queries[text] = self._kept.get(text) or self._read(text)
        return query

    def _read(self, text: str) -> Query:
        try:
            query = Query(text)
        except QueryError as error:
            raise FunctionError(str(error)) from error
        if text in self._kept:
            self._kept[text] = query
        return query


Function: TypeAlias = Callable[[Workbench, tuple[Values, ...]], Values]


def jmes_path(workbench: Workbench, arguments: tuple[Values, ...]) -> Values:
    """JmesPath(json, query): the result as compact JSON text.

    Raises:
        FunctionError: Not one string each, empty, not JSON, not JMESPath, or the query failed.
    """
    text = _nonempty(_string(arguments[0], "JmesPath", "JSON"), "JSON")
    query = workbench.query(_nonempty(_string(arguments[1], "JmesPath", "query"), "query"))
    try:
        return (_bounded(query.run(workbench.document(text), workbench.meter)),)
    except QueryError as error:
        raise FunctionError(str(error)) from error


def json_to_claim_value(workbench: Workbench, arguments: tuple[Values, ...]) -> Values:
    """JsonToClaimValue(json): the value, one for each element of an array, none for null.

    An empty set gives an empty set: a query that found nothing may be passed on.

    Raises:
        FunctionError: Not one string, not JSON, or JSON that no claim can hold.
    """
    if not arguments[0]:
        return ()
    value = workbench.document(_string(arguments[0], "JsonToClaimValue", "argument"))
    elements = value if isinstance(value, list) else [value]
    workbench.meter.spend(len(elements))
    if len(elements) > 1:
        workbench.meter.compare(elements)
    return distinct([_claim_value(element) for element in elements if element is not None])


def is_subset_of(workbench: Workbench, arguments: tuple[Values, ...]) -> Values:
    """IsSubsetOf(a, b): whether every value of a is in b, by type and value."""
    workbench.meter.spend(len(arguments[0]) + len(arguments[1]))
    workbench.meter.compare(arguments[0])
    return (typed(arguments[0]) <= typed(arguments[1]),)


def append_string(workbench: Workbench, arguments: tuple[Values, ...]) -> Values:
    """AppendString(a, b): a followed by b.

    Raises:
        FunctionError: Not one string each, or the result is too long.
    """
    left = _string(arguments[0], "AppendString", "first argument")
    right = _string(arguments[1], "AppendString", "second argument")
    workbench.meter.spend(1 + (len(left) + len(right)) // CHARACTERS_A_STEP)
    return (_bounded(left + right),)


def negate_bool(_: Workbench, arguments: tuple[Values, ...]) -> Values:
    """NegateBool(b): the other Boolean.

    Raises:
        FunctionError: Not one Boolean.
    """
    value = _single(arguments[0], "NegateBool", "argument")
    if not isinstance(value, bool):
        raise FunctionError(f"NegateBool expects one Boolean, got {_described(value)}")
    return (not value,)


def contains_only_value(workbench: Workbench, arguments: tuple[Values, ...]) -> Values:
    """ContainsOnlyValue(s, v): whether s has values and all are v; false for the empty set.

    Raises:
        FunctionError: v is not one value.
    """
    wanted = _single(arguments[1], "ContainsOnlyValue", "second argument")
    workbench.meter.spend(len(arguments[0]))
    workbench.meter.compare((wanted,))
    return (typed(arguments[0]) == typed((wanted,)),)


FUNCTIONS: Final[dict[FunctionName, Function]] = {
    FunctionName.JMES_PATH: jmes_path,
    FunctionName.JSON_TO_CLAIM_VALUE: json_to_claim_value,
    FunctionName.IS_SUBSET_OF: is_subset_of,
    FunctionName.APPEND_STRING: append_string,
    FunctionName.NEGATE_BOOL: negate_bool,
    FunctionName.CONTAINS_ONLY_VALUE: contains_only_value,
}

CLEARING: Final = frozenset({FunctionName.IS_SUBSET_OF, FunctionName.CONTAINS_ONLY_VALUE})
"""Functions whose result may be issued even where an argument may not."""


def typed(values: Values) -> frozenset[tuple[type, ClaimValue]]:
    """The values with their types: `True == 1` in Python, not here."""
    return frozenset((value.__class__, value) for value in values)


def distinct(values: list[ClaimValue]) -> Values:
    """The values in order, equal ones once."""
    return tuple({(value.__class__, value): value for value in values}.values())


def in_range(value: ClaimValue) -> bool:
    """Whether a claim can have the value: integers have 64 bits with sign."""
    return isinstance(value, str) or MIN_INTEGER <= value <= MAX_INTEGER


def _claim_value(value: JsonValue) -> ClaimValue:
    if isinstance(value, str | int):
        if in_range(value):
            return value
        raise FunctionError(f"JsonToClaimValue expects integers of 64 bits, got {value}")
    if isinstance(value, float):
        raise FunctionError(f"JsonToClaimValue expects integers, got {value}")
    raise FunctionError(
        f"JsonToClaimValue expects strings, integers, Booleans or an array of them, "
        f"got {json_type(value)}"
    )


def _single(values: Values, function: str, argument: str) -> ClaimValue:
    if len(values) != 1:
        raise FunctionError(f"{function} expects one value as {argument}, got {len(values)}")
    return values[0]


def _string(values: Values, function: str, argument: str) -> str:
    value = _single(values, function, argument)
    if not isinstance(value, str):
        raise FunctionError(f"{function} expects a string as {argument}, got {_described(value)}")
    return value


def _nonempty(text: str, argument: str) -> str:
    if not text:
        raise FunctionError(f"JmesPath expects a {argument} that is not empty")
    return text


def _bounded(text: str) -> str:
    if len(text) > MAX_STRING_CHARACTERS:
        raise FunctionError(f"strings have at most {MAX_STRING_CHARACTERS} characters")
    return text


def _described(value: ClaimValue) -> str:
    return "a string" if isinstance(value, str) else str(value).lower()
