from __future__ import annotations

from pathlib import Path

import pytest

from assay import clock
from assay.server.assembly import prepare
from assay.server.checkup.doctor import CHECKS, examine
from assay.server.settings_reader import SettingsReading
from assay.service.checkup import CheckOutcome, CheckResult
from assay.simulator import SimulatedPlatform, save_platform
from tests.unit.server.checkup.conftest import Read, make_store


@pytest.fixture
def flags(platform: SimulatedPlatform, tmp_path: Path) -> dict[str, object]:
    """A server that asks nobody for collateral."""
    save_platform(platform, tmp_path / "machine")
    return {
        "dev": True,
        "simulator": str(tmp_path / "machine"),
        "instance__token_algorithm": "ES256",
    }


def _results(reading: SettingsReading) -> dict[str, CheckResult]:
    results = examine(reading, at=clock.now())
    assert tuple(result.name for result in results) == CHECKS
    for result in results:
        assert bool(result.remedy) is (result.outcome is CheckOutcome.FAILED), result
    return {result.name: result for result in results}


def _outcomes(reading: SettingsReading, outcome: CheckOutcome) -> set[str]:
    return {name for name, result in _results(reading).items() if result.outcome is outcome}


def test_a_service_that_was_started_has_nothing_wrong(read: Read, flags: dict[str, object]) -> None:
    reading = read(**flags)
    assert reading.settings is not None
    prepare(reading.settings, port=8080)

    assert _outcomes(reading, CheckOutcome.FAILED) == set()
    assert _outcomes(reading, CheckOutcome.SKIPPED) == {"tls", "collateral"}


def test_before_the_first_start_only_the_database_is_missing(
    read: Read, flags: dict[str, object], tmp_path: Path
) -> None:
    reading = read(**flags)

    assert _outcomes(reading, CheckOutcome.FAILED) == {"database"}
    assert _outcomes(reading, CheckOutcome.SKIPPED) >= {"keys", "authentication", "user"}
    assert not (tmp_path / "data").exists()


def test_a_key_that_is_gone_is_told(read: Read, flags: dict[str, object], tmp_path: Path) -> None:
    reading = read(**flags)
    assert reading.settings is not None
    prepare(reading.settings, port=8080)
    (tmp_path / "data" / "key-encryption.key").unlink()

    assert _outcomes(reading, CheckOutcome.FAILED) == {"keys"}


def test_files_that_settings_name_are_read(read: Read, flags: dict[str, object]) -> None:
    flags["instance__policy_files__SgxEnclave"] = "missing.policy"

    result = _results(read(**flags))["settings"]

    assert result.outcome is CheckOutcome.FAILED
    assert "cannot read missing.policy" in result.says


def test_an_address_without_authentication_is_told(read: Read, tmp_path: Path) -> None:
    reading = read(host="192.0.2.1", collateral__source="path", collateral__path=str(tmp_path))
    assert reading.settings is not None
    make_store(reading.settings)

    assert _outcomes(reading, CheckOutcome.FAILED) == {"authentication", "port", "collateral"}


def test_authentication_of_the_settings_needs_no_database(
    read: Read, flags: dict[str, object], tmp_path: Path
) -> None:
    file = tmp_path / "assay.toml"
    file.write_text('[[auth.issuers]]\nissuer = "https://issuer.example"\naudiences = ["assay"]\n')

    assert _results(read(file, **flags))["authentication"].outcome is CheckOutcome.OK
    file.write_text(file.read_text() + 'ca_file = "missing.pem"\n')
    assert _results(read(file, **flags))["authentication"].outcome is CheckOutcome.FAILED


def test_of_settings_that_do_not_fit_every_problem_is_a_line(read: Read, tmp_path: Path) -> None:
    file = tmp_path / "assay.toml"
    file.write_text("prot = 1\nworkers = 0\n")

    results = examine(read(file), at=clock.now())

    assert [result.name for result in results] == ["settings", "settings"]
    assert all(result.outcome is CheckOutcome.FAILED for result in results)
    assert all(result.remedy for result in results)
