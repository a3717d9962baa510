"""Checks of a service by its operator: each has one line, and each failing line its remedy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, final

from assay.errors import AssayError, SettingsError

_SHOWN_PROBLEMS: Final = 3


class CheckOutcome(StrEnum):
    """How one check ended."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"
    """There is nothing to check, or what it needs is not there; the line says which."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """One line."""

    name: str
    outcome: CheckOutcome
    says: str
    """What was found: good, or wrong, or why it was not looked for."""

    remedy: str = ""
    """What to do; there is something exactly where the check failed."""


class CheckSkippedError(Exception):
    """There is nothing to check."""


def run_check(name: str, check: Callable[[], str], *, remedy: str) -> CheckResult:
    """Run one check: what it returns is good, what it raises is not.

    Args:
        name: What is checked.
        check: Gives a sentence, or raises an `AssayError` whose message is the problem and, after
            a semicolon, the remedy; or raises `CheckSkippedError`.
        remedy: What to do where the error does not say it.
    """
    try:
        return CheckResult(name=name, outcome=CheckOutcome.OK, says=check())
    except CheckSkippedError as skipped:
        return CheckResult(name=name, outcome=CheckOutcome.SKIPPED, says=str(skipped))
    except AssayError as error:
        problem, fix = _problem_and_fix(error)
        return CheckResult(
            name=name, outcome=CheckOutcome.FAILED, says=problem, remedy=fix or remedy
        )


def refuse_problems(problems: Iterable[str], *, remedy: str) -> None:
    """Fail a check for every problem that there is.

    Raises:
        SettingsError: There is at least one; names the first few.
    """
    found = list(problems)
    if not found:
        return
    shown = ", ".join(found[:_SHOWN_PROBLEMS])
    more = f", and {len(found) - _SHOWN_PROBLEMS} more" if len(found) > _SHOWN_PROBLEMS else ""
    raise SettingsError(f"{shown}{more}; {remedy}")


def has_failures(results: Sequence[CheckResult]) -> bool:
    """Whether a check failed."""
    return any(result.outcome is CheckOutcome.FAILED for result in results)


def _problem_and_fix(error: AssayError) -> tuple[str, str]:
    for finding in error.findings:
        if finding.hint:
            return f"expected {finding.expected}, got {finding.actual}", finding.hint
    problem, _, fix = error.message.partition("; ")
    return problem, fix
