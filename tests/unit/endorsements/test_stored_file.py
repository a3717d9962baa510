from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.encoding import JsonValue, encode_json
from assay.endorsements.collateral import DcapCollateral
from assay.endorsements.stored import read_stored, write_stored
from assay.errors import CollateralUnavailableError
from tests.mutations import spliced
from tests.refusals import unavailability_of
from tests.unit.endorsements.stored_collateral import COLLATERAL, STORED, UNAVAILABLE, single


def test_what_is_written_is_read() -> None:
    assert read_stored(STORED, origin="a test") == COLLATERAL


def test_further_members_are_ignored() -> None:
    members: dict[str, JsonValue] = {**write_stored(COLLATERAL), "note": ["from Intel"]}

    assert read_stored(encode_json(members), origin="a test") == COLLATERAL


@pytest.mark.parametrize("name", write_stored(COLLATERAL))
@pytest.mark.parametrize("value", [None, 1, [], {}])
def test_a_member_that_is_no_text_is_refused(name: str, value: JsonValue) -> None:
    data = encode_json({**write_stored(COLLATERAL), name: value})

    assert unavailability_of(lambda: read_stored(data, origin="a test")) == UNAVAILABLE


@pytest.mark.parametrize(
    "name", ["tcb_info_signature", "qe_identity_signature", "root_ca_crl", "pck_crl"]
)
def test_a_binary_member_that_is_not_hexadecimal_is_refused(name: str) -> None:
    data = encode_json({**write_stored(COLLATERAL), name: "xy"})

    assert unavailability_of(lambda: read_stored(data, origin="a test")) == UNAVAILABLE


@pytest.mark.parametrize(
    "name",
    [
        "tcb_info",
        "qe_identity",
        "tcb_info_issuer_chain",
        "qe_identity_issuer_chain",
        "pck_crl_issuer_chain",
    ],
)
def test_text_that_is_not_utf_8_cannot_be_written(name: str) -> None:
    collateral = replace(COLLATERAL, **{name: b"\xff"})

    assert unavailability_of(lambda: write_stored(collateral)) == UNAVAILABLE


@pytest.mark.property
@given(st.binary(max_size=64) | spliced(STORED))
def test_any_bytes_are_a_set_or_refused(data: bytes) -> None:
    try:
        found = read_stored(data, origin="a test")
    except CollateralUnavailableError:
        return

    assert read_stored(single(found), origin="a test") == found


@pytest.mark.property
@given(
    st.builds(
        lambda texts, binaries: DcapCollateral(
            tcb_info=texts[0].encode(),
            tcb_info_signature=binaries[0],
            tcb_info_issuer_chain=texts[1].encode(),
            qe_identity=texts[2].encode(),
            qe_identity_signature=binaries[1],
            qe_identity_issuer_chain=texts[3].encode(),
            root_ca_crl=binaries[2],
            pck_crl=binaries[3],
            pck_crl_issuer_chain=texts[4].encode(),
        ),
        st.lists(st.text(st.characters(codec="utf-8")), min_size=5, max_size=5),
        st.lists(st.binary(), min_size=4, max_size=4),
    )
)
def test_any_set_is_read_as_it_was_written(collateral: DcapCollateral) -> None:
    assert read_stored(single(collateral), origin="a test") == collateral
