"""The functions of JMESPath as policies use it, and what its values mean.

Where the library is laxer than the specification, the specification holds: numbers never equal
Booleans, only numbers are ordered.

Source: JMESPath specification; MAA policy language 1.2, section 7.1 for `equals_ignore_case`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

from jmespath.functions import Functions
from jmespath.functions import signature as _untyped_signature

from assay.encoding import encode_json
from assay.policy.meter import MAX_STRING_CHARACTERS

_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,18})(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,2})?")
_UPPER: Final = str.maketrans(
    {chr(letter): chr(letter + 32) for letter in range(ord("A"), ord("Z") + 1)}
)

_Method = TypeVar("_Method", bound=Callable[..., Any])
_signature = cast("Callable[..., Callable[[_Method], _Method]]", _untyped_signature)


class QueryError(Exception):
    """The query is not JMESPath, or refused its input."""


class QueryFunctions(Functions):  # type: ignore[misc]  # the library has no types
    """The standard's, one more, and some of them stricter."""

    @_signature({"types": ["string"]}, {"types": ["string"]})
    def _func_equals_ignore_case(self, left: str, right: str) -> bool:
        # ASCII only: a wider folding would equate names that an attacker can choose.
        return left.translate(_UPPER) == right.translate(_UPPER)

    @_signature({"types": ["array", "string"]}, {"types": []})
    def _func_contains(self, subject: Any, search: Any) -> bool:  # noqa: ANN401
        if isinstance(subject, str):
            return isinstance(search, str) and search in subject
        return any(same(element, search) for element in subject)

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
        return argument if is_number(argument) else None


def check_text(least: int) -> None:
    """Refuse to make a text of at least so many characters, where no string has so many.

    Raises:
        QueryError: It would be too long.
    """
    if least > MAX_STRING_CHARACTERS:
        raise QueryError(f"strings have at most {MAX_STRING_CHARACTERS} characters")


def is_number(value: object) -> bool:
    """Whether a JSON value is a number: in Python, Booleans are, too."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def same(left: object, right: object) -> bool:
    """Whether two JSON values are equal, by type at every level."""
    if isinstance(left, list):
        return isinstance(right, list) and len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return (
            isinstance(right, dict)
            and left.keys() == right.keys()
            and all(same(value, right[name]) for name, value in left.items())
        )
    # `True == 1` in Python.
    return isinstance(left, bool) is isinstance(right, bool) and left == right
