from __future__ import annotations

import contextlib
import copy
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.encoding import EncodingError
from assay.endorsements.tcb import parse_enclave_identity, parse_tcb_info
from tests.mutations import spliced
from tests.unit.endorsements.tcb_documents import (
    Document,
    Make,
    Parse,
    both,
    identity,
    identity_of,
    info_of,
    qe_level,
    v2,
    v3,
    v3_level,
)


def test_a_tcb_info_of_version_3_is_read() -> None:
    info = info_of(v3(v3_level(advisoryIDs=["INTEL-SA-00001"])))

    assert (info.tee, info.version, info.evaluation_number) == ("SGX", 3, 20)
    assert info.issue_date == datetime(2026, 11, 1, tzinfo=UTC)
    assert info.next_update == datetime(2026, 12, 1, tzinfo=UTC)
    assert (info.fmspc, info.pceid) == (bytes.fromhex("00606a000000"), b"\0\0")
    assert info.component_names == (
        "BIOS, Early Microcode Update",
        "OS/VMM",
        *[""] * 14,
    )
    (level,) = info.levels
    assert level.components == bytes([5, 2, *[0] * 14])
    assert level.pcesvn == 10
    assert level.tdx_components is None
    assert level.status == "UpToDate"
    assert level.date == datetime(2024, 5, 15, tzinfo=UTC)
    assert level.advisory_ids == ("INTEL-SA-00001",)


def test_a_tcb_info_of_version_2_is_read() -> None:
    info = info_of(v2())

    assert (info.tee, info.version) == ("SGX", 2)
    assert info.levels[0].components == bytes(range(1, 17))
    assert info.levels[0].pcesvn == 9
    assert info.component_names == ("",) * 16


def test_a_tcb_info_for_tdx_has_two_lists_of_components() -> None:
    level = v3_level()
    level["tcb"]["tdxtcbcomponents"] = [{"svn": number} for number in range(16)]

    info = info_of(v3(level, id="TDX"))

    assert info.tee == "TDX"
    assert info.levels[0].tdx_components == bytes(range(16))


def test_an_enclave_identity_is_read() -> None:
    found = identity_of(identity(qe_level(advisoryIDs=["INTEL-SA-00002"])))

    assert (found.id, found.evaluation_number, found.isv_prod_id) == ("QE", 19, 1)
    assert found.misc_select == 0x04030201
    assert found.misc_select_mask == 0x00FFFFFF
    assert found.attributes == b"\x11" + bytes(15)
    assert found.attributes_mask == b"\xfb" + b"\xff" * 7 + bytes(8)
    assert found.mr_signer == b"\x8c" * 32
    (level,) = found.levels
    assert (level.isv_svn, level.status) == (8, "UpToDate")
    assert level.date == datetime(2024, 5, 15, tzinfo=UTC)
    assert level.advisory_ids == ("INTEL-SA-00002",)


def test_hexadecimal_of_either_case_is_the_same() -> None:
    """TC-06."""
    assert info_of(v3(fmspc="00606a00abcd")) == info_of(v3(fmspc="00606A00ABCD"))
    assert identity_of(identity(mrsigner="8c" * 32)) == identity_of(identity())


def test_members_that_nobody_knows_are_passed_over() -> None:
    level = v3_level(comment="none") | {"tdxModule": {}}

    assert info_of(v3(level, tdxModule={"mrsigner": ""})) == info_of(v3())
    assert identity_of(identity(extra=None)) == identity_of(identity())


def test_a_status_that_nobody_knows_is_kept_for_the_evaluation_to_refuse() -> None:
    assert info_of(v3(v3_level(status="Excellent"))).levels[0].status == "Excellent"
    assert identity_of(identity(qe_level(status=""))).levels[0].status == ""


NOT_NUMBERS: Final = [-1, 1.0, True, "1", None, [], 10**19, 10**21, 1e30]


@pytest.mark.parametrize("svn", [*NOT_NUMBERS, 256])
def test_a_component_is_a_number_of_one_byte(svn: Any) -> None:  # noqa: ANN401
    level, old = v3_level(), v2()
    level["tcb"]["sgxtcbcomponents"][7] = {"svn": svn}
    old["tcbLevels"][0]["tcb"]["sgxtcbcomp08svn"] = svn

    with pytest.raises(EncodingError):
        info_of(v3(level))
    with pytest.raises(EncodingError):
        info_of(old)


@pytest.mark.parametrize("svn", [*NOT_NUMBERS, 65536])
def test_a_pcesvn_is_a_number_of_two_bytes(svn: Any) -> None:  # noqa: ANN401
    old = v2()
    old["tcbLevels"][0]["tcb"]["pcesvn"] = svn

    with pytest.raises(EncodingError):
        info_of(v3(v3_level(pcesvn=svn)))
    with pytest.raises(EncodingError):
        info_of(old)


@pytest.mark.parametrize("svn", [*NOT_NUMBERS, 65536])
@pytest.mark.parametrize("member", ["isvsvn", "isvprodid"])
def test_an_enclave_s_numbers_are_of_two_bytes(member: str, svn: Any) -> None:  # noqa: ANN401
    document = identity(isvprodid=svn) if member == "isvprodid" else identity(qe_level(svn))

    with pytest.raises(EncodingError):
        identity_of(document)


@both
@pytest.mark.parametrize("number", [*NOT_NUMBERS, 2**31])
def test_an_evaluation_number_is_a_number_of_31_bits(parse: Parse, make: Make, number: Any) -> None:  # noqa: ANN401
    assert parse(make(tcbEvaluationDataNumber=2**31 - 1)).evaluation_number == 2**31 - 1

    with pytest.raises(EncodingError):
        parse(make(tcbEvaluationDataNumber=number))


@pytest.mark.parametrize("version", [0, 1, 4, -3, 3.0, "3", True, None, 10**19])
def test_another_version_of_a_tcb_info_is_refused(version: Any) -> None:  # noqa: ANN401
    with pytest.raises(EncodingError):
        info_of(v3(version=version))


@pytest.mark.parametrize("version", [0, 1, 3, 2.0, "2", True, None, 10**19])
def test_another_version_of_an_identity_is_refused(version: Any) -> None:  # noqa: ANN401
    with pytest.raises(EncodingError):
        identity_of(identity(version=version))


def test_an_id_belongs_to_version_3_and_not_to_version_2() -> None:
    nameless = v3()
    del nameless["id"]

    for document in (v2() | {"id": "SGX"}, nameless, v3(id=None)):
        with pytest.raises(EncodingError, match="an id"):
            info_of(document)


def test_an_id_without_a_character_is_not_that_of_sgx() -> None:
    assert info_of(v3(id="")).tee == ""


@pytest.mark.parametrize("tcb_type", [1, -1, "0", False, None])
def test_another_tcb_type_is_refused(tcb_type: Any) -> None:  # noqa: ANN401
    with pytest.raises(EncodingError):
        info_of(v3(tcbType=tcb_type))


@both
@pytest.mark.parametrize(
    "text",
    [
        "",
        "2024-05-15",
        "2024-05-15T00:00:00",
        "2024-05-15T00:00:00+00:00",
        "2024-05-15T00:00:00.000Z",
        "2024-05-15t00:00:00z",
        "2024-5-15T0:0:0Z",
        "2024-05-15 00:00:00Z",
        " 2024-05-15T00:00:00Z",
        "2024-05-15T00:00:00Z ",
        "2023-02-29T00:00:00Z",
        "2024-05-15T24:00:00Z",
        "2024-05-15T23:59:60Z",
        "0000-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "\N{FULLWIDTH DIGIT TWO}024-05-15T00:00:00Z",
        1715731200,
        None,
    ],
)
@pytest.mark.parametrize("member", ["issueDate", "nextUpdate", "tcbDate"])
def test_a_time_that_is_not_written_as_intel_writes_it_is_refused(
    parse: Parse,
    make: Make,
    member: str,
    text: Any,  # noqa: ANN401
) -> None:
    """PA-14 among them."""
    document = make()
    (document["tcbLevels"][0] if member == "tcbDate" else document)[member] = text

    with pytest.raises(EncodingError):
        parse(document)


@both
@pytest.mark.parametrize("text", ["9999-12-31T23:59:59Z", "1970-01-01T00:00:00Z"])
def test_times_far_away_are_times(parse: Parse, make: Make, text: str) -> None:
    assert parse(make(nextUpdate=text)).next_update.strftime("%Y-%m-%dT%H:%M:%SZ") == text


HEXADECIMAL: Final = [
    (info_of, v3, "fmspc", 6),
    (info_of, v3, "pceId", 2),
    (identity_of, identity, "miscselect", 4),
    (identity_of, identity, "miscselectMask", 4),
    (identity_of, identity, "attributes", 16),
    (identity_of, identity, "attributesMask", 16),
    (identity_of, identity, "mrsigner", 32),
]


@pytest.mark.parametrize(("parse", "make", "member", "size"), HEXADECIMAL)
def test_hexadecimal_of_another_form_is_refused(
    parse: Parse, make: Make, member: str, size: int
) -> None:
    right = "ab" * size
    wrong = ["", right[2:], right + "ab", right[:-1], "0x" + right[2:], right[:-2] + "g0"]
    spaced = [right[:-2] + " a", right + " ", " " + right, right[:2] + " " + right[2:]]
    beyond_ascii = ["\N{FULLWIDTH DIGIT ONE}" + right[1:], "\N{LATIN SMALL LETTER E WITH ACUTE}"]

    for text in [*wrong, *spaced, *beyond_ascii, 0, None]:
        with pytest.raises(EncodingError):
            parse(make(**{member: text}))


def paths(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Where each required member of a document is."""
    children: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        children = [item for item in value.items() if item[0] not in {"category", "type"}]
    if isinstance(value, list):
        children = list(enumerate(value))
    return [
        found
        for key, child in children
        for found in ([(*path, key)] if isinstance(key, str) else []) + paths(child, (*path, key))
    ]


@pytest.mark.parametrize(
    ("parse", "document", "path"),
    [
        *[(info_of, v3(), path) for path in paths(v3())],
        *[(info_of, v2(), path) for path in paths(v2())],
        *[(identity_of, identity(), path) for path in paths(identity())],
    ],
)
def test_every_member_has_to_be_there_under_its_exact_name(
    parse: Parse, document: Document, path: tuple[str | int, ...]
) -> None:
    missing, spaced, another = (copy.deepcopy(document) for _ in range(3))
    *parents, last = path
    for changed in (missing, spaced, another):
        holder: Any = changed
        for key in parents:
            holder = holder[key]
        value = holder.pop(last)
        if changed is spaced:
            holder[f"{last} "] = value
        if changed is another:
            holder[last] = [{}]

    for changed in (missing, spaced, another):
        with pytest.raises(EncodingError):
            parse(changed)


@both
@pytest.mark.parametrize("advisories", [None, "INTEL-SA-00001", [1], [None], {}])
def test_advisories_are_a_list_of_names(parse: Parse, make: Make, advisories: Any) -> None:  # noqa: ANN401
    level = make()["tcbLevels"][0] | {"advisoryIDs": advisories}

    with pytest.raises(EncodingError):
        parse(make(level))


@pytest.mark.parametrize("parse", [parse_tcb_info, parse_enclave_identity])
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{",
        b"{}",
        b"\xff",
        b'{"version":2,"version":3}',
        b'{"version":NaN}',
        b'{"a":' * 100 + b"1" + b"}" * 100,
    ],
)
def test_other_json_and_no_json_are_refused(parse: Callable[[bytes], object], data: bytes) -> None:
    with pytest.raises(EncodingError):
        parse(data)


@pytest.mark.parametrize("member", ["version", "fmspc", "tcbLevels"])
def test_a_member_that_is_there_twice_is_refused(member: str) -> None:
    document = v3()
    text = json.dumps(document)

    twice = text[:-1] + f', "{member}": {json.dumps(document[member])}}}'

    with pytest.raises(EncodingError, match="twice"):
        parse_tcb_info(twice.encode())


def test_white_space_and_the_order_of_members_mean_nothing() -> None:
    document = v3()
    members = list(document.items())
    random.Random(7).shuffle(members)  # noqa: S311  any order will do

    assert parse_tcb_info(json.dumps(dict(members), indent=2).encode()) == info_of(document)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@pytest.mark.property
@pytest.mark.parametrize("parse", [parse_tcb_info, parse_enclave_identity])
@given(data=st.data())
def test_any_bytes_are_a_document_or_an_encoding_error(
    parse: Callable[[bytes], object], data: st.DataObject
) -> None:
    sound = json.dumps(v3() if parse is parse_tcb_info else identity()).encode()

    text = data.draw(st.binary(max_size=200) | spliced(sound))

    with contextlib.suppress(EncodingError):
        parse(text)


@pytest.mark.property
@both
@given(data=st.data())
def test_any_value_in_any_place_is_a_document_or_an_encoding_error(
    parse: Parse, make: Make, data: st.DataObject
) -> None:
    document = make()
    *parents, last = data.draw(st.sampled_from(paths(document)))
    holder: Any = document
    for key in parents:
        holder = holder[key]
    holder[last] = data.draw(json_values)

    with contextlib.suppress(EncodingError):
        parse(document)
