"""Base64url and JSON as the protocols want them: strict about form, exact about errors."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final, TypeAlias

import msgspec
import pybase64

from assay.errors import AssayError

JsonValue: TypeAlias = "str | int | float | bool | list[JsonValue] | dict[str, JsonValue] | None"

MAX_JSON_DEPTH: Final = 64
"""Deeper nesting than any document of the protocols has."""

_MAX_INTEGER_DIGITS: Final = 20
"""Enough for every 64-bit integer with its sign."""

_LEAST_INTEGER: Final = -(10 ** (_MAX_INTEGER_DIGITS - 1)) + 1
_GREATEST_INTEGER: Final = 10**_MAX_INTEGER_DIGITS - 1

_SHOWN_CHARACTERS: Final = 64
"""How much of a refused name an error shows."""

_CREDENTIALS: Final = re.compile(r"//[^/\s]*@")
_STANDARD: Final = re.compile(rb"[+/]")
_URL_SAFE: Final = b"-_"
_TO_URL_SAFE: Final = bytes.maketrans(b"+/", _URL_SAFE)
# A string without its end runs to the end of the text: trying again at each quote inside it would
# take quadratic time.
_STRUCTURE: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[{]|[\]}]', re.DOTALL)

_TRUNCATED: Final = "Input data was truncated"
# At the very end of the text, half of a surrogate pair may be half of what was to come.
_ESCAPE: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|"
    rb"(?P<half>u[dD][89abAB][0-9a-fA-F]{2})(?!\\?u?[0-9a-fA-F]{0,3}\Z)|.)",
    re.DOTALL,
)
_NOT_UTF8: Final = re.compile("[\udc80-\udcff]")


class EncodingError(AssayError):
    """The text is not of the encoding it should be. Callers turn it into their family."""


def encode_base64url(data: bytes) -> str:
    """RFC 4648 section 5, without padding."""
    return pybase64.b64encode_as_string(data, altchars=_URL_SAFE).rstrip("=")


def decode_base64url(text: str, field: str) -> bytes:
    """Decode RFC 4648 section 5; padding may be there (Go callers send it) or not.

    Raises:
        EncodingError: A character outside the alphabet, or a length that no bytes encode to.
    """
    raw = _ascii(text, field)
    # `in` first: a regular expression over a whole quote would cost more than its parsing.
    if (b"+" in raw or b"/" in raw) and (found := _STANDARD.search(raw)) is not None:
        raise EncodingError(
            f"{field}: expected base64url (A-Z a-z 0-9 - _), "
            f"got {found.group().decode()!r} at character {found.start()}"
        )
    return _decode(raw, field)


def decode_base64(text: str, field: str) -> bytes:
    """Decode either alphabet of RFC 4648, padded or not, as nested documents use them.

    Raises:
        EncodingError: A character outside both alphabets, or an impossible length.
    """
    return _decode(_ascii(text, field).translate(_TO_URL_SAFE), field)


def decode_hex(text: str, field: str, *, size: int | None = None) -> bytes:
    """Decode hexadecimal of either case, of exactly `size` bytes where that is given.

    Raises:
        EncodingError: Not hexadecimal, or of another size.
    """
    try:
        data = bytes.fromhex(text)
    except ValueError:
        data = None
    if data is None or len(data) * 2 != len(text):
        raise EncodingError(f"{field}: expected hexadecimal digits, got something else")
    if size is not None and len(data) != size:
        raise EncodingError(f"{field}: expected {size} bytes of hexadecimal, got {len(data)}")
    return data


def check_unicode(text: str, field: str) -> None:
    """Check that UTF-8 can carry a text.

    Python's texts can hold half of a surrogate pair, and those that come from the command line hold
    the bytes so that are not UTF-8.

    Raises:
        EncodingError: With the place of the first.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise EncodingError(
            f"{field}: expected Unicode text, got a byte that is not UTF-8, or half of a surrogate "
            f"pair, at character {error.start}"
        ) from error


def parse_json(data: bytes, what: str, *, max_depth: int = MAX_JSON_DEPTH) -> JsonValue:
    """Parse strict JSON (RFC 8259, and I-JSON's unique names of RFC 7493 section 2.3).

    Refused beyond what RFC 8259 refuses: duplicate names, nesting deeper than `max_depth`,
    integers of more than 20 digits, numbers too large for a float, lone surrogates.

    Raises:
        EncodingError: With what was wrong and where.
    """
    try:
        value: JsonValue = msgspec.json.decode(data)
        members = _count_members(value, what, max_depth)
        # Each member has its colon. One more is inside a string, or of a name that came twice, of
        # which the decoder keeps the last: only then is it worth while to look at all names. That
        # of a URL is surely inside a string, as no value begins with a slash.
        others = data.count(b":") - members
        if others and others != data.count(b"://"):
            _check_unique(data, what)
    except msgspec.DecodeError as error:
        raise EncodingError(f"{what}: not valid JSON: {_malformation(data, error)}") from error
    except UnicodeDecodeError as error:
        raise _not_utf8(data, what) from error
    except RecursionError as error:
        # So may a value be that was dropped, for a name that came twice.
        raise _too_deep(data, what, max_depth) from error
    return value


def parse_json_object(
    data: bytes, what: str, *, max_depth: int = MAX_JSON_DEPTH
) -> dict[str, JsonValue]:
    """Parse strict JSON that must be an object.

    Raises:
        EncodingError: Not strict JSON, or not an object.
    """
    value = parse_json(data, what, max_depth=max_depth)
    if not isinstance(value, dict):
        raise EncodingError(f"{what}: expected a JSON object, got {json_type(value)}")
    return value


def encode_json(value: JsonValue) -> bytes:
    """Compact JSON in UTF-8, members in the order given."""
    return msgspec.json.encode(value)


def encode_json_sorted(value: JsonValue) -> bytes:
    """Compact JSON in UTF-8, members sorted by code point at every level, as MAA writes it."""
    return msgspec.json.encode(value, order="sorted")


def json_type(value: object) -> str:
    """JSON's own word for the type of `value`."""
    names: dict[type[Any], str] = {
        str: "a string",
        bool: "a boolean",
        int: "a number",
        float: "a number",
        list: "an array",
        dict: "an object",
    }
    return names.get(type(value), "null")


def _ascii(text: str, field: str) -> bytes:
    try:
        return text.encode("ascii")
    except UnicodeEncodeError as error:
        raise EncodingError(
            f"{field}: expected base64, got a character outside ASCII at {error.start}"
        ) from error


def _decode(raw: bytes, field: str) -> bytes:
    unpadded = raw.rstrip(b"=")
    padding = len(raw) - len(unpadded)
    if len(unpadded) % 4 == 1 or padding not in {0, -len(unpadded) % 4}:
        raise EncodingError(f"{field}: expected base64 of whole bytes, got {len(raw)} characters")
    try:
        return pybase64.b64decode(
            unpadded + b"=" * (-len(unpadded) % 4), altchars=_URL_SAFE, validate=True
        )
    except ValueError as error:
        raise EncodingError(
            f"{field}: expected base64, got a character outside its alphabet"
        ) from error


def _count_members(value: JsonValue, what: str, levels: int) -> int:
    """The members of all objects in `value`.

    Raises:
        EncodingError: An integer is too long.
        RecursionError: The nesting is deeper than `levels`.
    """
    members = 0
    inner: Iterable[JsonValue]
    if isinstance(value, dict):
        members, inner = len(value), value.values()
    elif isinstance(value, list):
        inner = value
    else:
        _check_integer(value, what)
        return 0
    if levels == 0:
        raise RecursionError
    for item in inner:
        # Most are strings, and calls cost more than all else here.
        kind = item.__class__
        if kind is dict or kind is list:
            members += _count_members(item, what, levels - 1)
        elif kind is int:
            _check_integer(item, what)
    return members


def _check_integer(value: JsonValue, what: str) -> None:
    if isinstance(value, int) and not _LEAST_INTEGER <= value <= _GREATEST_INTEGER:
        raise EncodingError(
            f"{what}: expected integers of at most {_MAX_INTEGER_DIGITS} digits, got more"
        )


def _malformation(data: bytes, error: msgspec.DecodeError) -> str:
    """What the decoder says, but where half of a surrogate pair is near the end of the document.

    There it misses the other half, and takes the document for a part of one.
    """
    if str(error) == _TRUNCATED:
        for escape in _ESCAPE.finditer(data):
            if escape["half"]:
                return f"half of a surrogate pair (byte {escape.start()})"
    return str(error)


def _not_utf8(data: bytes, what: str) -> EncodingError:
    """The error for a string that is not UTF-8: the decoder knows the place in the string alone."""
    before, *_ = _NOT_UTF8.split(data.decode("utf-8", "surrogateescape"), maxsplit=1)
    position = len(before.encode("utf-8"))
    return EncodingError(
        f"{what}: not valid JSON: expected UTF-8, got {data[position]:#04x} (byte {position})"
    )


def _too_deep(data: bytes, what: str, max_depth: int) -> EncodingError:
    """The error for a document that is nested deeper than `max_depth`, with the place."""
    depth = position = 0
    for token in _STRUCTURE.finditer(data):
        position = token.start()
        first = data[position]
        if first in b"[{":
            depth += 1
            if depth > max_depth:
                break
        elif first in b"]}":
            depth -= 1
    return EncodingError(
        f"{what}: expected at most {max_depth} levels of nesting, got more at byte {position}"
    )


def _check_unique(data: bytes, what: str) -> None:
    def check(pairs: list[tuple[str, None]]) -> None:
        if len({name for name, _ in pairs}) != len(pairs):
            (twice, _), *_ = Counter(name for name, _ in pairs).most_common(1)
            raise EncodingError(
                f"{what}: expected unique names, got {twice[:_SHOWN_CHARACTERS]!r} twice"
            )

    json.loads(data.decode("utf-8"), object_pairs_hook=check)


def without_credentials(text: str) -> str:
    """A text as it may be shown: what stands before the host of a URL in it may be a password."""
    return _CREDENTIALS.sub("//(hidden)@", text)
