from __future__ import annotations

from enum import IntEnum, StrEnum

import pytest

from assay.claims import Claim, ClaimIssuer
from assay.policy.run import (
    MAX_INCOMING_CLAIMS,
    MAX_OUTPUT_CHARACTERS,
    BoundReachedError,
    Outgoing,
    Run,
    json_members,
    value_sets,
)


class Word(StrEnum):
    A = "a"


class Number(IntEnum):
    ONE = 1


def test_incoming_claims_are_found_by_type() -> None:
    claims = Claim("a", 1), Claim("b", "x"), Claim("a", 2)

    run = Run(claims)

    assert run.by_type == {"a": [claims[0], claims[2]], "b": [claims[1]]}
    assert run.claims() == [claims[0], claims[2], claims[1]]


def test_claims_that_nobody_looks_at_are_left_out() -> None:
    run = Run((Claim("a", 1), Claim("b", 2)), frozenset({"b", "c"}))

    assert run.claims() == [Claim("b", 2)]


def test_values_of_enumerations_become_plain_and_the_rest_of_a_claim_stays() -> None:
    run = Run(
        (
            Claim("a", Word.A, ClaimIssuer.CUSTOM),
            Claim("b", Number.ONE, read_only=True),
            Claim("c", 1, read_only=True),
        )
    )

    assert [type(claim.value) for claim in run.claims()] == [str, int, int]
    assert run.claims() == [
        Claim("a", "a", ClaimIssuer.CUSTOM),
        Claim("b", 1, ClaimIssuer.SERVICE, read_only=True),
        Claim("c", 1, ClaimIssuer.SERVICE, read_only=True),
    ]


@pytest.mark.parametrize("value", [1.5, None, b"x", ["a"]])
def test_a_value_of_another_type_is_a_programming_mistake(value: object) -> None:
    with pytest.raises(TypeError, match="a string, an integer or a Boolean"):
        Run((Claim("a", value),))  # type: ignore[arg-type]


def test_the_number_of_incoming_claims_is_bounded() -> None:
    Run((Claim("a", 1),) * MAX_INCOMING_CLAIMS)

    with pytest.raises(BoundReachedError):
        Run((Claim("a", 1),) * (MAX_INCOMING_CLAIMS + 1))


def test_an_equal_claim_is_added_once() -> None:
    run = Run((Claim("a", 1),))

    for value in (1, True, 1, "1"):
        run.add("a", value, read_only=False)
    run.add("a", 1, read_only=True)

    assert run.by_type["a"] == [
        Claim("a", 1),
        *(Claim("a", value, ClaimIssuer.POLICY) for value in (1, True, "1")),
        Claim("a", 1, ClaimIssuer.POLICY, read_only=True),
    ]


def test_one_value_stands_bare_and_several_in_an_array() -> None:
    outgoing: Outgoing = {"a": {(int, 1): 1}, "b": {(int, 1): 1, (bool, True): True}}

    assert json_members(outgoing) == {"a": 1, "b": [1, True]}
    assert value_sets(outgoing) == {"a": (1,), "b": (1, True)}


def test_output_is_bounded() -> None:
    text = "x" * (MAX_OUTPUT_CHARACTERS - 1)

    assert json_members({"a": {(str, text): text}}) == {"a": text}
    with pytest.raises(BoundReachedError):
        json_members({"ab": {(str, text): text}})


def test_all_that_goes_out_counts_together() -> None:
    half = "x" * (MAX_OUTPUT_CHARACTERS // 2 - 1)
    outgoing: Outgoing = {name: {(str, half): half} for name in ("a", "b")}

    assert json_members(outgoing) == {"a": half, "b": half}
    with pytest.raises(BoundReachedError):
        json_members({**outgoing, "": {(bool, True): True}})
