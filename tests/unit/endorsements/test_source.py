from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.endorsements.source import STANDARD, EvaluationSelection, unavailable
from assay.errors import CollateralUnavailableError, SettingsError


@pytest.mark.parametrize(
    ("text", "number"),
    [("standard", None), ("early", None), ("0", 0), ("17", 17), ("999999999", 999_999_999)],
)
def test_a_selection_is_a_name_or_a_number(text: str, number: int | None) -> None:
    selection = EvaluationSelection.parse(text)

    assert selection.number == number
    assert str(selection) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Standard",
        "EARLY",
        "-1",
        "+1",
        "1.0",
        " 17",
        "17 ",
        "1_0",
        "1000000000",
        "\u0661",
        "\xb2",
    ],
)
def test_another_selection_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="expected standard, early or a number"):
        EvaluationSelection.parse(text)


def test_the_standard_selection_is_the_default() -> None:
    assert EvaluationSelection() == STANDARD == EvaluationSelection.parse("standard")


@pytest.mark.property
@given(st.text(max_size=12))
def test_any_text_is_a_selection_or_refused(text: str) -> None:
    try:
        selection = EvaluationSelection.parse(text)
    except SettingsError:
        return

    assert selection.name == text
    assert (selection.number is None) == (text in {"standard", "early"})


def test_collateral_that_cannot_be_had_has_one_finding() -> None:
    error = unavailable("a document", "none", "look for it")

    assert isinstance(error, CollateralUnavailableError)
    (finding,) = error.findings
    assert finding.check == "appraisal.collateral.unavailable"
    assert (finding.expected, finding.actual, finding.hint) == ("a document", "none", "look for it")
    assert error.message == str(finding)
