from __future__ import annotations

import dataclasses

import pytest

from assay.errors import (
    AssayError,
    CollateralUnavailableError,
    Finding,
    FindingCollector,
    MalformedEvidenceError,
    PolicyDeniedError,
    PolicyError,
    RequestError,
    SettingsError,
    StoreUnavailableError,
    UntrustedEvidenceError,
)

FINDING = Finding(check="dcap.quote.quote_signature", expected="a valid one", actual="another")

FAMILIES = [
    CollateralUnavailableError,
    MalformedEvidenceError,
    PolicyDeniedError,
    PolicyError,
    RequestError,
    SettingsError,
    StoreUnavailableError,
    UntrustedEvidenceError,
]


def test_error_class_is_the_last_segment_of_the_check_in_capitals() -> None:
    assert FINDING.error_class == "QUOTE_SIGNATURE"


def test_finding_states_both_sides() -> None:
    assert str(FINDING) == "dcap.quote.quote_signature: expected a valid one, got another"


def test_finding_adds_its_hint() -> None:
    finding = dataclasses.replace(FINDING, hint="sign it")

    assert str(finding).endswith("got another (sign it)")


def test_finding_does_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        FINDING.check = "other"  # type: ignore[misc]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_an_assay_error_with_message_and_findings(
    family: type[AssayError],
) -> None:
    error = family("one sentence", findings=[FINDING])

    assert isinstance(error, AssayError)
    assert str(error) == error.message == "one sentence"
    assert error.findings == (FINDING,)


def test_an_error_may_have_no_findings() -> None:
    assert RequestError("one sentence").findings == ()


def test_families_do_not_catch_each_other() -> None:
    caught = {(a, b) for a in FAMILIES for b in FAMILIES if a is not b and issubclass(a, b)}

    assert caught == set()


def test_collector_lets_the_next_check_run_and_keeps_the_order() -> None:
    other = dataclasses.replace(FINDING, check="dcap.quote.unsupported")
    collector = FindingCollector()

    for finding in (FINDING, other):
        with collector:
            raise UntrustedEvidenceError("refused", findings=[finding])
    with collector:
        passed = True

    assert passed
    assert collector.findings == (FINDING, other)


def test_collector_lets_an_error_without_findings_through() -> None:
    collector = FindingCollector()

    with pytest.raises(UntrustedEvidenceError), collector:
        raise UntrustedEvidenceError("refused")


def test_collector_lets_mistakes_of_the_program_through() -> None:
    collector = FindingCollector()

    with pytest.raises(ZeroDivisionError), collector:
        raise ZeroDivisionError

    assert collector.findings == ()
