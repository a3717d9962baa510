"""All that one evaluation of a policy gives: a decision in every case, and a report of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from assay.claims import Claim
from assay.encoding import JsonValue, encode_json_sorted
from assay.policy.evaluation import CompiledPolicy, Decision, Evaluation
from assay.policy.explain import RuleRecord
from assay.policy.source import PolicyEvaluationError, PolicySyntaxError

ERROR: Final = "error"
"""The decision of a policy that failed: the evidence is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a policy makes of one set of claims."""

    configuration: Mapping[str, JsonValue] = field(default_factory=dict)
    """What the configuration rules set; empty where they failed."""

    evaluation: Evaluation | None = None
    """`None` where a rule failed."""

    error: PolicyEvaluationError | None = None
    """Why a rule failed."""

    @property
    def decision(self) -> str:
        """`permit`, `deny`, `no-permit` or `error`."""
        return ERROR if self.evaluation is None else self.evaluation.decision.value

    @property
    def permitted(self) -> bool:
        """Whether the evidence is accepted."""
        return self.decision == Decision.PERMIT

    @property
    def claims(self) -> Mapping[str, JsonValue]:
        """What the policy issues, as members of a token."""
        return {} if self.evaluation is None else self.evaluation.issued

    @property
    def properties(self) -> Mapping[str, JsonValue]:
        """What the issuance rules set."""
        return {} if self.evaluation is None else self.evaluation.properties

    @property
    def explanation(self) -> str:
        """One sentence: which rule decided because of which claim, or what was missing."""
        if self.evaluation is not None:
            return self.evaluation.explanation
        return f"the policy failed at {self.error}"

    @property
    def trace(self) -> tuple[RuleRecord, ...]:
        """What became of each rule; empty where one failed."""
        return () if self.evaluation is None else self.evaluation.trace


def evaluate_policy(policy: CompiledPolicy, incoming: Iterable[Claim]) -> Outcome:
    """Configure and evaluate. A rule that fails is an outcome, too."""
    configuration: Mapping[str, JsonValue] = {}
    try:
        configuration = dict(policy.configuration())
        evaluation = policy.evaluate(incoming)
    except PolicyEvaluationError as error:
        return Outcome(configuration=configuration, error=error)
    return Outcome(configuration=configuration, evaluation=evaluation)


def changed_members(
    before: Mapping[str, JsonValue], after: Mapping[str, JsonValue]
) -> Iterator[tuple[str, str, str]]:
    """The names whose values differ, with both values as JSON text, `nothing` where one lacks."""
    for name in dict.fromkeys((*before, *after)):
        texts = [
            encode_json_sorted(members[name]).decode() if name in members else "nothing"
            for members in (before, after)
        ]
        # As text, because `True == 1` in Python.
        if texts[0] != texts[1]:
            yield name, texts[0], texts[1]


def outcome_report(outcome: Outcome) -> dict[str, JsonValue]:
    """An outcome as a JSON object.

    Its `error` is what the service answers instead of a token: `null` only where it permits.
    """
    return {
        "decision": outcome.decision,
        "claims": dict(outcome.claims),
        "configuration": dict(outcome.configuration),
        "properties": dict(outcome.properties),
        "error": _error(outcome),
        "trace": [_record(record) for record in outcome.trace],
    }


def syntax_report(error: PolicySyntaxError) -> dict[str, JsonValue]:
    """The same members for a text that is no policy."""
    return {
        "decision": ERROR,
        "claims": {},
        "configuration": {},
        "properties": {},
        "error": {
            "code": "PolicyParsingError",
            "message": error.message,
            "line": error.line,
            "column": error.column,
        },
        "trace": [],
    }


def _error(outcome: Outcome) -> JsonValue:
    if outcome.permitted:
        return None
    place = outcome.error or (None if outcome.evaluation is None else outcome.evaluation.rule)
    return {
        "code": "PolicyEvaluationError",
        "message": outcome.explanation,
        "line": None if place is None else place.line,
        "column": None if place is None else place.column,
    }


def _record(record: RuleRecord) -> JsonValue:
    return {
        "section": record.section.value,
        "line": record.rule.line,
        "column": record.rule.column,
        "rule": record.rule.text,
        "fired": record.fired,
        "conditions": [
            {
                "claim_type": condition.claim_type,
                "held": condition.held,
                "expected": condition.expected,
                "actual": condition.actual,
                "claims": [_claim(claim) for claim in condition.claims],
            }
            for condition in record.conditions
        ],
    }


def _claim(claim: Claim) -> JsonValue:
    return {"type": claim.type, "value": claim.value, "issuer": claim.issuer.value}
