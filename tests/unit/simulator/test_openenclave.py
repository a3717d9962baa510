from __future__ import annotations

import hashlib
from datetime import datetime
from uuid import UUID

import pytest

from assay.evidence.openenclave import parse_evidence
from assay.simulator import SimulatedPlatform
from assay.simulator.openenclave import (
    HEADER_SIZE,
    SGX_ECDSA,
    ReportType,
    endorsements,
    evidence,
    legacy_report,
    with_header,
)


def test_a_report_has_a_header_of_16_bytes() -> None:
    report = legacy_report(b"quote")

    assert (
        report == bytes.fromhex("0100000002000000") + bytes.fromhex("0500000000000000") + b"quote"
    )


def test_a_report_s_header_can_lie() -> None:
    report = legacy_report(b"quote", version=7, report_type=ReportType.LOCAL, size=9)

    assert report[:16].hex() == "07000000" + "01000000" + "0900000000000000"


def test_evidence_has_a_header_of_28_bytes() -> None:
    framed = with_header(b"data")

    assert HEADER_SIZE == len(framed) - 4 == 28
    # As the SDK writes it: the UUID's bytes in the order of its text.
    assert framed.hex() == (
        "03000000" + "a3a21e871b4d4014b70aa125d2fbcd8c" + "0400000000000000" + b"data".hex()
    )


def test_evidence_s_header_can_lie() -> None:
    framed = with_header(b"", format_id=UUID(int=1), version=4, size=2)

    assert framed.hex() == "04000000" + f"{1:032x}" + "0200000000000000"


@pytest.mark.parametrize("claims", [b"", b"custom claims"])
def test_evidence_binds_its_custom_claims(platform: SimulatedPlatform, claims: bytes) -> None:
    parsed = parse_evidence(evidence(platform, claims, isv_svn=3))

    assert parsed.custom_claims == claims
    assert parsed.quote.body.report_data[:32] == hashlib.sha256(claims).digest()
    assert parsed.quote.body.isv_svn == 3


def numbers(data: bytes, count: int) -> list[int]:
    return [int.from_bytes(data[at : at + 4], "little") for at in range(0, 4 * count, 4)]


def test_endorsements_list_nine_items_in_order(platform: SimulatedPlatform, at: datetime) -> None:
    collateral = platform.collateral(at)

    data = endorsements(collateral, at)

    version, enclave_type, size, count, *offsets = numbers(data, 13)
    items = data[52:]
    ends = [*offsets[1:], len(items)]
    parts = [items[start:end] for start, end in zip(offsets, ends, strict=True)]
    assert (version, enclave_type, count) == (1, 2, 9)
    assert size == len(data) - 16
    assert parts[0] == (1).to_bytes(4, "little")
    assert collateral.tcb_info in parts[1]
    assert parts[2] == collateral.tcb_info_issuer_chain + b"\0"
    assert parts[3] == collateral.pck_crl
    assert parts[4] == collateral.root_ca_crl
    assert parts[5] == collateral.pck_crl_issuer_chain + b"\0"
    assert collateral.qe_identity in parts[6]
    assert parts[7] == collateral.qe_identity_issuer_chain + b"\0"
    assert parts[8] == b"2026-11-23T12:00:00Z\0"


def test_endorsements_can_lie(platform: SimulatedPlatform, at: datetime) -> None:
    data = endorsements(
        platform.collateral(at), at, version=2, enclave_type=3, count=4, offsets=(9,) * 9
    )

    version, enclave_type, _, count, *offsets = numbers(data, 13)
    assert (version, enclave_type, count, offsets) == (2, 3, 4, [9] * 9)


def test_endorsements_have_the_form_of_real_ones(platform: SimulatedPlatform, at: datetime) -> None:
    framed = with_header(endorsements(platform.collateral(at), at), format_id=SGX_ECDSA)

    # The first 36 bytes of endorsements that an Open Enclave host wrote, but for the sizes.
    assert framed[:20].hex() == "03000000a3a21e871b4d4014b70aa125d2fbcd8c"
    assert framed[28:36].hex() == "0100000002000000"
    assert framed[40:52].hex() == "090000000000000004000000"
