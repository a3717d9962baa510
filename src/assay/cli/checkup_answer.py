"""What checks of a service print: a line for each, and the remedy of each that failed."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from assay.cli.exit_code import PROBLEMS
from assay.cli.render import BAD, DIM, GOOD, Answer, print_json
from assay.encoding import JsonValue
from assay.service.checkup import CheckOutcome, CheckResult, has_failures

_STYLES = {CheckOutcome.OK: GOOD, CheckOutcome.FAILED: BAD, CheckOutcome.SKIPPED: DIM}


def print_results(results: Sequence[CheckResult], *, as_json: bool) -> None:
    """Print the results.

    Raises:
        Exit: With code 1, where a check failed.
    """
    if as_json:
        print_json(
            {"passed": not has_failures(results), "checks": [_members(one) for one in results]}
        )
    else:
        _print_lines(results)
    if has_failures(results):
        raise typer.Exit(PROBLEMS)


def _print_lines(results: Sequence[CheckResult]) -> None:
    answer = Answer()
    width = max((len(result.name) for result in results), default=0)
    for result in results:
        outcome = (f"{result.outcome:<7}", _STYLES[result.outcome])
        answer.line(outcome, f"  {result.name:<{width}}  {result.says}")
        if result.remedy:
            answer.line(" " * (width + 11), ("fix: ", DIM), result.remedy)


def _members(result: CheckResult) -> dict[str, JsonValue]:
    return {
        "check": result.name,
        "outcome": result.outcome.value,
        "says": result.says,
        "fix": result.remedy or None,
    }
