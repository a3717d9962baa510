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
from assay.policy.meter import MAX_STEPS, OutOfStepsError
from assay.policy.run import Run
from assay.policy.source import PolicyEvaluationError, Source, printable
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
    replay = _Replay(program, incoming)
    sections = [(SectionName.AUTHORIZATION, program.authorization)]
    if decided:
        sections.append((SectionName.ISSUANCE, program.issuance))
    return tuple(replay.record(section, rule) for section, rules in sections for rule in rules)


def explain_decision(program: Program, incoming: Iterable[Claim], index: int) -> str:
    """Why the rule with `index` fired: `the rule at line 4: x-ms-sgx-is-debuggable is true`."""
    replay = _Replay(program, incoming)
    position = index - len(program.configuration)
    for rule in program.authorization[:position]:
        replay.step(rule)
    return replay.account(program.authorization[position])


def explain_no_permit(program: Program, incoming: Iterable[Claim]) -> str:
    """Why nothing permitted: the rule that came closest and what it lacked."""
    replay = _Replay(program, incoming)
    closest: tuple[CompiledRule, list[str]] | None = None
    for rule in program.authorization:
        if rule.node.action.name is ActionName.PERMIT:
            needs = replay.needs(rule)
            if closest is None or len(needs) < len(closest[1]):
                closest = rule, needs
        replay.step(rule)
    if closest is None:
        return "no rule permitted: the policy has no rule with permit()"
    line, _ = program.source.position(closest[0].node.span.start)
    return f"no rule permitted; the closest is line {line}: it needs {_listed(closest[1])}"


class _Replay:
    """An evaluation run again, rule by rule, with questions asked in between."""

    def __init__(self, program: Program, incoming: Iterable[Claim]) -> None:
        self._program = program
        self._source = program.source
        self._run = Run(tuple(incoming), program.looked_at)
        self._passed: list[CompiledRule] = []
        # Questions have steps of their own: the run must end as it did when nobody asked.
        self._spare = MAX_STEPS

    def step(self, rule: CompiledRule) -> None:
        """Run `rule`."""
        run_rules((rule,), self._run, self._source)
        self._passed.append(rule)

    def account(self, rule: CompiledRule) -> str:
        """Why `rule`, which is next, fires."""
        line, _ = self._source.position(rule.node.span.start)
        reasons = [self._held(condition) for condition in rule.node.conditions]
        if not reasons:
            return f"the rule at line {line}, which has no condition"
        return f"the rule at line {line}: {_listed(reasons)}"

    def record(self, section: SectionName, rule: CompiledRule) -> RuleRecord:
        """Run `rule` and note what became of it."""
        environment: list[Sequence[Claim]] = []
        needs = self.needs(rule, environment)
        self.step(rule)
        return RuleRecord(
            section=section,
            rule=reference(rule, self._source),
            fired=not needs,
            needs=tuple(needs),
            matched=() if needs else tuple(tuple(claims) for claims in environment),
        )

    def needs(
        self, rule: CompiledRule, environment: list[Sequence[Claim]] | None = None
    ) -> list[str]:
        """What `rule`, which is next, lacks: a phrase for each condition that fails."""
        met = [] if environment is None else environment
        steps = self._run.steps
        needs: list[str] = []
        for condition, matches in zip(rule.node.conditions, rule.conditions, strict=True):
            # Up to the first failure the evaluation did the same; what comes after is extra.
            self._run.steps = self._spare if needs else MAX_STEPS
            try:
                claims = matches(self._run, met)
            except (PolicyEvaluationError, OutOfStepsError):
                # The evaluation did not come here: a condition before this one failed.
                claims = None
            if needs:
                self._spare = max(0, self._run.steps)
            if claims is None:
                needs.append(self._lacked(condition))
            # A copy: the working set's own list grows.
            met.append(() if claims is None else tuple(claims))
        self._run.steps = steps
        return needs

    def _lacked(self, condition: syntax.Condition) -> str:
        wanted = _wanted(condition, self._source)
        name = literal_type(condition)
        if condition.negated:
            return f"no claim with {wanted}, and there is one"
        if name is None:
            return f"a claim with {wanted}, and there is none"
        claims = self._run.by_type.get(name, [])
        if not claims:
            return f"{wanted}, {self._absence(name)}"
        shown = [_shown_value(claim, condition) for claim in claims[:_SHOWN_VALUES]]
        if len(claims) > _SHOWN_VALUES:
            shown.append("…")
        made = all(claim.issuer is ClaimIssuer.POLICY for claim in claims)
        has = "the policy set it to" if made else "the evidence has"
        return f"{wanted}, {has} {', '.join(shown)}"

    def _absence(self, name: str) -> str:
        for rule in self._passed:
            if _makes(rule.node.action, name):
                line, _ = self._source.position(rule.node.span.start)
                wanted = [_stated(condition, self._source) for condition in rule.node.conditions]
                return f"which the rule at line {line} adds given {_listed(wanted)}"
        return "the evidence has no such claim"

    def _held(self, condition: syntax.Condition) -> str:
        name = literal_type(condition)
        claims = [] if name is None else self._run.by_type.get(name, [])
        if len(claims) == 1 and not condition.negated:
            return f"{name} is {_json(claims[0].value)}"
        return _stated(condition, self._source)


def _shown_value(claim: Claim, condition: syntax.Condition) -> str:
    asks_issuer = any(test.property is PropertyName.ISSUER for test in condition.tests)
    return _json(claim.value) + (f" from {claim.issuer.value}" if asks_issuer else "")


def _makes(action: syntax.Action, name: str) -> bool:
    if not isinstance(action.claim, syntax.NewClaim):
        return False
    expression = action.claim.find(PropertyName.TYPE)
    return isinstance(expression, syntax.Literal) and expression.value == name


def _stated(condition: syntax.Condition, source: Source) -> str:
    wanted = _wanted(condition, source)
    if condition.negated:
        return f"no claim with {wanted}"
    return wanted if literal_type(condition) is not None else f"a claim with {wanted}"


def _wanted(condition: syntax.Condition, source: Source) -> str:
    """A condition in the field's words: `x-ms-sgx-svn >= 5`."""
    name = literal_type(condition)
    phrases = []
    for test in condition.tests:
        right = printable(source.slice(test.expression.span))
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
