from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from assay.encoding import encode_json, parse_json_object
from assay.endorsements.tcb import TcbStatus, parse_enclave_identity, parse_tcb_info
from assay.simulator import SimulatedPlatform
from assay.simulator.tcb import Validity, signed_body, timestamp


@pytest.mark.parametrize("version", [2, 3])
def test_a_tcb_info_can_be_parsed_back(
    platform: SimulatedPlatform, at: datetime, version: int
) -> None:
    changed = platform.with_settings(tcb_info_version=version)
    settings = changed.settings

    info = parse_tcb_info(encode_json(changed.tcb_info(at)))

    assert info.version == version
    assert info.fmspc == settings.fmspc
    assert info.pceid == settings.pceid
    assert info.evaluation_number == settings.standard_number
    assert [tuple(level.components) for level in info.levels] == [
        level.components for level in settings.levels
    ]
    assert [level.pcesvn for level in info.levels] == [level.pcesvn for level in settings.levels]


def test_a_qe_identity_can_be_parsed_back(platform: SimulatedPlatform, at: datetime) -> None:
    identity = parse_enclave_identity(encode_json(platform.qe_identity(at, number=19)))

    assert identity.id == "QE"
    assert identity.evaluation_number == 19
    assert identity.mr_signer == platform.settings.quoting_enclave.mr_signer
    assert [level.isv_svn for level in identity.levels] == [8, 4]


def test_members_stand_in_intel_s_order(platform: SimulatedPlatform, at: datetime) -> None:
    info: dict[str, Any] = platform.tcb_info(at)

    assert list(info) == [
        "id",
        "version",
        "issueDate",
        "nextUpdate",
        "fmspc",
        "pceId",
        "tcbType",
        "tcbEvaluationDataNumber",
        "tcbLevels",
    ]
    assert list(info["tcbLevels"][1]) == ["tcb", "tcbDate", "tcbStatus", "advisoryIDs"]
    assert info["tcbLevels"][0]["tcb"]["sgxtcbcomponents"][0] == {
        "svn": 14,
        "category": "BIOS",
        "type": "Early Microcode Update",
    }
    assert info["tcbLevels"][0]["tcb"]["sgxtcbcomponents"][15] == {"svn": 0}


def test_version_2_has_no_id(platform: SimulatedPlatform, at: datetime) -> None:
    info = platform.with_settings(tcb_info_version=2).tcb_info(at)

    assert "id" not in info


def test_advisories_are_left_out_where_there_are_none(
    platform: SimulatedPlatform, at: datetime
) -> None:
    info: dict[str, Any] = platform.tcb_info(at)

    assert "advisoryIDs" not in info["tcbLevels"][0]
    assert info["tcbLevels"][0]["tcbStatus"] == TcbStatus.UP_TO_DATE


def test_evaluation_numbers_are_listed_highest_first(
    platform: SimulatedPlatform, at: datetime
) -> None:
    document: dict[str, Any] = platform.evaluation_numbers(at)

    assert [row["tcbEvaluationDataNumber"] for row in document["tcbEvalNumbers"]] == [
        21,
        20,
        19,
        18,
        17,
    ]
    assert document["tcbEvalNumbers"][1]["tcbRecoveryEventDate"] == "2025-11-23T00:00:00Z"


def test_a_document_is_a_day_old_at_most_and_good_for_thirty(at: datetime) -> None:
    validity = Validity.around(at)

    assert timedelta(0) <= at - validity.issued < timedelta(days=1)
    assert validity.next_update - validity.issued == timedelta(days=30)
    assert timestamp(validity.issued) == "2026-11-23T00:00:00Z"


def test_a_signed_body_holds_exactly_the_signed_bytes() -> None:
    body = signed_body("tcbInfo", b'{"a":1}', bytes(64))

    assert body == b'{"tcbInfo":{"a":1},"signature":"' + b"00" * 64 + b'"}'
    assert parse_json_object(body, "body")["tcbInfo"] == {"a": 1}
