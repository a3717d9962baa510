"""`assay appraise --json` over the shared quotes: what scripts see for every real and made case."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest
from typer.testing import CliRunner

from assay.cli import app
from tests.vectors import vector_params

_EXIT_CODES: Final = {"permit": 0, "deny": 3, "invalid": 4, "error": 5}

_ACCEPTED: Final = {
    "pki-high-s-quote": "ECDSA as FIPS 186 has it knows no low s",
    "pki-v4-sgx-type": "versions 4 and 5 may carry an SGX body",
    "pki-v5-sgx-body": "versions 4 and 5 may carry an SGX body",
}
"""Cases of severity `info` that Assay decides otherwise, with the reason."""


def _appraise(folder: Path, at: int) -> tuple[int, dict[str, Any]]:
    arguments = ["appraise", str(folder / "quote.bin"), "--at", str(at), "--json"]
    arguments += ["--type", "SgxEnclave", "--collateral", str(folder / "collateral.json")]
    root = folder / "root_ca.der"
    if root.exists():
        arguments += ["--root", str(root)]
    outcome = CliRunner().invoke(app, arguments)
    report: dict[str, Any] = json.loads(outcome.stdout)
    assert outcome.exit_code == _EXIT_CODES[report["verdict"]]
    return outcome.exit_code, report


@pytest.mark.parametrize("folder", vector_params("dcap/real/sgx-*"))
def test_a_real_quote_is_permitted_with_the_status_of_its_time(folder: Path) -> None:
    vector = json.loads((folder / "vector.json").read_text())

    code, report = _appraise(folder, vector["verification_time"])

    assert code == 0
    expected = vector["expected"]
    assert report["tcb"]["status"] == expected["status"]
    assert sorted(report["tcb"]["advisory_ids"]) == sorted(expected["advisory_ids"])
    assert report["tcb"]["date"] == expected["tcb_date"]
    assert report["tcb"]["evaluation_numbers"] == {
        "tcb_info": vector["tcb_info"]["tcbEvaluationDataNumber"],
        "qe_identity": vector["qe_identity"]["tcbEvaluationDataNumber"],
    }
    assert report["findings"] == []


@pytest.mark.parametrize("folder", vector_params("dcap/made/sgx3-*", "dcap/made/pki-*"))
def test_a_made_quote_gets_the_verdict_and_the_class_of_its_defect(folder: Path) -> None:
    case = json.loads((folder / "case.json").read_text())

    code, report = _appraise(folder, case["verification_time"])

    classes = {finding["check"].rpartition(".")[2].upper() for finding in report["findings"]}
    if _is_tdx(folder):
        assert (code, classes) == (4, {"UNSUPPORTED"})
    elif case["expect"] != "REJECT" or folder.name in _ACCEPTED:
        assert code == 0
        assert report["tcb"]["status"] == case["expect"].replace("REJECT", "UpToDate")
    else:
        assert code in {4, 5}
        assert classes & set(case["error_classes"])


def _is_tdx(folder: Path) -> bool:
    quote = (folder / "quote.bin").read_bytes()
    return len(quote) > 8 and quote[4:8] == bytes.fromhex("81000000")
