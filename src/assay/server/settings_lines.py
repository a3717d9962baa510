"""Where in a settings file each setting stands, which the parser does not tell.

Statements are found by the parser itself: the fewest lines that it accepts are one.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any


def setting_lines(text: str) -> dict[str, int]:
    """The first line of each value of a TOML document, by its dotted name.

    Of a list of tables, the line of its first table.
    """
    found: dict[str, int] = {}
    lines = text.replace("\r\n", "\n").split("\n")
    table = ""
    begin = 0
    for end in range(1, len(lines) + 1):
        statement = "\n".join(lines[begin:end])
        try:
            document = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue
        if statement.lstrip().startswith("["):
            table = f"{_path(document)}."
            found.setdefault(table[:-1], begin + 1)
        for name, _ in flatten(document):
            found.setdefault(table + name, begin + 1)
        begin = end
    return found


def flatten(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a document by its dotted name; lists are values."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _path(header: Mapping[str, Any]) -> str:
    """The name in the header of a table, parsed alone."""
    [(key, value)] = header.items()
    return f"{key}.{_path(value)}" if isinstance(value, dict) and value else key
