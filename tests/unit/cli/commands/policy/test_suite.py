from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from assay.encoding import JsonValue
from tests.unit.cli.commands.policy.conftest import GOOD, WRONG, Write
from tests.unit.cli.conftest import Run


def fixture(decision: str = "permit", name: str = "good evidence") -> dict[str, JsonValue]:
    return {
        "cases": [
            {
                "name": name,
                "incoming_claims": {"x-ms-sgx-svn": 3},
                "expected": {"decision": decision},
            }
        ]
    }


def test_fixtures_that_hold_pass(run: Run, write: Write) -> None:
    write("policies/a.policy", GOOD)
    write("policies/a.json", fixture())
    write("policies/deeper/b.policy", WRONG)
    write("policies/deeper/b.json", {"expected_error": {"code": "PolicyParsingError"}})
    write("policies/settings.json", {"not": "a fixture"})
    write("policies/broken.json", "not even JSON")

    outcome = run("policy", "test", "policies")

    assert outcome.exit_code == 0
    assert outcome.out.splitlines() == [
        "policies/a.policy",
        "  passed  good evidence",
        "policies/deeper/b.policy",
        "  passed  is refused",
        "2 passed, 0 failed, 0 skipped",
    ]


def test_a_fixture_that_does_not_hold_fails_with_its_reason(run: Run, write: Write) -> None:
    write("policies/a.policy", GOOD)
    write("policies/a.json", fixture("deny"))

    outcome = run("policy", "test", "policies")

    assert outcome.exit_code == 1
    assert outcome.out.splitlines() == [
        "policies/a.policy",
        "  failed  good evidence",
        "            decision: expected deny, got permit",
        "            permitted by the rule at line 5: x-ms-sgx-svn is 3",
        "0 passed, 1 failed, 0 skipped",
    ]


def test_what_has_no_partner_or_is_malformed_does_not_pass_unseen(run: Run, write: Write) -> None:
    write("policies/a.policy", GOOD)
    write("policies/a.json", fixture())
    write("policies/alone.policy", GOOD)
    write("policies/malformed.policy", GOOD)
    write("policies/malformed.json", {"cases": 1})
    write("policies/orphan.json", fixture())

    report = run("policy", "test", "policies", "--json")

    assert report.exit_code == 1
    assert {key: value for key, value in report.json.items() if key != "policies"} == {
        "passed": 1,
        "failed": 2,
        "skipped": 1,
    }
    tests = {one["file"]: one["tests"] for one in report.json["policies"]}
    assert tests["policies/alone.policy"] == [
        {
            "name": "has a fixture",
            "status": "skipped",
            "details": ["there is no alone.json beside it"],
        }
    ]
    assert tests["policies/malformed.policy"][0]["details"] == [
        "malformed.json: expected `cases` as an array of cases, got a number"
    ]
    assert tests["policies/orphan.json"][0]["details"] == ["there is no orphan.policy"]


@pytest.mark.parametrize("folder", ["empty", "absent"])
def test_a_folder_without_a_fixture_is_a_matter_of_usage(
    run: Run, write: Write, folder: str
) -> None:
    write("empty/alone.policy", GOOD)

    outcome = run("policy", "test", folder)

    assert outcome.exit_code == 2
    assert outcome.out == ""
    assert f"assay: {folder}: expected " in outcome.err


def test_junit_has_every_test_with_its_outcome(run: Run, write: Write) -> None:
    write("policies/a.policy", GOOD)
    write("policies/a.json", fixture("deny", "odd \x01 & <name>"))
    write("policies/b.policy", GOOD)
    write("policies/b.json", fixture())
    write("policies/c.policy", GOOD)

    outcome = run("policy", "test", "policies", "--junit", "out/junit.xml")

    assert outcome.exit_code == 1
    root = ET.fromstring(Path("out/junit.xml").read_text())  # noqa: S314  written just now
    assert root.attrib == {
        "name": "assay policy test",
        "tests": "3",
        "failures": "1",
        "errors": "0",
        "skipped": "1",
    }
    failed, passed, skipped = root.iter("testcase")
    assert failed.attrib == {
        "classname": "policies/a.policy",
        "name": r"odd \x01 & <name>",
    }
    assert failed[0].tag == "failure"
    assert failed[0].attrib["message"] == "decision: expected deny, got permit"
    assert (failed[0].text or "").endswith("x-ms-sgx-svn is 3")
    assert len(passed) == 0
    assert skipped[0].tag == "skipped"
    assert [suite.attrib["name"] for suite in root] == [
        "policies/a.policy",
        "policies/b.policy",
        "policies/c.policy",
    ]


def test_a_path_that_the_system_refuses_is_a_usage_error(run: Run, write: Write) -> None:
    write("policies/a.policy", GOOD)
    write("policies/a.json", fixture())
    # The policy that it would be of has a name that is too long.
    write(f"policies/{'x' * 250}.json", fixture())

    outcome = run("policy", "test", "policies")

    assert outcome.exit_code == 2
    assert ".policy: cannot be read: File name too long" in outcome.err
