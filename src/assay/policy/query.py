"""JMESPath as policies use it: read once, with bounds.

Literals in backquotes are JSON, as the specification has it and the library does not.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, Final

from jmespath.exceptions import JMESPathError, JMESPathTypeError
from jmespath.parser import Parser

from assay.encoding import EncodingError, encode_json, parse_json
from assay.policy.meter import Meter, OutOfStepsError
from assay.policy.query_functions import QueryError, check_text
from assay.policy.query_program import compile_query

MAX_QUERY_CHARACTERS: Final = 16_384
"""Published queries have a few hundred characters."""

MAX_QUERY_LEVELS: Final = 200
"""A chain of `||` has a level for each alternative, and lists of drivers are long. Deeper
trees would run into the interpreter's own limit, whose place depends on the caller."""

_QUOTED: Final = re.compile(
    r"""'(?:[^'\\]|\\.)*+(?:'|\\?\Z)"""
    r"""|"(?:[^"\\]|\\.)*+(?:"|\\?\Z)"""
    r"""|`(?P<literal>(?:[^`\\]|\\.)*+)(?:`|\\?\Z)""",
    re.DOTALL,
)
"""What nothing closes runs to the end: else each quote inside would start its own search."""

_PREFIX: Final = re.compile(r"\A(?:Invalid|Bad) jmespath expression: ", re.IGNORECASE)
_PLACE: Final = re.compile(
    r': Parse error at column (?P<column>[0-9]+), token ".*" \((?P<kind>\w+)\), for expression\Z'
)

_SHOWN_STEPS: Final = 200
"""The largest argument that an error writes out, by its weight; errors are cut to less."""

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


class _Parser(Parser):  # type: ignore[misc]  # the library has no types
    """The library's, without its memory of the last 512 trees: long ones have megabytes."""

    _CACHE: ClassVar[dict[str, Any]] = {}
    _MAX_SIZE = 0


class Query:
    """A query, parsed once."""

    __slots__ = ("_program",)

    def __init__(self, text: str) -> None:
        """Parse `text`.

        Raises:
            QueryError: It is too long, too deep, or not JMESPath.
        """
        if len(text) > MAX_QUERY_CHARACTERS:
            raise QueryError(f"a query of at most {MAX_QUERY_CHARACTERS} characters is expected")
        try:
            _check_literals(text)
            parsed: Any = _Parser().parse(text)
            _check_depth(parsed.parsed)
            self._program = compile_query(parsed.parsed)
        except _LIBRARY_ERRORS as error:
            raise QueryError(f"this is not a JMESPath query: {_complaint(error)}") from error

    def run(self, document: object, meter: Meter) -> str:
        """The result over `document` as compact JSON text; `null` where nothing is found.

        Raises:
            QueryError: A function refused its argument, or the result is not JSON.
            OutOfStepsError: It would take too much work.
        """
        try:
            result = self._program.run(document, meter)
            # Before it is written: shared parts make a long text out of little memory.
            check_text(meter.weigh(result))
            return encode_json(result).decode()
        except JMESPathTypeError as error:
            _abridge(error)
            raise QueryError(f"the query failed: {_first_line(error)}") from error
        except _LIBRARY_ERRORS as error:
            raise QueryError(f"the query failed: {_first_line(error)}") from error


def _check_literals(text: str) -> None:
    # The library reads a literal that is not JSON as a string, with a warning.
    for match in _QUOTED.finditer(text):
        literal = match.group("literal")
        if literal is not None:
            parse_json(literal.replace("\\`", "`").encode(), "the literal in backquotes")


def _check_depth(tree: object) -> None:
    level = [tree]
    for _ in range(MAX_QUERY_LEVELS):
        level = [child for node in level for child in _children(node)]
        if not level:
            return
    raise QueryError(f"a query of at most {MAX_QUERY_LEVELS} levels is expected")


def _children(node: object) -> list[object]:
    children = node.get("children", []) if isinstance(node, dict) else []
    return [child for child in children if isinstance(child, dict)]


def _complaint(error: BaseException) -> str:
    """What the library says of a text that is no query, without what it says of itself."""
    line = _PREFIX.sub("", _first_line(error)).rstrip(":")
    place = _PLACE.search(line)
    if place is None:
        return "equality is written `==`" if line == "Unknown token '='" else line
    hint = "; numbers stand in backquotes" if place["kind"] == "NUMBER" else ""
    return f"{line[: place.start()]} at character {int(place['column']) + 1}{hint}"


def _abridge(error: JMESPathTypeError) -> None:
    """Take a large argument out of an error, which would write out all of it to be read."""
    try:
        Meter(_SHOWN_STEPS).weigh(error.current_value)
    except OutOfStepsError:
        error.current_value = "(too large to be shown)"


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0][:200]
