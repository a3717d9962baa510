from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.encoding import encode_json, parse_json_object
from assay.endorsements.collateral import DcapCollateral
from assay.endorsements.label import CollateralLabel, read_label
from assay.endorsements.platform import PckCa, Tee
from assay.errors import CollateralUnavailableError
from assay.simulator import SimulatedPlatform
from tests.conftest import AT
from tests.mutations import spliced
from tests.refusals import unavailability_of

PLATFORM: Final = SimulatedPlatform.create(AT)
SOUND: Final = PLATFORM.collateral(AT)
DOCUMENTS: Final = ("tcb_info", "qe_identity", "pck_crl", "root_ca_crl")


def label(collateral: DcapCollateral) -> CollateralLabel:
    return read_label(collateral, origin="a test")


def with_member(name: str, **members: object) -> DcapCollateral:
    document = parse_json_object(getattr(SOUND, name), name)
    return replace(SOUND, **{name: encode_json({**document, **members})})  # type: ignore[dict-item]


def with_crl(name: str, issued: datetime, expires: datetime) -> DcapCollateral:
    at_root = name == "root_ca_crl"
    profile = PLATFORM.root_ca_crl_profile(AT) if at_root else PLATFORM.pck_crl_profile(AT)
    holder = PLATFORM.pki.root_ca if at_root else PLATFORM.pki.pck_ca(PLATFORM.settings.ca)
    crl = replace(profile, this_update=issued, next_update=expires).sign(holder.key)
    return replace(SOUND, **{name: crl})


@pytest.mark.parametrize("ca", list(PckCa))
def test_a_label_names_the_platform(ca: PckCa) -> None:
    platform = PLATFORM.with_settings(ca=ca)

    found = label(platform.collateral(AT))

    assert found.platform == platform.dcap_platform
    assert found.fits(platform.dcap_platform)
    assert not found.fits(replace(platform.dcap_platform, fmspc=b"others"))
    assert not found.fits(replace(platform.dcap_platform, tee=Tee.TDX))


def test_a_label_has_the_latest_issue_and_the_earliest_expiry() -> None:
    found = label(SOUND)

    assert found.issued == AT.replace(hour=0)
    assert found.expires == found.issued + timedelta(days=30)


@pytest.mark.parametrize("name", ["tcb_info", "qe_identity"])
def test_every_document_counts_for_issue_expiry_and_number(name: str) -> None:
    changed = with_member(
        name,
        issueDate="2026-11-24T00:00:00Z",
        nextUpdate="2026-11-25T00:00:00Z",
        tcbEvaluationDataNumber=3,
    )

    found = label(changed)

    assert found.issued == datetime(2026, 11, 24, tzinfo=UTC)
    assert found.expires == datetime(2026, 11, 25, tzinfo=UTC)
    assert found.evaluation_number == 3


@pytest.mark.parametrize("name", ["pck_crl", "root_ca_crl"])
def test_every_crl_counts_for_issue_and_expiry(name: str) -> None:
    issued, expires = AT + timedelta(hours=1), AT + timedelta(hours=2)

    found = label(with_crl(name, issued, expires))

    assert (found.issued, found.expires) == (issued, expires)


def test_a_tdx_document_makes_a_label_for_tdx() -> None:
    assert label(with_member("tcb_info", id="TDX")).platform.tee is Tee.TDX


def test_a_higher_number_comes_after_a_newer_issue() -> None:
    newer = label(PLATFORM.collateral(AT + timedelta(days=1)))
    older = label(SOUND)
    stricter = replace(older, evaluation_number=older.evaluation_number + 1)

    assert older.order < newer.order < stricter.order


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_that_does_not_parse_has_no_label(name: str) -> None:
    codes = unavailability_of(lambda: label(replace(SOUND, **{name: b"{}"})))

    assert codes == ("appraisal.collateral.unavailable",)


def test_an_enclave_of_no_tee_that_we_know_has_no_label() -> None:
    with pytest.raises(CollateralUnavailableError, match="in a test"):
        label(with_member("tcb_info", id="NITRO"))


@pytest.mark.property
@given(
    st.sampled_from(DOCUMENTS).flatmap(
        lambda name: st.tuples(
            st.just(name), spliced(getattr(SOUND, name)) | st.binary(max_size=64)
        )
    )
)
def test_any_document_gives_a_label_or_is_refused(change: tuple[str, bytes]) -> None:
    name, data = change
    try:
        found = label(replace(SOUND, **{name: data}))
    except CollateralUnavailableError:
        return

    assert all(getattr(found, part.name) is not None for part in fields(found))
    assert found.issued.tzinfo is not None
