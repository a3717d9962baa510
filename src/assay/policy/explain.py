"""The shortest account of a decision, and the record of every rule.

Both run the policy again, slowly, over the same claims: evaluation is pure, so they see what it
saw, and an evaluation that nobody asks about costs nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from assay.claims import Claim, ClaimIssuer, ClaimValue
from assay.policy import syntax
from assay.policy.compile import CompiledRule, Program, literal_type, run_rules
from assay.policy.meter import OutOfStepsError
from assay.policy.run import Run
from assay.policy.source import PolicyEvaluationError, Source
from assay.policy.syntax import ActionName, PropertyName, SectionName

_SHOWN_RULE: Final = 2_000
_SHOWN_STRING: Final = 70
_SHOWN_VALUES: Final = 3
_SHOWN_NEEDS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleReference:
    """A rule's place and text."""

    line: int
    """From 1."""

    column: int
    """From 1."""

    text: str
    """As written, shortened where it is very long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleRecord:
    """What became of one rule."""

    section: SectionName
    rule: RuleReference
    fired: bool
    needs: tuple[str, ...]
    """For a rule that did not fire, each condition that failed and what there was instead."""

    matched: tuple[tuple[Claim, ...], ...]
    """For a rule that fired, the claims that met each condition; none for a negated one."""


def reference(rule: CompiledRule, source: Source) -> RuleReference:
    """The place and text of `rule`."""
    line, column = source.position(rule.node.span.start)
    return RuleReference(
        line=line, column=column, text=_shortened(source.slice(rule.node.span), _SHOWN_RULE)
    )


def trace(program: Program, incoming: Iterable[Claim], *, decided: bool) -> tuple[RuleRecord, ...]:
    """A record of every rule that was run; issuancerules only where evidence was `decided` good.

    Raises:
        PolicyEvaluationError: As the evaluation itself.
    """
    run = Run(incoming)
    sections = [(SectionName.AUTHORIZATION, program.authorization)]
    if decided:
        sections.append((SectionName.ISSUANCE, program.issuance))
    return tuple(
        _record(section, rule, run, program.source) for section, rules in sections for rule in rules
    )


def explain_decision(program: Program, incoming: Iterable[Claim], index: int) -> str:
    """Why the rule with `index` fired: `the rule at line 4: x-ms-sgx-is-debuggable is true`."""
    run = Run(incoming)
    rule = program.authorization[index - len(program.configuration)]
    run_rules(_before(program.authorization, rule), run, program.source)
    line, _ = program.source.position(rule.node.span.start)
    reasons = [_held(condition, run, program.source) for condition in rule.node.conditions]
    if not reasons:
        return f"the rule at line {line}, which has no condition"
    return f"the rule at line {line}: {_listed(reasons)}"


def explain_no_permit(program: Program, incoming: Iterable[Claim]) -> str:
    """Why nothing permitted: the rule that came closest and what it lacked."""
    run = Run(incoming)
    closest: tuple[CompiledRule, list[str]] | None = None
    for rule in program.authorization:
        if rule.node.action.name is ActionName.PERMIT:
            needs = _needs(rule, run, program.source)
            if closest is None or len(needs) < len(closest[1]):
                closest = rule, needs
        run_rules((rule,), run, program.source)
    if closest is None:
        return "no rule permitted: the policy has no rule with permit()"
    line, _ = program.source.position(closest[0].node.span.start)
    return f"no rule permitted; the closest is line {line}: it needs {_listed(closest[1])}"


def _before(rules: Sequence[CompiledRule], last: CompiledRule) -> tuple[CompiledRule, ...]:
    return tuple(rule for rule in rules if rule.index < last.index)


def _record(section: SectionName, rule: CompiledRule, run: Run, source: Source) -> RuleRecord:
    needs = _needs(rule, run, source)
    matched: list[tuple[Claim, ...]] = []
    if not needs:
        environment: list[Sequence[Claim]] = []
        for matches in rule.conditions:
            environment.append(matches(run, environment) or ())
        matched = [tuple(claims) for claims in environment]
    run_rules((rule,), run, source)
    return RuleRecord(
        section=section,
        rule=reference(rule, source),
        fired=not needs,
        needs=tuple(needs),
        matched=tuple(matched),
    )


def _needs(rule: CompiledRule, run: Run, source: Source) -> list[str]:
    """What `rule` lacks, a phrase for each condition that fails."""
    needs = []
    environment: list[Sequence[Claim]] = []
    for condition, matches in zip(rule.node.conditions, rule.conditions, strict=True):
        try:
            claims = matches(run, environment)
        except (PolicyEvaluationError, OutOfStepsError):
            # It is only reached in an evaluation if the conditions before it hold.
            claims = None
        if claims is None:
            needs.append(_lacked(condition, run, source))
        environment.append(claims or ())
    return needs


def _lacked(condition: syntax.Condition, run: Run, source: Source) -> str:
    wanted = _wanted(condition, source)
    name = literal_type(condition)
    if condition.negated:
        return f"no claim with {wanted}, and there is one"
    if name is None:
        return f"a claim with {wanted}, and there is none"
    claims = run.by_type.get(name, [])
    if not claims:
        return f"{wanted}, the evidence has no such claim"
    shown = [_shown_value(claim, condition) for claim in claims[:_SHOWN_VALUES]]
    if len(claims) > _SHOWN_VALUES:
        shown.append("…")
    made = all(claim.issuer is ClaimIssuer.POLICY for claim in claims)
    return f"{wanted}, {'the policy set it to' if made else 'the evidence has'} {', '.join(shown)}"


def _shown_value(claim: Claim, condition: syntax.Condition) -> str:
    asks_issuer = any(test.property is PropertyName.ISSUER for test in condition.tests)
    return _json(claim.value) + (f" from {claim.issuer.value}" if asks_issuer else "")


def _held(condition: syntax.Condition, run: Run, source: Source) -> str:
    name = literal_type(condition)
    if condition.negated:
        return f"no claim has {_wanted(condition, source)}"
    if name is None:
        return f"a claim has {_wanted(condition, source)}"
    claims = run.by_type.get(name, [])
    if len(claims) == 1:
        return f"{name} is {_json(claims[0].value)}"
    return _wanted(condition, source)


def _wanted(condition: syntax.Condition, source: Source) -> str:
    """A condition in the field's words: `x-ms-sgx-svn >= 5`."""
    name = literal_type(condition)
    phrases = []
    for test in condition.tests:
        right = source.slice(test.expression.span)
        if test.property is PropertyName.TYPE and name is not None and right == _quoted(name):
            continue
        phrases.append((test.property, test.operator.value, _shortened(right, _SHOWN_STRING)))
    if name is None:
        return ", ".join(" ".join(phrase) for phrase in phrases)
    values = [f"{op} {right}" for prop, op, right in phrases if prop is PropertyName.VALUE]
    others = [" ".join(phrase) for phrase in phrases if phrase[0] is not PropertyName.VALUE]
    subject = " and ".join([f"{name} {values[0]}", *values[1:]]) if values else name
    return ", ".join([subject, *others])


def _quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _json(value: ClaimValue) -> str:
    text = _shortened(value, _SHOWN_STRING) if isinstance(value, str) else value
    return json.dumps(text, ensure_ascii=False)


def _shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[:limit] + "…"


def _listed(phrases: Sequence[str]) -> str:
    shown = list(phrases[:_SHOWN_NEEDS])
    if len(phrases) > _SHOWN_NEEDS:
        shown.append(f"and {len(phrases) - _SHOWN_NEEDS} more")
    return "; ".join(shown)
