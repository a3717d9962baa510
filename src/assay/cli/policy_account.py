"""The account of a decision: every rule, whether it fired, what it found and what it lacked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import groupby
from typing import Final

from assay.claims import Claim, ClaimIssuer
from assay.cli.explained_claims import ExplainedClaims
from assay.cli.policy_text import show_decision, show_members
from assay.cli.render import BAD, DIM, GOOD, WARNING, Answer
from assay.encoding import JsonValue
from assay.policy import CompiledPolicy, RuleRecord
from assay.policy.outcome import Outcome, outcome_report

_SHOWN_CLAIMS: Final = 5
_SHOWN_CHARACTERS: Final = 100
_INDENT: Final = " " * 13
"""Up to where the word about a rule stands."""


def show_account(
    answer: Answer, policy: CompiledPolicy, asked: ExplainedClaims, outcome: Outcome
) -> None:
    """The decision in a sentence, then the rules in the order in which they ran."""
    show_decision(answer, policy, outcome)
    if asked.caution:
        answer.line((asked.caution, WARNING))
    for section, records in groupby(outcome.trace, key=lambda record: record.section):
        answer.heading(section.value)
        for record in records:
            _show_record(answer, record)
    show_members(answer, outcome)


def account_report(asked: ExplainedClaims, outcome: Outcome) -> dict[str, JsonValue]:
    """The same as a JSON object."""
    return {
        "explanation": outcome.explanation,
        "source": asked.kind,
        "attestation_type": asked.attestation_type,
        "verified": asked.verified,
        **outcome_report(outcome),
    }


def _show_record(answer: Answer, record: RuleRecord) -> None:
    word, style = ("fired", GOOD) if record.fired else ("not fired", DIM)
    first, *rest = [line.strip() for line in record.rule.text.splitlines()]
    answer.line(f"  line {record.rule.line:<5} ", (f"{word:<10}", style), first)
    for line in rest:
        answer.line(_INDENT, " " * 10, line)
    for condition in record.conditions:
        verb, style = ("holds", GOOD) if condition.held else ("fails", BAD)
        answer.line(_INDENT, (f"{verb:<10}", style), str(condition))
        if condition.claim_type is None:
            _show_matched(answer, condition.matched)


def _show_matched(answer: Answer, claims: Sequence[Claim]) -> None:
    """The claims that met a condition which does not name them."""
    for claim in claims[:_SHOWN_CLAIMS]:
        answer.line(_INDENT, " " * 12, _claim(claim))
    if len(claims) > _SHOWN_CLAIMS:
        answer.line(_INDENT, " " * 12, "and more")


def _claim(claim: Claim) -> str:
    text = json.dumps(claim.value, ensure_ascii=False)
    value = text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
    by = "" if claim.issuer is ClaimIssuer.SERVICE else f", by {claim.issuer.value}"
    return f"{claim.type} = {value}{by}"
