from __future__ import annotations

from pathlib import Path

import pytest

from assay.simulator import load_platform
from tests.unit.cli.conftest import AT_TEXT, RUNTIME_DATA, Outcome, Run


class Bench:
    """Simulates into a folder and appraises what is there."""

    def __init__(self, run: Run, folder: Path) -> None:
        self._run = run
        self._folder = folder

    def simulate(self, *arguments: object) -> Outcome:
        return self._run(
            "simulate",
            *arguments,
            "--at",
            AT_TEXT,
            "--out",
            self._folder / "evidence",
            "--collateral-out",
            self._folder / "collateral.json",
            "--root-out",
            self._folder / "root.pem",
        )

    def appraise(self, *arguments: object) -> Outcome:
        return self._run(
            "appraise",
            self._folder / "evidence",
            "--collateral",
            self._folder / "collateral.json",
            "--root",
            self._folder / "root.pem",
            "--at",
            AT_TEXT,
            "--json",
            *arguments,
        )


@pytest.fixture
def bench(run: Run, tmp_path: Path) -> Bench:
    return Bench(run, tmp_path)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.write_bytes(RUNTIME_DATA)
    return path


@pytest.mark.parametrize("version", ["3", "4", "5"])
def test_a_simulated_quote_is_permitted_under_its_root(bench: Bench, version: str) -> None:
    outcome = bench.simulate("sgx", "--quote-version", version)

    assert outcome.exit_code == 0
    assert "proves nothing about real hardware" in outcome.err
    assert bench.appraise().exit_code == 0


def test_the_enclave_is_as_the_options_say(bench: Bench, data: Path) -> None:
    bench.simulate(
        "sgx",
        "--runtime-data",
        data,
        "--mr-enclave",
        "11" * 32,
        "--mr-signer",
        "22" * 32,
        "--isv-prod-id",
        "7",
        "--isv-svn",
        "9",
        "--debug",
    )

    report = bench.appraise("--runtime-data", data).json

    assert report["verdict"] == "permit"
    assert report["claims"]["x-ms-sgx-mrenclave"] == "11" * 32
    assert report["claims"]["x-ms-sgx-mrsigner"] == "22" * 32
    assert report["claims"]["x-ms-sgx-product-id"] == 7
    assert report["claims"]["x-ms-sgx-svn"] == 9
    assert report["claims"]["x-ms-sgx-is-debuggable"] is True


@pytest.mark.parametrize("envelope", ["report", "evidence"])
def test_open_enclave_evidence_vouches_for_the_data(
    bench: Bench, data: Path, envelope: str
) -> None:
    bench.simulate("openenclave", "--envelope", envelope, "--runtime-data", data)

    report = bench.appraise("--runtime-data", data).json

    assert report["verdict"] == "permit"
    assert report["evidence_type"] == "OpenEnclave"


@pytest.mark.parametrize("envelope", ["report", "evidence"])
def test_open_enclave_evidence_needs_no_data(bench: Bench, envelope: str) -> None:
    bench.simulate("openenclave", "--envelope", envelope)

    assert bench.appraise().exit_code == 0


def test_the_status_is_what_the_collateral_gives(bench: Bench) -> None:
    bench.simulate("sgx", "--status", "OutOfDate")

    assert bench.appraise().json["tcb"]["status"] == "OutOfDate"


def test_a_platform_is_kept_and_used_again(bench: Bench, tmp_path: Path) -> None:
    home = tmp_path / "platform"

    first = bench.simulate("sgx", "--platform", home)
    root = (tmp_path / "root.pem").read_bytes()
    second = bench.simulate("openenclave", "--platform", home)

    assert f"platform   {home}" in first.out
    assert second.exit_code == 0
    assert (tmp_path / "root.pem").read_bytes() == root
    assert load_platform(home).pki.root_ca.pem == root


def test_a_status_is_kept_with_the_platform(bench: Bench, tmp_path: Path) -> None:
    home = tmp_path / "platform"
    bench.simulate("sgx", "--platform", home)

    bench.simulate("sgx", "--platform", home, "--status", "SWHardeningNeeded")
    bench.simulate("sgx", "--platform", home)

    assert bench.appraise().json["tcb"]["status"] == "SWHardeningNeeded"


def test_the_json_answer_names_the_files(run: Run, tmp_path: Path) -> None:
    outcome = run("simulate", "sgx", "--out", tmp_path / "quote", "--json")

    assert outcome.json == {"evidence": str(tmp_path / "quote")}
    assert outcome.err == ""


@pytest.mark.parametrize(
    "at",
    [
        "0001-01-01T00:00:00Z",
        "0010-06-01T00:00:00Z",
        "1949-12-31T23:59:59Z",
        "1950-12-31T23:59:59Z",
        "9970-01-08T00:00:00Z",
        "9990-01-01T00:00:00Z",
        "9999-12-31T00:00:00Z",
    ],
)
@pytest.mark.parametrize("kind", ["sgx", "openenclave"])
def test_a_time_that_no_certificate_can_be_made_at_is_a_usage_error(
    run: Run, tmp_path: Path, kind: str, at: str
) -> None:
    outcome = run("simulate", kind, "--out", tmp_path / "evidence", "--at", at)

    assert outcome.exit_code == 2
    assert "--at: expected a time from 1951-01-01 to 9970-01-07" in outcome.err
    assert not (tmp_path / "evidence").exists()


@pytest.mark.parametrize("at", ["1951-01-01T00:00:00Z", "9970-01-07T23:59:59Z"])
def test_all_of_a_platform_can_be_made_at_the_first_and_the_last_day(
    run: Run, tmp_path: Path, at: str
) -> None:
    paths = [tmp_path / name for name in ("evidence", "collateral", "root", "home")]
    options = ("--out", "--collateral-out", "--root-out", "--platform")
    arguments = [one for pair in zip(options, paths, strict=True) for one in pair]

    for kind in ("sgx", "openenclave"):
        assert run("simulate", kind, *arguments, "--at", at).exit_code == 0

    judged = ("--collateral", paths[1], "--root", paths[2], "--at", at)
    assert run("appraise", paths[0], *judged).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--status", "Good"), "--status: expected one of UpToDate"),
        (("--mr-enclave", "11"), "--mr-enclave: expected 32 bytes of hexadecimal, got 1"),
        (("--mr-signer", "xx"), "--mr-signer: expected hexadecimal"),
        (("--runtime-data", "missing"), "missing: cannot be read"),
        (("--platform", "/dev/null/x"), "cannot be written"),
        (("--platform", "x" * 256), "cannot be read: File name too long"),
    ],
)
def test_options_that_do_not_fit_are_usage_errors(
    bench: Bench, arguments: tuple[str, ...], sentence: str
) -> None:
    outcome = bench.simulate("sgx", *arguments)

    assert outcome.exit_code == 2
    assert sentence in outcome.err


def test_a_folder_that_holds_something_else_is_a_usage_error(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes").touch()

    outcome = bench.simulate("sgx", "--platform", tmp_path / "other")

    assert outcome.exit_code == 2
    assert "expected a simulated platform" in outcome.err
    assert "makes one in a new or an empty folder" in outcome.err


def test_a_platform_is_made_in_an_empty_folder(bench: Bench, tmp_path: Path) -> None:
    home = tmp_path / "platform"
    home.mkdir()

    outcome = bench.simulate("sgx", "--platform", home)

    assert outcome.exit_code == 0
    assert load_platform(home).pki.root_ca.pem == (tmp_path / "root.pem").read_bytes()


@pytest.mark.parametrize(
    "wrong",
    [
        ("--mr-enclave", "zz"),
        ("--runtime-data", "missing"),
        ("--root-out", "-"),
        ("--collateral-out", "/dev/null/x"),
    ],
)
@pytest.mark.parametrize("kind", ["sgx", "openenclave"])
def test_a_call_that_fails_makes_no_platform_and_changes_none(
    run: Run, tmp_path: Path, kind: str, wrong: tuple[str, ...]
) -> None:
    kept, fresh, out = tmp_path / "kept", tmp_path / "fresh", tmp_path / "evidence"
    run("simulate", kind, "--out", out, "--platform", kept)
    before = load_platform(kept).settings

    for home in (kept, fresh):
        status = ("--status", "Revoked", *wrong)
        failed = run("simulate", kind, "--out", out, "--platform", home, *status)
        assert failed.exit_code == 2

    assert load_platform(kept).settings == before
    assert not fresh.exists()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("--out", "--collateral-out"),
        ("--out", "--root-out"),
        ("--collateral-out", "--root-out"),
        ("--platform", "--out"),
    ],
)
def test_two_answers_do_not_go_to_one_file(
    run: Run, tmp_path: Path, first: str, second: str
) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    out = () if "--out" in {first, second} else ("--out", tmp_path / "evidence")

    outcome = run("simulate", "sgx", first, tmp_path / "s", second, tmp_path / "link" / "s", *out)

    assert outcome.exit_code == 2
    assert f"{first} and {second}: expected two different paths" in outcome.err
    assert [one.name for one in tmp_path.iterdir()] == ["link"]


def test_evidence_does_not_go_to_standard_output(run: Run) -> None:
    outcome = run("simulate", "sgx", "--out", "-")

    assert outcome.exit_code == 2
    assert outcome.err == (
        "assay: -: expected a file to write, since standard output has the answer\n"
    )
    assert not Path("-").exists()
