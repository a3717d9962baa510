"""Exit codes: the part of the answer that scripts read first."""

from __future__ import annotations

from enum import IntEnum
from types import MappingProxyType
from typing import Final


class ExitCode(IntEnum):
    """How a command ended. Codes never change their meaning."""

    OK = 0
    INTERNAL = 1
    USAGE = 2
    DENIED = 3
    INVALID = 4
    COLLATERAL = 5
    SERVICE = 6


PROBLEMS: Final = ExitCode.INTERNAL
"""What checks end with where they found what they look for. Linters and test runners say 1, and an
internal error is told apart by its sentence on standard error."""

MEANINGS: Final = MappingProxyType(
    {
        ExitCode.OK: "done; where something was judged, it was permitted",
        ExitCode.INTERNAL: "internal error; of `policy`, `db check`, `doctor`: it found problems",
        ExitCode.USAGE: "usage: an option, a file or a setting is not as it must be",
        ExitCode.DENIED: "denied by the policy",
        ExitCode.INVALID: "the evidence or the token is invalid",
        ExitCode.COLLATERAL: "collateral is unavailable or out of date",
        ExitCode.SERVICE: "a service, the network or the database failed",
    }
)


def exit_code_table() -> str:
    """The table as help texts show it."""
    rows = (f"  {code.value}  {meaning}" for code, meaning in MEANINGS.items())
    # Typer leaves a paragraph after a backspace as it is written.
    return "\n".join(("\b", "Exit codes", *rows))
