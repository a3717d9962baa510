"""Tests of a policy: incoming claims with the outcome that is expected, beside the policy.

A fixture is a JSON object. With `cases` it says what a policy decides and issues; with
`expected_error` it says that a text is no policy; with `recommended` it notes a question, and
expects something only where it recommends to refuse.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from assay.claims import CATALOGUE, Claim
from assay.encoding import EncodingError, JsonValue, encode_json, json_type
from assay.policy.compiler import compile_policy
from assay.policy.digest import policy_hash
from assay.policy.evaluation import CompiledPolicy, Decision
from assay.policy.hints import meant
from assay.policy.incoming import read_incoming_claims
from assay.policy.lint import lint_policy
from assay.policy.outcome import ERROR, Outcome, changed_members, evaluate_policy
from assay.policy.source import PolicySyntaxError

_CASE: Final = ("name", "basis", "incoming_claims", "expected", "note")
_EXPECTED: Final = ("decision", "claims", "configuration", "properties", "error")
_MEMBERS: Final = ("claims", "configuration", "properties")
_DECISIONS: Final = (*(decision.value for decision in Decision), ERROR)
_REFUSED: Final = "is refused"


class Status(StrEnum):
    """How a test ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class FixtureResult:
    """One test and how it ended."""

    name: str
    status: Status
    details: tuple[str, ...] = ()
    """Why it failed or was skipped, a line each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Incoming claims and what is expected of them."""

    name: str
    incoming: tuple[Claim, ...]
    decision: str
    members: Mapping[str, Mapping[str, JsonValue]]
    """Of `claims`, `configuration` and `properties` those that the fixture names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixture:
    """What is expected of one text."""

    cases: tuple[Case, ...] = ()
    attestation_type: str | None = None
    hash: str | None = None
    lint: tuple[str, ...] = ()
    """Codes that a linter should find."""

    refused: bool = False
    """The text is no policy."""

    refused_line: int | None = None
    """Where it is refused first."""

    question: str = ""
    """What is open; such a fixture expects nothing."""


def read_fixture(members: Mapping[str, JsonValue], what: str) -> Fixture:
    """The fixture that a JSON object holds. Members that only describe it are passed over.

    Args:
        members: The object.
        what: What errors call it.

    Raises:
        EncodingError: It expects nothing, or is not of the form.
    """
    if "cases" in members:
        return _read_cases(members, what)
    if "expected_error" in members:
        line = _object(members.get("first_offence", {}), f"{what}: first_offence").get("line")
        return Fixture(refused=True, refused_line=line if isinstance(line, int) else None)
    if "recommended" in members:
        recommended = _string(members["recommended"], f"{what}: recommended")
        if recommended.startswith("Reject"):
            return Fixture(refused=True)
        return Fixture(question=_string(members.get("question", ""), f"{what}: question"))
    raise EncodingError(f"{what}: expected a fixture with `cases` or `expected_error`")


def read_claim_sets(
    members: Mapping[str, JsonValue], what: str
) -> Iterator[tuple[str, tuple[Claim, ...]]]:
    """The sets of incoming claims of a fixture, each with its name.

    Raises:
        EncodingError: It is not of the form.
    """
    for case in _read_cases(members, what).cases:
        yield f"{what}: {case.name}", case.incoming


def run_fixture(text: str, fixture: Fixture) -> tuple[FixtureResult, ...]:
    """Test the policy of `text`."""
    try:
        policy = compile_policy(text)
    except PolicySyntaxError as error:
        return (_judge_refusal(error, fixture),)
    if fixture.refused:
        details = ("expected a text that is no policy, got a policy",)
        return (FixtureResult(name=_REFUSED, status=Status.FAILED, details=details),)
    if not fixture.cases:
        details = (f"nothing is expected: {fixture.question}",)
        return (FixtureResult(name="is a policy", status=Status.SKIPPED, details=details),)
    return (
        *_about_text(policy, fixture),
        *(_result(case.name, _judge(policy, case)) for case in fixture.cases),
    )


# --- reading ---


def _read_cases(members: Mapping[str, JsonValue], what: str) -> Fixture:
    cases = members["cases"]
    if not isinstance(cases, list) or not cases:
        got = "an empty one" if cases == [] else json_type(cases)
        raise EncodingError(f"{what}: expected `cases` as an array of cases, got {got}")
    expected_hash = members.get("policy_hash")
    lint = members.get("lint", [])
    if not isinstance(lint, list):
        raise EncodingError(f"{what}: expected `lint` as an array, got {json_type(lint)}")
    return Fixture(
        cases=tuple(
            _read_case(_object(case, f"{what}: case {number}"), f"{what}: case {number}")
            for number, case in enumerate(cases, start=1)
        ),
        attestation_type=_attestation_type(members),
        hash=None if expected_hash is None else _string(expected_hash, f"{what}: policy_hash"),
        # `unused-identifier: b` says more than the code.
        lint=tuple(_string(code, f"{what}: lint").partition(":")[0] for code in lint),
    )


def _attestation_type(members: Mapping[str, JsonValue]) -> str | None:
    # Some sidecars say `any`, some name a type of long ago.
    name = members.get("attestation_type")
    return name if isinstance(name, str) and name in CATALOGUE else None


def _read_case(case: Mapping[str, JsonValue], what: str) -> Case:
    _check_names(case, _CASE, what)
    name = _string(case.get("name"), f"{what}: name")
    what = f"{what} ({name})"
    expected = _object(case.get("expected"), f"{what}: expected")
    _check_names(expected, _EXPECTED, f"{what}: expected")
    decision = expected.get("decision")
    if decision not in _DECISIONS:
        got = "none" if decision is None else encode_json(decision).decode()
        raise EncodingError(
            f"{what}: expected a `decision`, one of {', '.join(_DECISIONS)}, got {got}"
        )
    incoming = _object(case.get("incoming_claims"), f"{what}: incoming_claims")
    return Case(
        name=name,
        incoming=read_incoming_claims(incoming, f"{what}: incoming_claims"),
        decision=str(decision),
        members={
            member: _object(expected[member], f"{what}: {member}")
            for member in _MEMBERS
            if member in expected
        },
    )


def _check_names(members: Mapping[str, JsonValue], known: tuple[str, ...], what: str) -> None:
    for name in members:
        if name not in known:
            hint = meant(name, known)
            expected = f"the members {', '.join(known)}"
            raise EncodingError(
                f"{what}: expected {expected}, got {name!r}" + (f"; {hint}" if hint else "")
            )


def _object(value: JsonValue, what: str) -> dict[str, JsonValue]:
    if not isinstance(value, dict):
        got = "none" if value is None else json_type(value)
        raise EncodingError(f"{what}: expected an object, got {got}")
    return value


def _string(value: JsonValue, what: str) -> str:
    if not isinstance(value, str):
        got = "none" if value is None else json_type(value)
        raise EncodingError(f"{what}: expected a string, got {got}")
    return value


# --- judging ---


def _result(name: str, failures: list[str]) -> FixtureResult:
    status = Status.FAILED if failures else Status.PASSED
    return FixtureResult(name=name, status=status, details=tuple(failures))


def _judge_refusal(error: PolicySyntaxError, fixture: Fixture) -> FixtureResult:
    if not fixture.refused:
        problems = [line for problem in error.problems for line in str(problem).splitlines()]
        return _result("is a policy", problems)
    wanted = fixture.refused_line
    if wanted is None or wanted == error.line:
        return _result(_REFUSED, [])
    return _result(_REFUSED, [f"expected it at line {wanted}", *str(error).splitlines()])


def _about_text(policy: CompiledPolicy, fixture: Fixture) -> Iterator[FixtureResult]:
    if fixture.hash is not None:
        wrong = [f"expected {fixture.hash}", f"got      {policy_hash(policy.text)}"]
        yield _result("has its hash", [] if policy.hash == fixture.hash else wrong)
    if fixture.lint:
        found = {finding.code for finding in lint_policy(policy, fixture.attestation_type)}
        missing = [code for code in fixture.lint if code not in found]
        yield _result("has its lint findings", [f"expected {code}, got none" for code in missing])


def _judge(policy: CompiledPolicy, case: Case) -> list[str]:
    outcome = evaluate_policy(policy, case.incoming)
    failures = [
        line
        for member, expected in case.members.items()
        for line in _differences(member, expected, _member(outcome, member))
    ]
    if outcome.decision != case.decision:
        decision = f"decision: expected {case.decision}, got {outcome.decision}"
        return [decision, outcome.explanation, *failures]
    return failures


def _member(outcome: Outcome, member: str) -> Mapping[str, JsonValue]:
    if member == "claims":
        return outcome.claims
    return outcome.configuration if member == "configuration" else outcome.properties


def _differences(
    member: str, expected: Mapping[str, JsonValue], actual: Mapping[str, JsonValue]
) -> Iterator[str]:
    for name, before, after in changed_members(expected, actual):
        yield f"{member}.{name}: expected {before}, got {after}"
