"""The work one evaluation may do, counted in steps and not in time: the same in every run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

MAX_STEPS: Final = 2_000_000
"""About two seconds of the slowest kind of step. A draft policy comes from any caller, and one as
large as the largest published needs some fifty thousand over a boot log."""

CHARACTERS_A_STEP: Final = 16
"""How many characters of a string, made or read, count as one step."""

STEPS_A_QUERY_CHARACTER: Final = 8
"""To read a query takes some four microseconds and 300 bytes for each of its characters."""

LONG_STRING: Final = 256
"""To compare shorter strings is part of the step that their claim takes."""

MAX_STRING_CHARACTERS: Final = 4 * 1_048_576
"""The JSON of a boot log is the largest string there is, and stays below one MiB."""


class OutOfStepsError(Exception):
    """The steps are used up; becomes a `PolicyEvaluationError` at the rule that ran."""


class Meter:
    """Counts down."""

    __slots__ = ("steps",)

    def __init__(self, steps: int = MAX_STEPS) -> None:
        self.steps = steps

    def spend(self, steps: int) -> None:
        """Take `steps`.

        Raises:
            OutOfStepsError: There are not so many left.
        """
        self.steps -= steps
        if self.steps < 0:
            raise OutOfStepsError

    def compare(self, values: Iterable[object]) -> None:
        """Take steps for the long strings among `values`, which may be compared to their ends.

        Raises:
            OutOfStepsError: There are not so many left.
        """
        for value in values:
            if isinstance(value, str) and len(value) > LONG_STRING:
                self.spend(len(value) // CHARACTERS_A_STEP)

    def weigh(self, value: object, depth: int = 1_000) -> int:
        """Take a step for every node of a JSON value down to `depth`, and for its characters.

        Those of members' names count, too. Returns how many characters the JSON text of all that
        has at least: each node one, besides those of strings and names.

        Raises:
            OutOfStepsError: There are not so many left. Values with shared parts can be far
                larger than their memory, so the count stops there.
        """
        level = [value]
        least = 0
        while level and depth >= 0:
            self.spend(len(level))
            least += len(level)
            below: list[object] = []
            steps = 0
            for item in level:
                if isinstance(item, str):
                    characters = len(item)
                    steps += characters // CHARACTERS_A_STEP
                    least += characters
                    continue
                if isinstance(item, list):
                    below.extend(item)
                elif isinstance(item, dict):
                    below.extend(item.values())
                    # Of all names together: many short ones are not free.
                    characters = sum(map(len, item))
                    steps += characters // CHARACTERS_A_STEP
                    least += characters
                # A level of shared parts can outgrow memory before it is counted.
                if len(below) > self.steps:
                    raise OutOfStepsError
            self.spend(steps)
            level = below
            depth -= 1
        return least
