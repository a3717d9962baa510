from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.encoding import EncodingError
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

LEVELS: Final = [
    v3_level(first, pcesvn, f"{first}/{pcesvn}")
    for first, pcesvn in [(9, 3), (9, 2), (8, 200), (8, 7), (0, 0)]
]


@pytest.mark.property
@given(st.permutations(LEVELS))
def test_levels_are_ranked_whatever_their_order(levels: list[Document]) -> None:
    """TC-02."""
    assert info_of(v3(*levels)) == info_of(v3(*LEVELS))
    assert [level.status for level in info_of(v3(*levels)).levels] == [
        "9/3",
        "9/2",
        "8/200",
        "8/7",
        "0/0",
    ]


def test_later_components_rank_below_earlier_ones_and_above_pcesvn() -> None:
    low, high = v3_level(5, pcesvn=99), v3_level(5, pcesvn=1)
    high["tcb"]["sgxtcbcomponents"][15]["svn"] = 1

    assert [level.pcesvn for level in info_of(v3(low, high)).levels] == [1, 99]


def test_tdx_components_rank_last() -> None:
    levels = [v3_level() for _ in range(2)]
    for number, level in enumerate(levels):
        level["tcb"]["tdxtcbcomponents"] = [{"svn": number} for _ in range(16)]
        level["tcbStatus"] = str(number)

    assert [level.status for level in info_of(v3(*levels, id="TDX")).levels] == ["1", "0"]


def test_a_level_without_tdx_components_ranks_below_its_twin_that_has_some() -> None:
    bare, tdx = v3_level(status="bare"), v3_level(status="tdx")
    tdx["tcb"]["tdxtcbcomponents"] = [{"svn": 0} for _ in range(16)]

    assert [level.status for level in info_of(v3(bare, tdx)).levels] == ["tdx", "bare"]


@pytest.mark.property
@given(st.permutations([qe_level(svn, status=str(svn)) for svn in (0, 5, 8, 256)]))
def test_an_enclave_s_levels_are_ranked_whatever_their_order(levels: list[Document]) -> None:
    found = [level.isv_svn for level in identity_of(identity(*levels)).levels]

    assert found == [256, 8, 5, 0]


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    "contradiction",
    [
        {"tcbStatus": "OutOfDate"},
        {"tcbDate": "2023-01-01T00:00:00Z"},
        {"advisoryIDs": ["INTEL-SA-00003"]},
    ],
)
def test_two_statements_on_one_level_are_refused(contradiction: Document, order: int) -> None:
    """Their order in the document would decide which one counts."""
    infos = [v3_level(), v3_level() | contradiction][::order]
    identities = [qe_level(), qe_level() | contradiction][::order]

    with pytest.raises(EncodingError, match="one statement"):
        info_of(v3(v3_level(1), *infos, v3_level(9)))
    with pytest.raises(EncodingError, match="one statement"):
        identity_of(identity(qe_level(1), *identities, qe_level(9)))


def test_a_level_that_is_merely_repeated_does_no_harm() -> None:
    assert len(info_of(v3(v3_level(), v3_level())).levels) == 2
    assert len(identity_of(identity(qe_level(), qe_level())).levels) == 2


@pytest.mark.parametrize("count", [0, 1, 15, 17, 32])
@pytest.mark.parametrize("kind", ["sgxtcbcomponents", "tdxtcbcomponents"])
def test_there_are_sixteen_components_and_no_other_number(kind: str, count: int) -> None:
    """TC-01."""
    level = v3_level()
    level["tcb"][kind] = [{"svn": 0}] * count

    with pytest.raises(EncodingError, match="length"):
        info_of(v3(level))


@pytest.mark.parametrize("missing", [*[f"sgxtcbcomp{n:02}svn" for n in range(1, 17)], "pcesvn"])
def test_version_2_has_all_its_components(missing: str) -> None:
    document = v2()
    del document["tcbLevels"][0]["tcb"][missing]

    with pytest.raises(EncodingError, match=missing):
        info_of(document)


@both
def test_there_is_one_level_at_least_and_no_flood_of_them(parse: Parse, make: Make) -> None:
    (level,) = make()["tcbLevels"]

    assert len(parse(make(*[level] * 1024)).levels) == 1024
    refused: list[Any] = [[], [level] * 1025, None, {}, [None], [[]]]
    for levels in refused:
        with pytest.raises(EncodingError):
            parse(make(tcbLevels=levels))
