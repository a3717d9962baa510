"""The shortest account of a decision, and the record of every rule.

Both run the policy again, slowly, over the same claims: evaluation is pure, so they see what it
saw, and an evaluation that nobody asks about costs nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Final

from assay.claims import Claim, ClaimIssuer, ClaimValue, ValueType
from assay.claims.model import value_type_of
from assay.policy import syntax
from assay.policy.compile import CompiledRule, Program, is_type_test, literal_type, run_rules
from assay.policy.hints import claim_meant
from assay.policy.meter import MAX_STEPS, OutOfStepsError
from assay.policy.source import PolicyEvaluationError, Source, Span, printable
from assay.policy.syntax import ActionName, Operator, PropertyName, SectionName

_EQUALITIES: Final = frozenset({Operator.EQUAL, Operator.NOT_EQUAL})
_UNBOUND: Final[Mapping[str, Sequence[Claim]]] = MappingProxyType({})
_SHOWN_RULE: Final = 2_000
_SHOWN_STRING: Final = 70
_SHOWN_NAME: Final = 200
_SHOWN_TESTS: Final = 8
_SHOWN_VALUES: Final = 3
_SHOWN_CONDITIONS: Final = 3
_KEPT_CLAIMS: Final = 16
"""Of what a condition looked at: thousands of rules can look at thousands of claims."""

_ACCOUNTS: Final = 32
"""How many rules that add claims are asked why they did not: it costs as much as running them."""

_SUGGESTIONS: Final = 32
"""How many names are compared with those of the evidence: it costs as much as running rules."""


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
class ConditionRecord:
    """What became of one condition of a rule."""

    claim_type: str | None
    """The type of claims that it asks for by name."""

    held: bool
    expected: str
    """In the field's words: `x-ms-sgx-svn >= 5`."""

    actual: str
    """What there was: `the evidence has 3`."""

    claims: tuple[Claim, ...]
    """What it looked at, up to sixteen: the claims of its type; where it names no type, those
    that met it."""

    matched: tuple[Claim, ...]
    """The claims that met it, up to sixteen; none for a negated condition."""

    def __str__(self) -> str:
        return f"{self.expected}, {self.actual}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleRecord:
    """What became of one rule."""

    section: SectionName
    action: ActionName
    rule: RuleReference
    conditions: tuple[ConditionRecord, ...]
    """All of them, in the order of the text."""

    @property
    def fired(self) -> bool:
        """Whether its action ran."""
        return all(condition.held for condition in self.conditions)

    @property
    def needs(self) -> tuple[str, ...]:
        """For a rule that did not fire, each condition that failed and what there was instead."""
        return tuple(str(condition) for condition in self.conditions if not condition.held)

    @property
    def matched(self) -> tuple[tuple[Claim, ...], ...]:
        """For a rule that fired, the claims that met each condition; none for a negated one."""
        return tuple(condition.matched for condition in self.conditions) if self.fired else ()


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
    replay = _Replay(program, incoming, None)
    sections = [(SectionName.AUTHORIZATION, program.authorization)]
    if decided:
        sections.append((SectionName.ISSUANCE, program.issuance))
    return tuple(replay.record(section, rule) for section, rules in sections for rule in rules)


def reasons(
    program: Program, incoming: Iterable[Claim], index: int | None
) -> tuple[RuleRecord, ...]:
    """Why the evidence was decided on as it was.

    Where the rule with `index` decided, its record. Where none did, the records of all rules
    with permit(), the one that lacks least first.
    """
    deciding = {
        rule.index: rule
        for rule in program.authorization
        if rule.index == index or (index is None and rule.node.action.name is ActionName.PERMIT)
    }
    conditions = (condition for rule in deciding.values() for condition in rule.node.conditions)
    replay = _Replay(program, incoming, frozenset(map(literal_type, conditions)))
    records = []
    for rule in program.authorization:
        if rule.index in deciding:
            records.append(replay.record(SectionName.AUTHORIZATION, rule))
        else:
            replay.step(rule)
        if rule.index == index:
            break
    return tuple(sorted(records, key=lambda record: len(record.needs)))


def sentence(records: Sequence[RuleRecord]) -> str:
    """The `reasons` of a decision as one sentence.

    `denied by the rule at line 4: x-ms-sgx-is-debuggable is true`, or `no rule permitted; the
    closest is line 7: it needs x-ms-sgx-svn >= 5, the evidence has 3`.
    """
    if not records:
        return "no rule permitted: the policy has no rule with permit()"
    first = records[0]
    if not first.fired:
        needs = _listed(first.needs, len(first.needs))
        return f"no rule permitted; the closest is line {first.rule.line}: it needs {needs}"
    decided = "denied" if first.action is ActionName.DENY else "permitted"
    account = f"{decided} by the rule at line {first.rule.line}"
    if not first.conditions:
        return f"{account}, which has no condition"
    held = [_held(condition) for condition in first.conditions[:_SHOWN_CONDITIONS]]
    return f"{account}: {_listed(held, len(first.conditions))}"


class _Replay:
    """An evaluation run again, rule by rule, with questions asked in between."""

    def __init__(
        self, program: Program, incoming: Iterable[Claim], asked: frozenset[str | None] | None
    ) -> None:
        claims = tuple(incoming)
        self._program = program
        self._source = program.source
        self._run = program.start(claims)
        self._incoming = frozenset(claim.type for claim in claims)
        self._added: dict[str, str] = {}
        """For each claim type, the first rule before that adds such claims, in words; without
        words where nobody asks."""
        self._asked = asked
        """The claim types that the rules to be recorded ask for; `None` where all are recorded."""
        self._accounts = _ACCOUNTS
        self._suggestions = _SUGGESTIONS
        # Questions have steps of their own: the run must end as it did when nobody asked.
        self._spare = MAX_STEPS

    @cached_property
    def _makers(self) -> Mapping[str, int]:
        """For each claim type that a rule makes, the line of the first such rule."""
        makers: dict[str, int] = {}
        for rule in self._program.authorization + self._program.issuance:
            name = _made(rule.node.action)
            if name is not None and name not in makers:
                makers[name], _ = self._source.position(rule.node.span.start)
        return makers

    def step(self, rule: CompiledRule) -> None:
        """Run `rule`."""
        name = _made(rule.node.action)
        if name is not None and name not in self._added:
            asked = self._asked is None or name in self._asked
            # Before it runs, as for a record.
            self._added[name] = self._account(rule) if asked else ""
        run_rules((rule,), self._run, self._source)

    def _account(self, rule: CompiledRule) -> str:
        """Why there may be no claim that `rule` makes."""
        line, _ = self._source.position(rule.node.span.start)
        conditions = rule.node.conditions
        if conditions and not self._accounts:
            wanted = [_stated(condition, self._source) for condition in conditions[:_SHOWN_TESTS]]
            return f"which the rule at line {line} adds given {_joined(wanted, len(conditions))}"
        self._accounts -= bool(conditions)
        failed = [record for record in self._conditions(rule) if not record.held]
        if not failed:
            return f"for which the rule at line {line} found no value"
        needs = [
            record.expected
            # Accounts in accounts would grow without end.
            if record.claim_type in self._added and not record.claims
            else f"{record.expected} ({record.actual})"
            for record in failed[:_SHOWN_CONDITIONS]
        ]
        return f"which the rule at line {line} adds given {_joined(needs, len(failed))}"

    def record(self, section: SectionName, rule: CompiledRule) -> RuleRecord:
        """Run `rule` and note what became of it."""
        # Before its action, which may add claims of the same types.
        conditions = tuple(self._conditions(rule))
        self.step(rule)
        return RuleRecord(
            section=section,
            action=rule.node.action.name,
            rule=reference(rule, self._source),
            conditions=conditions,
        )

    def _conditions(self, rule: CompiledRule) -> Iterator[ConditionRecord]:
        met: list[Sequence[Claim]] = []
        bound: dict[str, Sequence[Claim]] = {}
        steps = self._run.steps
        failed = False
        for condition, matches in zip(rule.node.conditions, rule.conditions, strict=True):
            # Up to the first failure the evaluation did the same; what comes after is extra.
            self._run.steps = self._spare if failed else MAX_STEPS
            try:
                claims = matches(self._run, met)
            except (PolicyEvaluationError, OutOfStepsError):
                # The evaluation did not come here: a condition before this one failed.
                claims = None
            if failed:
                self._spare = max(0, self._run.steps)
            failed = failed or claims is None
            met.append(() if claims is None else claims)
            yield self._condition(condition, claims, bound)
            if condition.identifier is not None:
                bound[condition.identifier.name] = met[-1]
        self._run.steps = steps

    def _condition(
        self,
        condition: syntax.Condition,
        matched: Sequence[Claim] | None,
        bound: Mapping[str, Sequence[Claim]],
    ) -> ConditionRecord:
        name = literal_type(condition)
        claims: Sequence[Claim] = () if matched is None else matched
        looked_at = claims if name is None else self._run.by_type.get(name, ())
        if name is None:
            # A negated condition holds where there is none, any other where there is one.
            there = condition.negated is (matched is None)
            actual = "there is one" if there else "there is none"
        elif looked_at:
            failed = matched is None and not condition.negated
            actual = _present(looked_at, condition, failed=failed)
        else:
            actual = self._absence(name)
        return ConditionRecord(
            claim_type=name,
            held=matched is not None,
            expected=_stated(condition, self._source, bound),
            actual=actual,
            claims=tuple(looked_at[:_KEPT_CLAIMS]),
            matched=tuple(claims[:_KEPT_CLAIMS]),
        )

    def _absence(self, name: str) -> str:
        if name in self._added:
            return self._added[name]
        if name in self._makers:
            return f"which only the rule at line {self._makers[name]} adds, further below"
        near = ""
        if self._suggestions:
            self._suggestions -= 1
            near = claim_meant(name, self._incoming)
        return "the evidence has no such claim" + (f" ({near})" if near else "")


def _held(condition: ConditionRecord) -> str:
    if len(condition.claims) == 1 and condition.matched == condition.claims:
        claim = condition.claims[0]
        return f"{_shown(claim.type, _SHOWN_NAME)} is {_json(claim.value)}"
    return condition.expected


def _present(claims: Sequence[Claim], condition: syntax.Condition, *, failed: bool) -> str:
    asked = {test.property for test in condition.tests[:_SHOWN_TESTS]}
    types = {value_type_of(value) for value in _literals(condition)} if failed else set()
    few = claims[:_SHOWN_VALUES]
    shown = [_shown_value(claim, asked, types) for claim in few]
    if len(claims) > _SHOWN_VALUES:
        shown.append("…")
    made = all(claim.issuer is ClaimIssuer.POLICY for claim in few)
    found = f"{'the policy set it to' if made else 'the evidence has'} {', '.join(shown)}"
    remark = next(filter(None, (_remark(claim, condition) for claim in few)), "") if failed else ""
    return found + (f" ({remark})" if remark else "")


def _shown_value(claim: Claim, asked: set[PropertyName], types: set[ValueType]) -> str:
    """A claim's value, with what it is and whence it comes where that may be the matter."""
    shown = _json(claim.value)
    if PropertyName.VALUE_TYPE in asked or (types and claim.value_type not in types):
        shown += f" of type {claim.value_type}"
    return shown + (f" from {claim.issuer.value}" if PropertyName.ISSUER in asked else "")


def _remark(claim: Claim, condition: syntax.Condition) -> str:
    """What is easily overlooked where a value does not meet a condition."""
    literals = _literals(condition)
    types = {claim.value_type, *map(value_type_of, literals)}
    ordered = any(test.operator not in _EQUALITIES for test in condition.tests[:_SHOWN_TESTS])
    if ordered and types != {ValueType.INTEGER}:
        return "only integers are ordered"
    if claim.value == "null" and claim.issuer is ClaimIssuer.POLICY:
        return "JmesPath() gives this where it finds nothing"
    for wanted in literals:
        if claim.issuer is ClaimIssuer.POLICY and claim.value == _json(wanted):
            return "this is JSON text: JsonToClaimValue() takes the value out of it"
        if wanted != claim.value and _same_letters(wanted, claim.value):
            return "upper and lower case matter"
    return ""


def _same_letters(wanted: ClaimValue, value: ClaimValue) -> bool:
    if not (isinstance(wanted, str) and isinstance(value, str)):
        return False
    return len(wanted) == len(value) and wanted.lower() == value.lower()


def _literals(condition: syntax.Condition) -> list[ClaimValue]:
    """What a condition compares the value with, where the text has it."""
    return [
        test.expression.value
        for test in condition.tests[:_SHOWN_TESTS]
        if test.property is PropertyName.VALUE and isinstance(test.expression, syntax.Literal)
    ]


def _made(action: syntax.Action) -> str | None:
    """The type of the claims that an action makes, where the text has it."""
    name = (
        action.claim.find(PropertyName.TYPE) if isinstance(action.claim, syntax.NewClaim) else None
    )
    return str(name.value) if isinstance(name, syntax.Literal) else None


def _stated(
    condition: syntax.Condition, source: Source, bound: Mapping[str, Sequence[Claim]] = _UNBOUND
) -> str:
    wanted = _wanted(condition, source, bound)
    if condition.negated:
        return f"no claim with {wanted}"
    return wanted if literal_type(condition) is not None else f"a claim with {wanted}"


def _wanted(
    condition: syntax.Condition, source: Source, bound: Mapping[str, Sequence[Claim]]
) -> str:
    """A condition in the field's words: `x-ms-sgx-svn >= 5`."""
    name = literal_type(condition)
    others, values = [], []
    for test in condition.tests[:_SHOWN_TESTS]:
        if name is not None and is_type_test(test, name):
            continue
        start, end = test.expression.span
        # No more than is shown: a policy can be one long string, and have it in many accounts.
        right = source.slice(Span(start, min(end, start + _SHOWN_STRING + 1)))
        compared = f"{test.operator.value} {_shown(right, _SHOWN_STRING)}"
        compared += _referred(test.expression, bound)
        if test.property is PropertyName.VALUE and name is not None:
            values.append(compared)
        else:
            others.append(f"{test.property} {compared}")
    if len(condition.tests) > _SHOWN_TESTS:
        others.append("…")
    if name is None:
        return ", ".join(others)
    subject = _shown(name, _SHOWN_NAME)
    return ", ".join(
        [" and ".join([f"{subject} {values[0]}", *values[1:]]) if values else subject, *others]
    )


def _referred(expression: syntax.Expression, bound: Mapping[str, Sequence[Claim]]) -> str:
    """The values that `c.value` stands for, in brackets."""
    if (
        not isinstance(expression, syntax.PropertyAccess)
        or expression.property is not PropertyName.VALUE
    ):
        return ""
    claims = bound.get(expression.identifier.name, ())
    values = [_json(claim.value) for claim in claims[:_SHOWN_VALUES]]
    if len(claims) > _SHOWN_VALUES:
        values.append("…")
    return f" ({', '.join(values)})" if values else ""


def _json(value: ClaimValue) -> str:
    text = _shortened(value, _SHOWN_STRING) if isinstance(value, str) else value
    return printable(json.dumps(text, ensure_ascii=False))


def _shown(text: str, limit: int) -> str:
    return printable(_shortened(text, limit))


def _shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[:limit] + "…"


def _joined(phrases: Sequence[str], count: int) -> str:
    """The first phrases of so many, inside a phrase of a list."""
    more = count - _SHOWN_CONDITIONS
    return " and ".join(phrases[:_SHOWN_CONDITIONS]) + (f" and {more} more" if more > 0 else "")


def _listed(phrases: Sequence[str], count: int) -> str:
    """The first phrases of so many."""
    shown = list(phrases[:_SHOWN_CONDITIONS])
    if count > _SHOWN_CONDITIONS:
        shown.append(f"and {count - _SHOWN_CONDITIONS} more")
    return "; ".join(shown)
