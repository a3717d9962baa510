from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.endorsements.tcb import (
    EnclaveIdentity,
    EnclaveTcbLevel,
    TcbInfo,
    TcbLevel,
    TcbStatus,
)
from assay.evidence.dcap.tcb import (
    Shortfall,
    TcbAppraisal,
    appraise_tcb,
    converge,
    match_enclave_level,
    match_platform_level,
)
from assay.x509 import SgxExtensions
from tests.refusals import refusal_of

NEW: Final = datetime(2026, 5, 1, tzinfo=UTC)
OLD: Final = datetime(2023, 8, 9, tzinfo=UTC)

UP: Final = TcbStatus.UP_TO_DATE
HARDEN: Final = TcbStatus.SW_HARDENING_NEEDED
CONFIGURE: Final = TcbStatus.CONFIGURATION_NEEDED
BOTH: Final = TcbStatus.CONFIGURATION_AND_SW_HARDENING_NEEDED
OUT: Final = TcbStatus.OUT_OF_DATE
OUT_CONFIGURE: Final = TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED
REVOKED: Final = TcbStatus.REVOKED


def level(
    components: bytes,
    pcesvn: int = 10,
    status: str = UP,
    *,
    date: datetime = NEW,
    advisory_ids: tuple[str, ...] = (),
) -> TcbLevel:
    return TcbLevel(
        components=components.ljust(16, b"\0"),
        pcesvn=pcesvn,
        tdx_components=None,
        status=status,
        date=date,
        advisory_ids=advisory_ids,
    )


def info(*levels: TcbLevel) -> TcbInfo:
    return TcbInfo(
        tee="SGX",
        version=3,
        issue_date=NEW,
        next_update=NEW,
        fmspc=bytes(6),
        pceid=bytes(2),
        evaluation_number=20,
        levels=levels,
        component_names=("BIOS, Early Microcode Update", *[""] * 15),
    )


def qe_level(
    isv_svn: int,
    status: str = UP,
    *,
    date: datetime = NEW,
    advisory_ids: tuple[str, ...] = (),
) -> EnclaveTcbLevel:
    return EnclaveTcbLevel(isv_svn=isv_svn, status=status, date=date, advisory_ids=advisory_ids)


def identity(*levels: EnclaveTcbLevel) -> EnclaveIdentity:
    return EnclaveIdentity(
        id="QE",
        issue_date=NEW,
        next_update=NEW,
        evaluation_number=19,
        misc_select=0,
        misc_select_mask=0,
        attributes=bytes(16),
        attributes_mask=bytes(16),
        mr_signer=bytes(32),
        isv_prod_id=1,
        levels=levels,
    )


def platform(components: bytes = b"\5\5", pcesvn: int = 10) -> SgxExtensions:
    return SgxExtensions(
        ppid=bytes(16),
        components=components.ljust(16, b"\0"),
        pcesvn=pcesvn,
        cpu_svn=bytes(16),
        pceid=bytes(2),
        fmspc=bytes(6),
        sgx_type=0,
    )


INFO: Final = info(
    level(b"\7\7", 12),
    level(b"\5\5", 10, HARDEN, advisory_ids=("A", "B")),
    level(b"\5\5", 8, CONFIGURE),
    level(b"\1\1", 5, OUT, date=OLD),
)
QE: Final = identity(
    qe_level(8), qe_level(6, OUT, date=OLD, advisory_ids=("B", "C")), qe_level(3, REVOKED)
)


def appraise(
    extensions: SgxExtensions | None = None,
    isv_svn: int = 8,
    tcb_info: TcbInfo = INFO,
    qe_identity: EnclaveIdentity = QE,
) -> TcbAppraisal:
    return appraise_tcb(extensions or platform(), isv_svn, tcb_info, qe_identity)


# Convergence


@pytest.mark.parametrize(
    ("status", "outdated"),
    [
        (UP, OUT),
        (HARDEN, OUT),
        (CONFIGURE, OUT_CONFIGURE),
        (BOTH, OUT_CONFIGURE),
        (OUT, OUT),
        (OUT_CONFIGURE, OUT_CONFIGURE),
        (REVOKED, REVOKED),
    ],
)
def test_convergence_is_intel_s_table(status: TcbStatus, outdated: TcbStatus) -> None:
    expected = {
        UP: status,
        CONFIGURE: status,
        OUT: outdated,
        OUT_CONFIGURE: outdated,
        REVOKED: REVOKED,
    }

    assert {component: converge(status, [component]) for component in expected} == expected
    assert converge(status, []) == status


def test_the_table_is_complete() -> None:
    assert {UP, HARDEN, CONFIGURE, BOTH, OUT, OUT_CONFIGURE, REVOKED} == set(TcbStatus)


@pytest.mark.property
@given(st.sampled_from(TcbStatus), st.lists(st.sampled_from(TcbStatus), max_size=4))
def test_components_converge_in_any_order_and_all_at_once_or_one_by_one(
    status: TcbStatus, components: list[TcbStatus]
) -> None:
    step_by_step = status
    for component in components:
        step_by_step = converge(step_by_step, [component])

    assert converge(status, components) == converge(status, components[::-1]) == step_by_step


TRUSTED: Final = {UP, HARDEN, CONFIGURE, BOTH}


@pytest.mark.property
@given(st.sampled_from(TcbStatus), st.lists(st.sampled_from(TcbStatus), max_size=4))
def test_a_component_never_makes_a_platform_better(
    status: TcbStatus, components: list[TcbStatus]
) -> None:
    result = converge(status, components)

    assert result == status or (result not in TRUSTED and (status != REVOKED))


# Matching


def test_a_platform_is_at_the_first_level_that_it_reaches_in_everything() -> None:
    assert match_platform_level(platform(b"\7\7", 12), INFO) == INFO.levels[0]
    assert match_platform_level(platform(b"\xff" * 16, 65535), INFO) == INFO.levels[0]
    assert match_platform_level(platform(b"\7\7", 11), INFO) == INFO.levels[1]
    assert match_platform_level(platform(b"\7\6", 12), INFO) == INFO.levels[1]


def test_a_low_pcesvn_alone_lowers_the_level() -> None:
    """TC-04."""
    assert match_platform_level(platform(b"\5\5", 9), INFO) == INFO.levels[2]
    assert match_platform_level(platform(b"\5\5", 7), INFO) == INFO.levels[3]


@pytest.mark.parametrize("index", range(16))
def test_every_one_of_the_components_counts(index: int) -> None:
    needed = level(bytes([1] * 16), 0)
    lacking = bytearray([255] * 16)
    lacking[index] = 0

    assert refusal_of(lambda: match_platform_level(platform(bytes(lacking)), info(needed))) == (
        "dcap.tcb.tcb_not_supported",
    )


def test_a_platform_below_every_level_is_refused_and_told_what_it_lacks() -> None:
    """TC-05, TC-09."""
    assert refusal_of(lambda: match_platform_level(platform(b"\0\1", 4), INFO)) == (
        "dcap.tcb.tcb_not_supported",
    )


@pytest.mark.parametrize("size", [0, 1, 15, 17])
def test_lists_of_different_lengths_are_a_programming_mistake(size: int) -> None:
    """TC-01: `zip` would pass over what one of them lacks."""
    broken = replace(platform(), components=b"\xff" * size)

    with pytest.raises(ValueError, match="zip"):
        match_platform_level(broken, info(level(bytes(16))))


@pytest.mark.parametrize(("isv_svn", "index"), [(65535, 0), (8, 0), (7, 1), (6, 1), (5, 2), (3, 2)])
def test_an_enclave_is_at_the_first_level_that_it_reaches(isv_svn: int, index: int) -> None:
    assert match_enclave_level(isv_svn, QE) == QE.levels[index]


@pytest.mark.parametrize("isv_svn", [2, 0])
def test_an_enclave_below_every_level_is_refused(isv_svn: int) -> None:
    assert refusal_of(lambda: match_enclave_level(isv_svn, QE)) == ("dcap.tcb.tcb_not_supported",)


@pytest.mark.property
@given(
    st.binary(min_size=16, max_size=16),
    st.integers(0, 65535),
    st.lists(
        st.builds(level, st.binary(min_size=16, max_size=16), st.integers(0, 65535)),
        min_size=1,
        max_size=6,
    ),
)
def test_the_level_found_is_reached_and_none_before_it_is(
    components: bytes, pcesvn: int, levels: list[TcbLevel]
) -> None:
    extensions = platform(components, pcesvn)
    reached = [
        row
        for row in levels
        if pcesvn >= row.pcesvn
        and all(components[index] >= row.components[index] for index in range(16))
    ]

    if reached:
        assert match_platform_level(extensions, info(*levels)) is reached[0]
    else:
        assert refusal_of(lambda: match_platform_level(extensions, info(*levels)))


# Appraisal


def test_an_up_to_date_platform_lacks_nothing() -> None:
    appraisal = appraise(platform(b"\7\7", 12))

    assert appraisal.status is appraisal.platform_status is appraisal.qe_status is UP
    assert appraisal.shortfalls == ()
    assert appraisal.advisory_ids == ()
    assert appraisal.tcb_date == NEW
    assert appraisal.tcb_date_text == "2026-05-01T00:00:00Z"
    assert (appraisal.tcb_info_number, appraisal.qe_identity_number) == (20, 19)
    assert appraisal.evaluation_number == 19


def test_platform_and_enclave_are_appraised_together() -> None:
    appraisal = appraise(isv_svn=7)

    assert (appraisal.platform_status, appraisal.qe_status) == (HARDEN, OUT)
    assert appraisal.status is OUT
    assert appraisal.tcb_date == OLD
    assert appraisal.advisory_ids == ("A", "B", "C")


def test_the_older_date_may_be_the_platform_s() -> None:
    assert appraise(platform(b"\1\1", 5)).tcb_date == OLD
    assert appraise(qe_identity=identity(qe_level(0, date=NEW + timedelta(1)))).tcb_date == NEW


def test_shortfalls_are_counted_from_the_best_levels() -> None:
    appraisal = appraise(platform(b"\5\6", 11), isv_svn=7)

    assert appraisal.shortfalls == (
        Shortfall(
            component="SGX TCB component 01 (BIOS, Early Microcode Update)", actual=5, needed=7
        ),
        Shortfall(component="SGX TCB component 02", actual=6, needed=7),
        Shortfall(component="PCESVN", actual=11, needed=12),
        Shortfall(component="QE ISVSVN", actual=7, needed=8),
    )
    assert str(appraisal.shortfalls[2]) == "PCESVN is 11, 12 needed"


@pytest.mark.parametrize("qe_status", list(TcbStatus))
def test_a_revoked_platform_is_refused_whatever_its_enclave(qe_status: TcbStatus) -> None:
    revoked = info(level(b"", 0, REVOKED))

    assert refusal_of(
        lambda: appraise(tcb_info=revoked, qe_identity=identity(qe_level(0, qe_status)))
    ) == ("dcap.tcb.tcb_revoked",)


@pytest.mark.parametrize("status", set(TcbStatus) - {REVOKED})
def test_a_revoked_enclave_is_refused_whatever_its_platform(status: TcbStatus) -> None:
    assert refusal_of(lambda: appraise(tcb_info=info(level(b"", 0, status)), isv_svn=4)) == (
        "dcap.tcb.tcb_revoked",
    )


@pytest.mark.parametrize("status", ["", "Excellent", "uptodate", "UpToDate ", "UP_TO_DATE"])
def test_a_status_that_intel_does_not_define_is_refused(status: str) -> None:
    unknown = info(level(b"", 0, status))

    assert refusal_of(lambda: appraise(tcb_info=unknown)) == ("dcap.tcb_info.tcb_unrecognized",)
    assert refusal_of(lambda: appraise(qe_identity=identity(qe_level(0, status)))) == (
        "dcap.qe_identity.tcb_unrecognized",
    )


def test_an_unknown_status_of_a_level_that_nobody_is_at_does_no_harm() -> None:
    levels = info(level(b"\7", 12, "Excellent"), level(b"", 0, HARDEN), level(b"", 0, "Bad"))

    assert appraise(tcb_info=levels).status is HARDEN


@pytest.mark.parametrize("status", [HARDEN, BOTH])
def test_an_enclave_s_status_that_convergence_knows_nothing_of_is_refused(
    status: TcbStatus,
) -> None:
    """Otherwise the platform would pass for up to date."""
    assert refusal_of(lambda: appraise(qe_identity=identity(qe_level(0, status)))) == (
        "dcap.qe_identity.tcb_unrecognized",
    )


@pytest.mark.parametrize("status", [UP, CONFIGURE, OUT, OUT_CONFIGURE])
def test_an_enclave_s_statuses_are_those_of_intel_s_identities(status: TcbStatus) -> None:
    assert appraise(qe_identity=identity(qe_level(0, status))).qe_status is status


def test_both_documents_must_have_a_level() -> None:
    assert refusal_of(lambda: appraise(platform(b"", 0))) == ("dcap.tcb.tcb_not_supported",)
    assert refusal_of(lambda: appraise(isv_svn=0)) == ("dcap.tcb.tcb_not_supported",)
