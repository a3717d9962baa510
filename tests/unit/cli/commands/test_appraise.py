from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest

from assay.cli.collateral_path import encode_collateral
from assay.endorsements.tcb import TcbStatus
from assay.evidence.dcap.checks import DCAP_CHECKS
from assay.policy import default_policy, policy_hash
from assay.simulator import SimulatedPlatform
from tests.conftest import AT
from tests.unit.cli.conftest import AT_TEXT, RUNTIME_DATA, Files, Run

DENYING = (
    "version= 1.0;authorizationrules"
    '{[type=="x-ms-sgx-is-debuggable", value==true] => deny(); => permit();};'
)
UNSETTLED = (
    'version=1.2;\nconfigurationrules{=> issueproperty(type="x-ms-sgx-tcbidentifier", value="x");};'
    "authorizationrules{=> permit();};"
)


def test_good_evidence_is_permitted_and_explained(run: Run, files: Files) -> None:
    outcome = run("appraise", files.quote, *files.judged())

    assert outcome.exit_code == 0
    assert outcome.err == ""
    lines = outcome.out.splitlines()
    assert lines[0] == "verdict: permit - the evidence verifies, and the policy permits it"
    assert f"evidence   SgxEnclave, {files.quote.stat().st_size} bytes, read as binary" in lines
    assert f"judged at  {AT_TEXT}" in lines
    for check in DCAP_CHECKS:
        assert f"  pass        {check.step:>2}  {check.title}" in lines
    assert any(line.startswith("TCB        UpToDate as of 2025-11-23") for line in lines)
    assert "policy     permit: permitted by the rule at line 1, which has no condition" in lines
    assert any(line.startswith("expires    2026-12-23") for line in lines)


def test_the_json_answer_has_exactly_its_members(run: Run, files: Files) -> None:
    report = run(
        "appraise", files.quote, *files.judged(), "--runtime-data", files.runtime_data, "--json"
    ).json

    assert list(report) == [
        "verdict",
        "evidence_type",
        "tcb",
        "claims",
        "issued_claims",
        "findings",
        "policy",
        "at",
    ]
    assert report["verdict"] == "permit"
    assert report["evidence_type"] == "SgxEnclave"
    assert report["tcb"] == {
        "status": "UpToDate",
        "advisory_ids": [],
        "date": "2025-11-23T00:00:00Z",
        "evaluation_numbers": {"tcb_info": 20, "qe_identity": 20},
    }
    assert report["claims"]["x-ms-sgx-svn"] == 3
    assert report["claims"]["x-ms-sgx-is-debuggable"] is False
    assert report["claims"]["maa-ehd"] == urlsafe_b64encode(RUNTIME_DATA).decode().rstrip("=")
    assert report["issued_claims"]["svn"] == 3
    assert report["findings"] == []
    text = default_policy("SgxEnclave")
    assert text is not None
    assert report["policy"] == {
        "hash": policy_hash(text),
        "decision": "permit",
        "rule": "line 1: => permit()",
    }
    assert report["at"] == AT_TEXT


def test_open_enclave_evidence_is_known_by_its_first_bytes(run: Run, files: Files) -> None:
    report = run("appraise", files.report, *files.judged(), "--json").json

    assert report["verdict"] == "permit"
    assert report["evidence_type"] == "OpenEnclave"


def test_a_type_that_is_asked_for_outranks_the_first_bytes(run: Run, files: Files) -> None:
    outcome = run("appraise", files.quote, *files.judged(), "--type", "OpenEnclave", "--json")

    assert outcome.exit_code == 4
    assert outcome.json["findings"][0]["check"] == "openenclave.report.oe_format"


def test_evidence_may_be_text_and_the_answer_says_so(
    run: Run, files: Files, tmp_path: Path
) -> None:
    path = tmp_path / "quote.txt"
    path.write_text(files.quote.read_bytes().hex())

    outcome = run("appraise", path, *files.judged())

    assert outcome.exit_code == 0
    assert "read as hexadecimal text" in outcome.out


def test_evidence_may_come_from_standard_input(run: Run, files: Files) -> None:
    outcome = run("appraise", "-", *files.judged(), stdin=files.quote.read_bytes())

    assert outcome.exit_code == 0


def test_a_policy_that_denies_ends_with_code_3_and_its_rule(
    run: Run, files: Files, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.txt"
    policy.write_text(DENYING)

    text = run("appraise", files.debug_quote, *files.judged(), "--policy", policy)
    report = run("appraise", files.debug_quote, *files.judged(), "--policy", policy, "--json")

    assert text.exit_code == report.exit_code == 3
    assert text.out.startswith("verdict: deny - ")
    assert (
        "policy     deny: denied by the rule at line 1: x-ms-sgx-is-debuggable is true" in text.out
    )
    assert report.json["policy"]["hash"] == policy_hash(DENYING)
    assert report.json["policy"]["decision"] == "deny"
    assert report.json["policy"]["rule"].startswith("line 1: [type==")
    assert report.json["issued_claims"] == {}


def test_debug_enclaves_are_left_to_the_policy(run: Run, files: Files) -> None:
    assert run("appraise", files.debug_quote, *files.judged()).exit_code == 0


def test_a_policy_that_is_none_is_a_usage_error_with_the_place(
    run: Run, files: Files, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.txt"
    policy.write_text("version= 1.0;\nauthorizationrules{=> allow();};")

    outcome = run("appraise", files.quote, *files.judged(), "--policy", policy)

    assert outcome.exit_code == 2
    assert outcome.out == ""
    first, place, *_ = outcome.err.splitlines()
    assert first == f"assay: --policy: {policy} is not a policy"
    assert place.startswith("line 2, column ")
    assert "^" in outcome.err


def test_a_policy_whose_settings_cannot_be_is_a_usage_error_with_its_file(
    run: Run, files: Files, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.txt"
    policy.write_text(UNSETTLED)

    outcome = run("appraise", files.quote, *files.judged(), "--policy", policy)

    assert outcome.exit_code == 2
    assert outcome.out == ""
    assert outcome.err.startswith(f"assay: --policy: {policy}: line 2, column ")


def test_tampered_evidence_is_invalid_with_its_finding(
    run: Run, files: Files, tmp_path: Path
) -> None:
    quote = bytearray(files.quote.read_bytes())
    quote[112] ^= 1
    path = tmp_path / "tampered.bin"
    path.write_bytes(quote)

    text = run("appraise", path, *files.judged())
    report = run("appraise", path, *files.judged(), "--json")

    assert text.exit_code == report.exit_code == 4
    assert "  FAIL         7  the attestation key signed the quote" in text.out
    assert "  1. dcap.quote.quote_signature\n     expected  " in text.out
    assert "policy     not asked" in text.out
    (finding,) = report.json["findings"]
    assert list(finding) == ["check", "expected", "actual", "hint"]
    assert finding["check"] == "dcap.quote.quote_signature"
    assert report.json["tcb"] is None
    assert report.json["claims"] == {}
    assert report.json["policy"]["decision"] is None


@pytest.mark.parametrize("content", [b"", b"\x03", b"hello", b"\xff" * 100])
def test_a_file_that_is_no_evidence_is_invalid(
    run: Run, files: Files, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "noise"
    path.write_bytes(content)

    outcome = run("appraise", path, *files.judged(), "--json")

    assert outcome.exit_code == 4
    assert outcome.json["verdict"] == "invalid"
    assert outcome.json["findings"]


def test_only_the_structure_is_judged_of_evidence_that_does_not_parse(
    run: Run, files: Files, tmp_path: Path
) -> None:
    path = tmp_path / "noise"
    path.write_bytes(b"\xff" * 100)

    out = run("appraise", path, *files.judged()).out

    assert "  FAIL         1  " in out
    assert "  not judged   7  " in out
    assert "  pass" not in out


def test_runtime_data_that_the_evidence_does_not_vouch_for_is_invalid(
    run: Run, files: Files, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"other")

    outcome = run("appraise", files.quote, *files.judged(), "--runtime-data", other, "--json")

    assert outcome.exit_code == 4
    assert [one["check"] for one in outcome.json["findings"]] == ["appraisal.runtime_data.binding"]


def test_runtime_data_may_become_an_object(run: Run, files: Files) -> None:
    outcome = run(
        "appraise",
        files.quote,
        *files.judged(),
        "--runtime-data",
        files.runtime_data,
        "--runtime-data-type",
        "JSON",
        "--nonce",
        "n",
        "--json",
    )

    assert outcome.exit_code == 0
    assert "maa-ehd" not in outcome.json["claims"]


@pytest.mark.parametrize(
    ("nonce", "reason"),
    [("n" * 1025, "at most 1024 characters"), ("\udcff", "Unicode text")],
)
def test_a_nonce_that_a_service_would_refuse_is_a_usage_error(
    run: Run, files: Files, nonce: str, reason: str
) -> None:
    outcome = run("appraise", files.quote, *files.judged(), "--nonce", nonce)

    assert outcome.exit_code == 2
    assert outcome.out == ""
    assert outcome.err.startswith(f"assay: --nonce: expected {reason}")


def test_init_time_data_is_held_against_the_configuration_id(run: Run, files: Files) -> None:
    outcome = run(
        "appraise", files.quote, *files.judged(), "--init-time-data", files.runtime_data, "--json"
    )

    assert [one["check"] for one in outcome.json["findings"]] == [
        "appraisal.init_time_data.binding"
    ]


def test_without_collateral_the_way_to_get_some_is_told(run: Run, files: Files) -> None:
    outcome = run("appraise", files.quote, "--at", AT_TEXT)

    assert outcome.exit_code == 5
    assert "assay collateral fetch" in outcome.err
    assert outcome.err.count("\n") == 1
    assert "  pass         1  " in outcome.out
    assert "  not judged   2  " in outcome.out
    assert "FAIL" not in outcome.out


def test_without_collateral_json_has_the_finding(run: Run, files: Files) -> None:
    outcome = run("appraise", files.quote, "--at", AT_TEXT, "--json")

    assert outcome.exit_code == 5
    assert outcome.json["verdict"] == "error"
    assert outcome.json["findings"][0]["check"] == "appraisal.collateral.unavailable"


def test_collateral_may_come_from_the_environment(
    run: Run, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_COLLATERAL", str(files.collateral))

    assert run("appraise", files.quote, "--root", files.root, "--at", AT_TEXT).exit_code == 0


def test_collateral_that_is_out_of_date_gives_no_conclusion(run: Run, files: Files) -> None:
    outcome = run(
        "appraise",
        files.quote,
        "--collateral",
        files.collateral,
        "--root",
        files.root,
        "--at",
        "2027-02-01T00:00:00Z",
        "--json",
    )

    assert outcome.exit_code == 5
    assert outcome.json["verdict"] == "error"
    assert {one["check"].rpartition("_")[2] for one in outcome.json["findings"]} == {"expired"}


def test_without_a_root_only_intel_is_trusted(run: Run, files: Files) -> None:
    outcome = run(
        "appraise", files.quote, "--collateral", files.collateral, "--at", AT_TEXT, "--json"
    )

    assert outcome.exit_code == 4
    assert "dcap.pck_chain.root_untrusted" in {one["check"] for one in outcome.json["findings"]}


def test_several_roots_may_be_given(run: Run, files: Files, tmp_path: Path) -> None:
    other = tmp_path / "other.der"
    other.write_bytes(SimulatedPlatform.create(AT).pki.root_ca.der)

    outcome = run("appraise", files.quote, *files.judged(), "--root", other)

    assert outcome.exit_code == 0


def test_a_root_that_is_no_certificate_is_a_usage_error(run: Run, files: Files) -> None:
    # A quote has certificates inside: named by mistake, it must not vouch for itself.
    for other in (files.quote, files.runtime_data):
        outcome = run("appraise", files.quote, *files.judged(), "--root", other)

        assert outcome.exit_code == 2
        assert outcome.err.startswith(f"assay: --root: {other}: ")


@pytest.fixture(scope="module")
def outdated(platform: SimulatedPlatform, tmp_path_factory: pytest.TempPathFactory) -> Files:
    behind = platform.with_status(TcbStatus.OUT_OF_DATE)
    made = Files(tmp_path_factory.mktemp("outdated"), behind)
    made.quote.write_bytes(behind.quote())
    made.collateral.write_bytes(encode_collateral(behind.collateral(AT)))
    made.root.write_bytes(behind.pki.root_ca.pem)
    return made


def test_every_status_is_left_to_the_policy(run: Run, outdated: Files) -> None:
    outcome = run("appraise", outdated.quote, *outdated.judged())

    assert outcome.exit_code == 0
    assert "TCB        OutOfDate as of" in outcome.out
    assert "short of the best level: " in outcome.out


def test_statuses_can_be_narrowed(run: Run, outdated: Files) -> None:
    narrow = ("--accept-tcb", "UpToDate, SWHardeningNeeded")

    outcome = run("appraise", outdated.quote, *outdated.judged(), *narrow, "--json")

    assert outcome.exit_code == 4
    assert [one["check"] for one in outcome.json["findings"]] == ["dcap.tcb.tcb_not_accepted"]
    assert outcome.json["tcb"]["status"] == "OutOfDate"


@pytest.mark.parametrize("text", ["uptodate", "Revoked", "", "UpToDate,"])
def test_a_status_that_cannot_be_accepted_is_a_usage_error(
    run: Run, files: Files, text: str
) -> None:
    outcome = run("appraise", files.quote, *files.judged(), "--accept-tcb", text)

    assert outcome.exit_code == 2
    assert "--accept-tcb: expected some of UpToDate, SWHardeningNeeded" in outcome.err


def test_text_that_was_cut_still_gets_one_json_object(
    run: Run, files: Files, tmp_path: Path
) -> None:
    path = tmp_path / "cut"
    path.write_text("AwACA")

    outcome = run("appraise", path, *files.judged(), "--json")

    assert outcome.exit_code == 4
    assert outcome.json["verdict"] == "invalid"
    assert outcome.json["evidence_type"] is None
    assert run("appraise", path, *files.judged()).out == ""


def test_a_file_that_is_missing_is_a_usage_error(run: Run, files: Files) -> None:
    outcome = run("appraise", "missing.bin", *files.judged())

    assert outcome.exit_code == 2
    assert outcome.err == "assay: missing.bin: cannot be read: No such file or directory\n"


def test_two_files_cannot_both_be_standard_input(run: Run, files: Files) -> None:
    evidence = files.quote.read_bytes()

    outcome = run("appraise", "-", "--policy", "-", *files.judged(), stdin=evidence)

    assert outcome.exit_code == 2
    assert "only one of the files may be -" in outcome.err
    assert outcome.out == ""


def test_an_instant_long_ago_is_written_in_full(run: Run, files: Files) -> None:
    report = run("appraise", files.quote, "--at", "0010-01-01T00:00:00Z", "--json").json

    assert report["at"] == "0010-01-01T00:00:00Z"


def test_claims_with_several_values_are_arrays(run: Run, tmp_path: Path) -> None:
    advisories = ("INTEL-SA-00001", "INTEL-SA-00002")
    platform = SimulatedPlatform.create(
        AT, status=TcbStatus.SW_HARDENING_NEEDED, advisory_ids=advisories
    )
    made = Files(tmp_path, platform)
    made.quote.write_bytes(platform.quote())
    made.collateral.write_bytes(encode_collateral(platform.collateral(AT)))
    made.root.write_bytes(platform.pki.root_ca.pem)

    report = run("appraise", made.quote, *made.judged(), "--json").json

    assert report["claims"]["x-assay-advisory-ids"] == list(advisories)
    assert report["tcb"]["advisory_ids"] == list(advisories)


def test_the_json_answer_is_the_same_each_time(run: Run, files: Files) -> None:
    first = run("appraise", files.quote, *files.judged(), "--json")
    second = run("appraise", files.quote, *files.judged(), "--json")

    assert json.dumps(first.json) == json.dumps(second.json)
    assert first.out == second.out
