"""The shared policies as `assay policy test` sees them: each sidecar is a fixture."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from assay.cli.policy_suite import run_folder, total
from assay.encoding import parse_json_object
from assay.policy.fixtures import Status, read_fixture, run_fixture
from assay.policy.review import review_policy
from tests.vectors import vector_params

_FOLDERS: Final = ("accept", "reject", "ambiguous")


@pytest.mark.parametrize(
    "path", vector_params(*(f"policy/{folder}/*.policy" for folder in _FOLDERS))
)
def test_each_policy_passes_its_sidecar(path: Path) -> None:
    sidecar = path.with_suffix(".json")
    fixture = read_fixture(parse_json_object(sidecar.read_bytes(), sidecar.name), sidecar.name)

    results = run_fixture(path.read_bytes().decode(), fixture)

    assert [result for result in results if result.status is Status.FAILED] == []
    # What a sidecar asks without an expectation is a question of its own, and nothing else is.
    skipped = any(result.status is Status.SKIPPED for result in results)
    assert skipped is bool(fixture.question)


@pytest.mark.parametrize("folder", _FOLDERS)
def test_a_whole_folder_passes(vectors: Path, folder: str) -> None:
    results = run_folder(vectors / "policy" / folder)

    assert total(results, Status.FAILED) == 0
    assert total(results, Status.PASSED) > 0
    assert len(results) == len(list((vectors / "policy" / folder).glob("*.policy")))


@pytest.mark.parametrize("path", vector_params("policy/reject/*.policy"))
def test_every_error_says_what_was_expected_and_what_to_do(path: Path) -> None:
    for error in review_policy(path.read_bytes().decode()):
        assert error.message.startswith("expected ")
        assert ", got " in error.message
        assert "; " in error.message, "a hint"
        assert set(error.caret.lstrip()) == {"^"}
