from __future__ import annotations

from assay.cli.exit_code import MEANINGS, ExitCode, exit_code_table


def test_every_code_has_a_meaning_in_the_table() -> None:
    assert set(MEANINGS) == set(ExitCode)
    for code, meaning in MEANINGS.items():
        assert f"  {code.value}  {meaning}" in exit_code_table()


def test_codes_never_change() -> None:
    assert {code.name: code.value for code in ExitCode} == {
        "OK": 0,
        "INTERNAL": 1,
        "USAGE": 2,
        "DENIED": 3,
        "INVALID": 4,
        "COLLATERAL": 5,
        "SERVICE": 6,
    }
