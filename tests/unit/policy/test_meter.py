from __future__ import annotations

import pytest

from assay.policy.meter import CHARACTERS_A_STEP, MAX_STEPS, Meter, OutOfStepsError


def spent(value: object, depth: int = 1_000) -> int:
    meter = Meter()
    meter.weigh(value, depth)
    return MAX_STEPS - meter.steps


def test_steps_can_be_spent_to_the_last_one() -> None:
    meter = Meter()

    meter.spend(MAX_STEPS)

    with pytest.raises(OutOfStepsError):
        meter.spend(1)


def test_a_value_weighs_its_nodes_and_characters() -> None:
    assert spent(None) == spent(5) == spent("") == 1
    assert spent("x" * CHARACTERS_A_STEP) == 2
    assert spent([1, [2, 3], {"a": "b"}]) == 7


def test_a_value_can_be_weighed_at_its_surface() -> None:
    assert spent([[1, 2], [3]], 0) == 1
    assert spent([[1, 2], [3]], 1) == 3


def test_a_value_of_shared_parts_is_not_counted_to_its_end() -> None:
    value: list[object] = [1]
    for _ in range(100):
        value = [value, value]

    with pytest.raises(OutOfStepsError):
        Meter(10_000).weigh(value)


def test_a_value_can_take_the_last_step() -> None:
    meter = Meter(3)

    meter.weigh([1, 2])

    assert meter.steps == 0
    with pytest.raises(OutOfStepsError):
        Meter(2).weigh([1, 2])


def test_the_names_of_members_weigh_as_strings_do() -> None:
    assert spent({"x" * 2 * CHARACTERS_A_STEP: 1}) == 2 + 2
    assert spent([{"x" * 160: 1}] * 3) == 1 + 3 * (2 + 10)
    assert spent({f"{number:04}": 0 for number in range(100)}) == 1 + 100 + 400 // 16
    assert spent({"x" * 160: 1}, 0) == 1 + 10


def test_a_value_tells_how_long_its_text_is_at_least() -> None:
    assert Meter().weigh(None) == 1
    assert Meter().weigh("abc") == 4
    assert Meter().weigh([{"ab": "cd"}, 1]) == 4 + 4
