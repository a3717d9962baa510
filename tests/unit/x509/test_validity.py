from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.x509 import Validity, ValidityPeriod, rfc3339
from assay.x509.validity import certificate_validity
from tests.certificates import Keys

Kind = Literal["cert", "crl", "collateral"]
KINDS: tuple[Kind, ...] = ("cert", "crl", "collateral")


def window(
    kind: Kind = "crl", not_before: int = 1_000, not_after: int = 2_000, label: str = "list"
) -> Validity:
    return Validity(
        check="test.object", kind=kind, label=label, not_before=not_before, not_after=not_after
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("at", "code"),
    [
        (999, "not_yet_valid"),
        (1_000, None),
        (1_500, None),
        (2_000, None),
        (2_001, "expired"),
    ],
)
def test_both_bounds_are_inclusive_to_the_second(kind: Kind, at: int, code: str | None) -> None:
    finding = window(kind).finding_at(at)

    assert (finding and finding.check) == (code and f"test.object.{kind}_{code}")


@pytest.mark.parametrize("kind", ["crl", "collateral"])
@pytest.mark.parametrize(("at", "expired"), [(2_060, False), (2_061, True)])
def test_grace_extends_the_end_of_lists_and_documents(kind: Kind, at: int, expired: bool) -> None:  # noqa: FBT001  a parameter
    finding = window(kind).finding_at(at, grace=60)

    assert (finding is not None) is expired


def test_grace_never_extends_a_certificate() -> None:
    finding = window("cert").finding_at(2_001, grace=1_000_000)

    assert finding is not None
    assert finding.check == "test.object.cert_expired"


@pytest.mark.parametrize("kind", KINDS)
def test_grace_never_moves_the_beginning(kind: Kind) -> None:
    finding = window(kind).finding_at(999, grace=1_000_000)

    assert finding is not None
    assert finding.check == f"test.object.{kind}_not_yet_valid"


def test_a_finding_says_which_object_and_both_times() -> None:
    finding = window(not_after=0, not_before=0, label="PCK CRL").finding_at(86_400)

    assert finding is not None
    assert finding.expected == "PCK CRL valid at 1970-01-02T00:00:00Z"
    assert finding.actual == "expired 1970-01-01T00:00:00Z"
    assert finding.hint


def test_a_period_is_the_intersection_of_its_windows() -> None:
    period = ValidityPeriod.of([window(not_before=10, not_after=40), window(not_before=20)])

    assert (period.not_before, period.not_after) == (20, 40)


def test_a_period_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        ValidityPeriod.of([])


def test_a_window_that_ends_before_it_begins_holds_at_no_time() -> None:
    period = ValidityPeriod.of([window(not_before=20, not_after=10)])

    assert [finding.error_class for finding in period.findings_at(15)] == ["CRL_NOT_YET_VALID"]
    assert [finding.error_class for finding in period.findings_at(25)] == ["CRL_EXPIRED"]


times = st.integers(min_value=0, max_value=100)
windows = st.lists(st.builds(window, st.sampled_from(KINDS), times, times), min_size=1, max_size=5)


@pytest.mark.property
@given(windows, times, times)
def test_a_period_finds_what_its_windows_find(parts: list[Validity], at: int, grace: int) -> None:
    period = ValidityPeriod.of(parts)

    found = [part.finding_at(at, grace=grace) for part in parts]

    assert list(period.findings_at(at, grace=grace)) == [
        finding for finding in found if finding is not None
    ]


def test_what_has_expired_is_named_grace_or_not() -> None:
    period = ValidityPeriod.of(
        [window(not_after=10, not_before=0, label="a"), window(not_after=11, label="b")]
    )

    assert period.expired_at(10) == ()
    assert period.expired_at(11) == ("a",)
    assert period.expired_at(12) == ("a", "b")


def test_a_certificate_s_window_is_in_whole_seconds(at: datetime) -> None:
    keys = Keys()

    validity = certificate_validity(
        keys.leaf_recipe.sign(keys.ca), check="test.chain", label="certificate"
    )

    day = timedelta(days=1)
    assert validity.kind == "cert"
    assert validity.not_before == (at - day).timestamp()
    assert validity.not_after == (at + day).timestamp()


def test_seconds_are_written_in_utc() -> None:
    assert rfc3339(int(datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC).timestamp())) == (
        "2024-02-29T23:59:59Z"
    )


def test_years_have_four_digits() -> None:
    assert rfc3339(int(datetime(10, 1, 1, tzinfo=UTC).timestamp())) == "0010-01-01T00:00:00Z"
