from __future__ import annotations

from pathlib import Path

import pytest

from assay.policy.gallery import TEMPLATES, Template
from tests.unit.cli.commands.policy.conftest import Write
from tests.unit.cli.conftest import Run


def test_the_gallery_is_listed(run: Run) -> None:
    outcome = run("policy", "new", "--list")

    assert outcome.exit_code == 0
    lines = outcome.out.splitlines()
    assert [line.split()[0] for line in lines] == [one.name for one in TEMPLATES]
    assert lines[0].endswith("no debug mode  SgxEnclave")


def test_the_list_can_be_that_of_a_type(run: Run) -> None:
    report = run("policy", "new", "--list", "--type", "Tpm", "--json").json

    assert [one["name"] for one in report["templates"]] == ["tpm-boot-state", "tpm-boot-events"]
    assert report["templates"][0] == {
        "name": "tpm-boot-state",
        "summary": TEMPLATES[-2].summary,
        "types": ["Tpm"],
    }


def test_a_template_is_printed_as_it_is(run: Run) -> None:
    assert run("policy", "new", "--template", "sgx-signer").out == TEMPLATES[0].policy


def test_the_json_answer_has_the_policy_and_its_fixture(run: Run) -> None:
    report = run("policy", "new", "--template", "sgx-signer", "--json").json

    assert list(report) == ["name", "summary", "types", "policy", "fixture"]
    assert report["policy"] == TEMPLATES[0].policy


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda one: one.name)
def test_a_new_policy_checks_and_passes_its_tests(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, template: Template
) -> None:
    monkeypatch.chdir(tmp_path)
    name, kind = template.name, template.types[0]

    made = run(*("policy", "new", "--type", kind, "--template", name, "--out", f"p/{name}.policy"))

    assert made.exit_code == 0
    assert made.out == f"policy   p/{name}.policy\nfixture  p/{name}.json\n"
    assert run("policy", "check", f"p/{name}.policy", "--type", kind).exit_code == 0
    assert run("policy", "test", "p").exit_code == 0


def test_where_the_files_went_can_be_read_by_a_machine(run: Run, write: Write) -> None:
    write("p/other", "")

    report = run("policy", "new", "--template", "tdx-guest", "--out", "p/a.policy", "--json").json

    assert report == {"template": "tdx-guest", "policy": "p/a.policy", "fixture": "p/a.json"}


@pytest.mark.parametrize("existing", ["a.policy", "a.json"])
def test_no_file_is_overwritten(run: Run, write: Write, existing: str) -> None:
    write(existing, "mine")

    outcome = run("policy", "new", "--template", "sgx-signer", "--out", "a.policy")

    assert outcome.exit_code == 2
    assert f"--out: {existing} is there already" in outcome.err
    assert Path(existing).read_text() == "mine"
    assert len(list(Path().iterdir())) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "--template: expected one of sgx-signer, "),
        (
            ("--type", "Tpm"),
            "--template: expected one of tpm-boot-state, tpm-boot-events, got none",
        ),
        (("--template", "sgx-singer"), "tpm-boot-events, got 'sgx-singer'"),
        (
            ("--template", "sgx-signer", "--type", "Tpm"),
            (
                "--template: sgx-signer is for SgxEnclave and OpenEnclave, not for Tpm; "
                "there are tpm-boot-state, tpm-boot-events"
            ),
        ),
        (
            ("--template", "sgx-signer", "--out", "a.json"),
            "--out: expected a name such as a.policy, got a.json",
        ),
        (
            ("--template", "sgx-signer", "--out", "a.txt"),
            "--out: expected a name such as a.policy, got a.txt",
        ),
    ],
)
def test_a_template_that_cannot_be_is_a_matter_of_usage(
    run: Run, write: Write, options: tuple[str, ...], message: str
) -> None:
    write("p/other", "")

    outcome = run("policy", "new", *options)

    assert outcome.exit_code == 2
    assert outcome.out == ""
    assert message in outcome.err


def test_a_path_that_the_system_refuses_is_a_usage_error(run: Run) -> None:
    outcome = run("policy", "new", "--template", "sgx-signer", "--out", f"{'x' * 256}.policy")

    assert outcome.exit_code == 2
    assert "cannot be written: File name too long" in outcome.err
