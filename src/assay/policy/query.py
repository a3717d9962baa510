"""JMESPath as policies use it: the standard, one more function, and bounds.

Where the library is laxer than the specification, the specification holds: numbers never equal
Booleans, only numbers are ordered, literals in backquotes are JSON.

Source: JMESPath specification; MAA policy language 1.2, section 7.1 for `equals_ignore_case`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions
from jmespath.functions import signature as _untyped_signature
from jmespath.visitor import Options, TreeInterpreter

from assay.encoding import EncodingError, encode_json, parse_json
from assay.policy.meter import CHARACTERS_A_STEP, MAX_STRING_CHARACTERS, Meter

MAX_QUERY_CHARACTERS: Final = 16_384
"""Published queries have a few hundred characters."""

_MAX_DEPTH: Final = 200
"""A chain of `||` has a level for each alternative, and lists of drivers are long. Deeper
trees would run into the interpreter's own limit, whose place depends on the caller."""

_QUOTED: Final = re.compile(
    r"""'(?:[^'\\]|\\.)*+(?:'|\\?\Z)"""
    r"""|"(?:[^"\\]|\\.)*+(?:"|\\?\Z)"""
    r"""|`(?P<literal>(?:[^`\\]|\\.)*+)(?:`|\\?\Z)""",
    re.DOTALL,
)
"""What nothing closes runs to the end: else each quote inside would start its own search."""

_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,18})(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,2})?")
_UPPER: Final = str.maketrans(
    {chr(letter): chr(letter + 32) for letter in range(ord("A"), ord("Z") + 1)}
)
_DEEP_FUNCTIONS: Final = frozenset({"contains", "to_string"})
_WHOLE: Final = 1_000

_Method = TypeVar("_Method", bound=Callable[..., Any])
_signature = cast("Callable[..., Callable[[_Method], _Method]]", _untyped_signature)

# What the library lets through for arguments of the wrong kind, besides its own errors.
_LIBRARY_ERRORS: Final = (
    JMESPathError,
    EncodingError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


class QueryError(Exception):
    """The query is not JMESPath, or refused its input."""


class Query:
    """A query, parsed once."""

    __slots__ = ("_tree",)

    def __init__(self, text: str) -> None:
        """Parse `text`.

        Raises:
            QueryError: It is too long, too deep, or not JMESPath.
        """
        if len(text) > MAX_QUERY_CHARACTERS:
            raise QueryError(f"a query of at most {MAX_QUERY_CHARACTERS} characters is expected")
        try:
            _check_literals(text)
            parsed: Any = jmespath.compile(text)
            _check_depth(parsed.parsed)
        except _LIBRARY_ERRORS as error:
            raise QueryError(f"this is not a JMESPath query: {_first_line(error)}") from error
        self._tree: dict[str, Any] = parsed.parsed

    def run(self, document: object, meter: Meter) -> str:
        """The result over `document` as compact JSON text; `null` where nothing is found.

        Raises:
            QueryError: A function refused its argument, or the result is not JSON.
            OutOfStepsError: It would take too much work.
        """
        try:
            result = _Interpreter(meter).visit(self._tree, document)
            meter.weigh(result)
            return encode_json(result).decode()
        except _LIBRARY_ERRORS as error:
            raise QueryError(f"the query failed: {_first_line(error)}") from error


class _Functions(Functions):  # type: ignore[misc]  # the library has no types
    @_signature({"types": ["string"]}, {"types": ["string"]})
    def _func_equals_ignore_case(self, left: str, right: str) -> bool:
        # ASCII only: a wider folding would equate names that an attacker can choose.
        return left.translate(_UPPER) == right.translate(_UPPER)

    @_signature({"types": ["array", "string"]}, {"types": []})
    def _func_contains(self, subject: Any, search: Any) -> bool:  # noqa: ANN401
        if isinstance(subject, str):
            return isinstance(search, str) and search in subject
        return any(_same(element, search) for element in subject)

    @_signature({"types": ["string"]}, {"types": ["array-string"]})
    def _func_join(self, separator: str, array: list[str]) -> str:
        # Before it is made: each further element brings the separator once more.
        if len(separator) * (len(array) - 1) > MAX_STRING_CHARACTERS:
            raise QueryError(f"join() makes at most {MAX_STRING_CHARACTERS} characters")
        return separator.join(array)

    @_signature({"types": []})
    def _func_to_string(self, argument: Any) -> str:  # noqa: ANN401
        return argument if isinstance(argument, str) else encode_json(argument).decode()

    @_signature({"types": []})
    def _func_to_number(self, argument: Any) -> int | float | None:  # noqa: ANN401
        if isinstance(argument, str) and _NUMBER.fullmatch(argument):
            return float(argument) if re.search(r"[.eE]", argument) else int(argument)
        return argument if _is_number(argument) else None


class _Interpreter(TreeInterpreter):  # type: ignore[misc]  # the library has no types
    def __init__(self, meter: Meter) -> None:
        super().__init__(Options(custom_functions=_Functions()))
        self._meter = meter

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        self._meter.spend(1)
        # As the library does, but in one frame less a level.
        return getattr(self, "visit_" + node["type"])(node, *args, **kwargs)

    def visit_comparator(self, node: Any, value: Any) -> bool | None:  # noqa: ANN401
        left = self.visit(node["children"][0], value)
        right = self.visit(node["children"][1], value)
        if node["value"] in {"eq", "ne"}:
            self._meter.weigh(left)
            return _same(left, right) is (node["value"] == "eq")
        if not (_is_number(left) and _is_number(right)):
            return None
        return bool(self.COMPARATOR_FUNC[node["value"]](left, right))

    def visit_flatten(self, node: Any, value: Any) -> Any:  # noqa: ANN401
        return self._made(super().visit_flatten(node, value), 0)

    def visit_slice(self, node: Any, value: Any) -> Any:  # noqa: ANN401
        return self._made(super().visit_slice(node, value), 0)

    # A list that holds the same part several times is small in memory and large in text. Each
    # level is weighed when it is made, so that no chain of levels goes far.

    def visit_multi_select_list(self, node: Any, value: Any) -> Any:  # noqa: ANN401
        return self._made(super().visit_multi_select_list(node, value), _WHOLE)

    def visit_multi_select_dict(self, node: Any, value: Any) -> Any:  # noqa: ANN401
        return self._made(super().visit_multi_select_dict(node, value), _WHOLE)

    def visit_function_expression(self, node: Any, value: Any) -> Any:  # noqa: ANN401
        arguments = [self.visit(child, value) for child in node["children"]]
        depth = _WHOLE if node["value"] in _DEEP_FUNCTIONS else 1
        for argument in arguments:
            self._meter.weigh(argument, depth)
        result = self._functions.call_function(node["value"], arguments)
        if isinstance(result, str):
            self._meter.spend(len(result) // CHARACTERS_A_STEP)
        return result

    def _made(self, result: Any, depth: int) -> Any:  # noqa: ANN401
        if isinstance(result, list):
            self._meter.spend(len(result))
        if depth:
            self._meter.weigh(result, depth)
        return result


def _check_literals(text: str) -> None:
    # The library reads a literal that is not JSON as a string, with a warning.
    for match in _QUOTED.finditer(text):
        literal = match.group("literal")
        if literal is not None:
            parse_json(literal.replace("\\`", "`").encode(), "the literal in backquotes")


def _check_depth(tree: object) -> None:
    level = [tree]
    for _ in range(_MAX_DEPTH):
        level = [child for node in level for child in _children(node)]
        if not level:
            return
    raise QueryError(f"a query of at most {_MAX_DEPTH} levels is expected")


def _children(node: object) -> list[object]:
    children = node.get("children", []) if isinstance(node, dict) else []
    return [child for child in children if isinstance(child, dict)]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same(left: object, right: object) -> bool:
    if isinstance(left, list):
        return isinstance(right, list) and len(left) == len(right) and all(map(_same, left, right))
    if isinstance(left, dict):
        return (
            isinstance(right, dict)
            and left.keys() == right.keys()
            and all(_same(value, right[name]) for name, value in left.items())
        )
    # `True == 1` in Python.
    return isinstance(left, bool) is isinstance(right, bool) and left == right


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0][:200]
