from __future__ import annotations

import pytest

from assay.errors import CollateralUnavailableError, Finding, SettingsError
from assay.service.checkup import (
    CheckOutcome,
    CheckSkippedError,
    has_failures,
    refuse_problems,
    run_check,
)


def _raise(error: Exception) -> str:
    raise error


def test_a_check_that_returns_is_good() -> None:
    result = run_check("name", lambda: "all is well", remedy="none needed")

    assert (result.name, result.outcome, result.says) == ("name", CheckOutcome.OK, "all is well")
    assert result.remedy == ""
    assert not has_failures([result])


def test_a_check_that_raises_has_the_remedy_of_its_error() -> None:
    result = run_check("name", lambda: _raise(SettingsError("broken; mend it")), remedy="ask")

    assert (result.outcome, result.says, result.remedy) == ("failed", "broken", "mend it")
    assert has_failures([result])


def test_an_error_without_a_remedy_gets_that_of_its_check() -> None:
    result = run_check("name", lambda: _raise(SettingsError("broken")), remedy="ask")

    assert (result.says, result.remedy) == ("broken", "ask")


def test_a_finding_has_the_remedy_as_its_hint() -> None:
    finding = Finding(check="a.b.c", expected="this", actual="that", hint="mend it")
    error = CollateralUnavailableError(str(finding), findings=[finding])

    result = run_check("name", lambda: _raise(error), remedy="ask")

    assert (result.says, result.remedy) == ("expected this, got that", "mend it")


def test_a_check_of_nothing_is_skipped() -> None:
    result = run_check("name", lambda: _raise(CheckSkippedError("nothing there")), remedy="ask")

    assert (result.outcome, result.says, result.remedy) == ("skipped", "nothing there", "")
    assert not has_failures([result])


def test_a_defect_is_no_failed_check() -> None:
    with pytest.raises(ZeroDivisionError):
        run_check("name", lambda: str(1 // 0), remedy="ask")


def test_the_first_problems_are_named_and_the_others_counted() -> None:
    with pytest.raises(SettingsError) as caught:
        refuse_problems("abcde", remedy="mend them")

    assert caught.value.message == "a, b, c, and 2 more; mend them"
    refuse_problems([], remedy="mend them")
