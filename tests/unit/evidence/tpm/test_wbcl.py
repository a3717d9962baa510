from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.errors import MalformedEvidenceError
from assay.evidence.tpm.allowance import Allowance
from assay.evidence.tpm.sipa import SipaId
from assay.evidence.tpm.wbcl import find_sipa, is_sipa, parse_sipa
from assay.simulator.linux_boot import INITRD_TAG
from assay.simulator.windows_boot import flag, sipa

OFF = flag(SipaId.SAFEMODE, value=False)
UNKNOWN = 0x00070FFF


def nested(levels: int) -> bytes:
    data = b""
    for _ in range(levels):
        data = sipa(SipaId.TRUSTBOUNDARY, data)
    return data


def check(data: bytes, allowance: int = 100) -> str:
    with pytest.raises(MalformedEvidenceError) as caught:
        parse_sipa(data, Allowance(allowance))
    return caught.value.findings[0].check


def test_records_nest() -> None:
    records = parse_sipa(sipa(SipaId.TRUSTBOUNDARY, OFF, sipa(UNKNOWN, b"x")), Allowance())

    (boundary,) = records
    assert boundary.id == SipaId.TRUSTBOUNDARY
    assert [(one.id, one.data, one.children) for one in boundary.children] == [
        (SipaId.SAFEMODE, b"\0", ()),
        (UNKNOWN, b"x", ()),
    ]


def test_records_are_found_at_every_level_in_their_order() -> None:
    module = sipa(SipaId.LOADEDMODULE_AGGREGATION, flag(SipaId.SAFEMODE, value=True))
    records = parse_sipa(sipa(SipaId.TRUSTBOUNDARY, module, OFF), Allowance())

    assert [one.data for one in find_sipa(records, {SipaId.SAFEMODE})] == [b"\1", b"\0"]


@pytest.mark.parametrize(
    "data", [b"\0", OFF[:7], OFF[:-1], sipa(SipaId.TRUSTBOUNDARY, OFF[:-1]), OFF + b"\0", nested(9)]
)
def test_sizes_that_do_not_add_up_and_depth_are_refused(data: bytes) -> None:
    assert check(data) == "tpm.wbcl.format"


def test_eight_levels_are_read() -> None:
    assert parse_sipa(nested(8), Allowance())


def test_a_record_comes_once_in_its_container() -> None:
    assert check(OFF + OFF) == "tpm.wbcl.duplicate"
    assert check(sipa(SipaId.TRUSTBOUNDARY, OFF, OFF)) == "tpm.wbcl.duplicate"
    assert parse_sipa(sipa(SipaId.TRUSTBOUNDARY, OFF) + OFF, Allowance())


def test_lists_of_modules_and_records_that_nobody_knows_may_repeat() -> None:
    module = sipa(SipaId.LOADEDMODULE_AGGREGATION)

    assert len(parse_sipa(module * 3 + sipa(UNKNOWN) * 2, Allowance())) == 5


def test_records_are_taken_from_the_allowance() -> None:
    assert check(sipa(UNKNOWN) * 101) == "tpm.event_log.limit"


def test_tagged_data_of_others_is_told_apart() -> None:
    assert is_sipa(nested(1))
    assert is_sipa(sipa(0x80030002)[:4])
    assert not is_sipa(INITRD_TAG + bytes(8))
    assert not is_sipa(b"\1\0\1")


@pytest.mark.property
@given(st.binary(max_size=200))
def test_any_bytes_are_records_or_refused(data: bytes) -> None:
    try:
        records = parse_sipa(data, Allowance(1000))
    except MalformedEvidenceError:
        return
    assert sum(8 + len(record.data) for record in records) == len(data)
