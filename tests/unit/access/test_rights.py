from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.access import ALL_INSTANCES, Grants, Right

_PAIRS = st.frozensets(
    st.tuples(st.sampled_from(Right), st.sampled_from([ALL_INSTANCES, "a", "b", "a@b"]))
)


@pytest.mark.parametrize("right", Right)
@pytest.mark.parametrize("instance", [None, "a", "*", ""])
def test_no_grants_allow_nothing(right: Right, instance: str | None) -> None:
    assert not Grants().allow(right, instance)


@pytest.mark.parametrize("right", Right)
def test_a_right_includes_no_other(right: Right) -> None:
    grants = Grants.of([right], [ALL_INSTANCES])

    assert [one for one in Right if grants.allow(one, "a")] == [right]


def test_a_right_for_all_instances_is_one_for_each_and_for_the_server() -> None:
    grants = Grants.of([Right.WRITE], [ALL_INSTANCES])

    assert grants.allow(Right.WRITE, "a")
    assert grants.allow(Right.WRITE, None)


@pytest.mark.parametrize("instance", ["b", "A", "a ", "", "*", None])
def test_a_right_for_one_instance_is_for_no_other(instance: str | None) -> None:
    grants = Grants.of([Right.WRITE], ["a"])

    assert grants.allow(Right.WRITE, "a")
    assert not grants.allow(Right.WRITE, instance)


@given(_PAIRS, _PAIRS)
def test_grants_add_up(
    one: frozenset[tuple[Right, str]], two: frozenset[tuple[Right, str]]
) -> None:
    both = Grants(one) | Grants(two)

    for right in Right:
        for instance in (None, "a", "b", "c"):
            alone = Grants(one).allow(right, instance) or Grants(two).allow(right, instance)
            assert both.allow(right, instance) == alone


@given(_PAIRS)
def test_grants_are_read_back_from_their_texts(pairs: frozenset[tuple[Right, str]]) -> None:
    assert Grants.parse(Grants(pairs).texts) == Grants(pairs)


def test_texts_are_sorted() -> None:
    assert Grants.of([Right.WRITE, Right.READ], ["b", "a"]).texts == (
        "read@a",
        "read@b",
        "write@a",
        "write@b",
    )


@pytest.mark.parametrize("text", ["", "read", "read@", "@a", "admin@a", "READ@a"])
def test_a_text_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"right@instance|valid Right"):
        Grants.parse([text])
