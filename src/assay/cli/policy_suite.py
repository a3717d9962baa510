"""The policies of a folder with their fixtures, tested."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from assay.cli.input_file import read_input, read_text, reading
from assay.cli.policy_file import FIXTURE_SUFFIX, POLICY_SUFFIX
from assay.cli.render import printable
from assay.encoding import EncodingError, JsonValue, parse_json_object
from assay.errors import RequestError
from assay.policy.fixtures import FixtureResult, Status, read_fixture, run_fixture

_FIXTURE_MEMBERS: Final = frozenset({"cases", "expected_error", "recommended"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyResults:
    """What became of the tests of one policy."""

    file: Path
    results: tuple[FixtureResult, ...]

    def count(self, status: Status) -> int:
        """How many ended so."""
        return sum(result.status is status for result in self.results)


def run_folder(folder: Path) -> tuple[PolicyResults, ...]:
    """Test each `NAME.policy` under a folder by the `NAME.json` beside it.

    Raises:
        RequestError: There is no such folder, it holds no fixture, or a file cannot be read.
    """
    with reading(folder):
        return _run_folder(folder)


def _run_folder(folder: Path) -> tuple[PolicyResults, ...]:
    if not folder.is_dir():
        raise RequestError(f"{folder}: expected a folder with policies and their fixtures")
    policies = sorted(folder.rglob(f"*{POLICY_SUFFIX}"))
    if not any(policy.with_suffix(FIXTURE_SUFFIX).is_file() for policy in policies):
        raise RequestError(
            f"{folder}: expected policies with fixtures, NAME.policy and NAME.json, got no such "
            "pair; `assay policy new` makes one"
        )
    orphans = [
        PolicyResults(file=file, results=(_failed("has a policy", f"there is no {policy.name}"),))
        for file in sorted(folder.rglob(f"*{FIXTURE_SUFFIX}"))
        if not (policy := file.with_suffix(POLICY_SUFFIX)).is_file() and _is_fixture(file)
    ]
    tested = [PolicyResults(file=policy, results=_run(policy)) for policy in policies]
    return (*tested, *orphans)


def suite_report(suite: Sequence[PolicyResults]) -> dict[str, JsonValue]:
    """The results as a JSON object."""
    return {
        **{status.value: total(suite, status) for status in Status},
        "policies": [
            {
                "file": str(one.file),
                "tests": [
                    {
                        "name": result.name,
                        "status": result.status.value,
                        "details": list(result.details),
                    }
                    for result in one.results
                ],
            }
            for one in suite
        ],
    }


def total(suite: Sequence[PolicyResults], status: Status) -> int:
    """How many tests of all policies ended so."""
    return sum(one.count(status) for one in suite)


def junit_report(suite: Sequence[PolicyResults]) -> bytes:
    """The results as the XML that continuous integration reads."""
    root = ET.Element("testsuites", _counts(suite), name="assay policy test")
    for one in suite:
        element = ET.SubElement(root, "testsuite", _counts([one]), name=printable(str(one.file)))
        for result in one.results:
            _junit_case(element, one.file, result)
    ET.indent(root)
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _junit_case(parent: ET.Element, file: Path, result: FixtureResult) -> None:
    # XML has no place for control characters, and names come from files.
    case = ET.SubElement(
        parent, "testcase", classname=printable(str(file)), name=printable(result.name)
    )
    if result.status is Status.PASSED:
        return
    lines = [printable(line) for line in result.details]
    kind = "failure" if result.status is Status.FAILED else "skipped"
    ET.SubElement(case, kind, message=lines[0]).text = "\n".join(lines)


def _counts(suite: Sequence[PolicyResults]) -> dict[str, str]:
    return {
        "tests": str(sum(len(one.results) for one in suite)),
        "failures": str(total(suite, Status.FAILED)),
        "errors": "0",
        "skipped": str(total(suite, Status.SKIPPED)),
    }


def _run(policy: Path) -> tuple[FixtureResult, ...]:
    file = policy.with_suffix(FIXTURE_SUFFIX)
    if not file.is_file():
        details = (f"there is no {file.name} beside it",)
        return (FixtureResult(name="has a fixture", status=Status.SKIPPED, details=details),)
    try:
        fixture = read_fixture(parse_json_object(read_input(file), file.name), file.name)
    except EncodingError as error:
        return (_failed("has a fixture", error.message),)
    return run_fixture(read_text(policy), fixture)


def _is_fixture(file: Path) -> bool:
    try:
        members = parse_json_object(read_input(file), file.name)
    except EncodingError:
        return False
    return not _FIXTURE_MEMBERS.isdisjoint(members)


def _failed(name: str, reason: str) -> FixtureResult:
    return FixtureResult(name=name, status=Status.FAILED, details=(reason,))
