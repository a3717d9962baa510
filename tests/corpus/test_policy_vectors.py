"""Every shared policy with the outcome that is recorded, documented or inferred for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from assay.claims import Claim, ClaimIssuer
from assay.policy import (
    Evaluation,
    PolicyEvaluationError,
    PolicySyntaxError,
    compile_policy,
    format_policy,
    lint_policy,
    policy_hash,
)
from tests.vectors import vector_params

# The sidecars name where a prototype stopped; these point at the word to change instead.
_OTHER_COLUMN: Final = {
    "048-missing-arrow",
    "064-regex-operator",
    "065-regex-negated-operator",
    "066-adfs-exists",
    "067-adfs-not-exists",
}

# "Accept with a warning otherwise" leaves the choice; the grammar has no sign.
_REFUSED_BESIDES: Final = {"010-negative-integer"}


def read(path: Path) -> tuple[str, dict[str, Any]]:
    sidecar: dict[str, Any] = json.loads(path.with_suffix(".json").read_bytes())
    return path.read_bytes().decode(), sidecar


def incoming(case: dict[str, Any]) -> Iterator[Claim]:
    for name, member in case["incoming_claims"].items():
        for element in member if isinstance(member, list) else [member]:
            yield claim(name, element)


def claim(name: str, element: Any) -> Claim:  # noqa: ANN401
    if not isinstance(element, dict):
        return Claim(name, element)
    read_only = element.get("readonly", False)
    issuer = ClaimIssuer(element.get("issuer", ClaimIssuer.SERVICE))
    if "json" in element:
        text = json.dumps(element["json"], separators=(",", ":"), ensure_ascii=False)
        return Claim(name, text, issuer, read_only)
    return Claim(name, element["value"], issuer, read_only)


def typed(members: Any) -> str:  # noqa: ANN401
    """JSON text: `True == 1` in Python."""
    return json.dumps(members, sort_keys=True)


@pytest.mark.parametrize("path", vector_params("policy/accept/*.policy"))
def test_an_accepted_policy_gives_the_recorded_outcome_for_each_case(path: Path) -> None:
    text, sidecar = read(path)
    policy = compile_policy(text)

    assert policy.text == text
    assert policy.version == sidecar["version"]
    assert policy.hash == policy_hash(text) == sidecar["policy_hash"]
    for case in sidecar["cases"]:
        expected = case["expected"]
        if expected["decision"] == "error":
            with pytest.raises(PolicyEvaluationError):
                policy.evaluate(incoming(case))
            continue
        outcome = policy.evaluate(incoming(case))
        assert outcome.decision == expected["decision"], case["name"]
        assert typed(dict(outcome.issued)) == typed(expected.get("claims", {})), case["name"]
        assert typed(dict(outcome.properties)) == typed(expected.get("properties", {}))
        if "configuration" in expected:
            assert typed(dict(policy.configuration())) == typed(expected["configuration"])
        assert_explained(outcome)


def assert_explained(outcome: Evaluation) -> None:
    assert outcome.explanation
    assert (outcome.rule is None) is (outcome.decision == "no-permit")
    assert all(record.fired is not bool(record.needs) for record in outcome.trace)


@pytest.mark.parametrize("path", vector_params("policy/accept/*.policy"))
def test_a_linter_says_of_an_accepted_policy_what_its_sidecar_says(path: Path) -> None:
    text, sidecar = read(path)

    found = {finding.code for finding in lint_policy(compile_policy(text), "SgxEnclave")}

    assert found >= {expected.partition(":")[0] for expected in sidecar.get("lint", [])}


@pytest.mark.parametrize("path", vector_params("policy/accept/*.policy"))
def test_an_accepted_policy_can_be_formatted(path: Path) -> None:
    text, sidecar = read(path)

    formatted = format_policy(text)

    assert format_policy(formatted) == formatted
    for case in sidecar["cases"]:
        if case["expected"]["decision"] != "error":
            claims = list(incoming(case))
            before = compile_policy(text).evaluate(claims)
            assert repr(compile_policy(formatted).evaluate(claims)) == repr(before)


@pytest.mark.parametrize("path", vector_params("policy/reject/*.policy"))
def test_a_malformed_policy_is_refused_where_its_sidecar_says(path: Path) -> None:
    text, sidecar = read(path)

    with pytest.raises(PolicySyntaxError) as caught:
        compile_policy(text)

    assert caught.value.line == sidecar["first_offence"]["line"]
    if path.stem not in _OTHER_COLUMN:
        assert caught.value.column == sidecar["first_offence"]["column_0_based"] + 1


@pytest.mark.parametrize("path", vector_params("policy/ambiguous/*.policy"))
def test_an_ambiguous_policy_is_treated_as_recommended(path: Path) -> None:
    text, sidecar = read(path)

    if sidecar["recommended"].startswith("Reject") or path.stem in _REFUSED_BESIDES:
        with pytest.raises(PolicySyntaxError):
            compile_policy(text)
    else:
        assert compile_policy(text).text == text
