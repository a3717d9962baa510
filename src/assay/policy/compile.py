"""Tree to closures, once; evaluation then follows no tree.

A condition on a literal type is a look-up in the working set's index. A claim that no later
rule can see is not put into the working set at all: that set ends with the evaluation.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from assay.claims import Claim, ClaimValue
from assay.policy import syntax
from assay.policy.expressions import (
    READERS,
    Environment,
    Evaluator,
    Scope,
    compile_expression,
)
from assay.policy.functions import Values, in_range, typed
from assay.policy.meter import LONG_STRING, OutOfStepsError
from assay.policy.query import Query
from assay.policy.run import Outgoing, Run
from assay.policy.source import Source
from assay.policy.syntax import ActionName, FunctionName, Operator, PropertyName, SectionName

Matcher: TypeAlias = Callable[[Run, Environment], Sequence[Claim] | None]
"""The claims that meet a condition; none for a negated one that holds; `None` where it fails."""

Effect: TypeAlias = Callable[[Run, Environment], None]
_Reader: TypeAlias = Callable[[Claim], ClaimValue]
Predicate: TypeAlias = Callable[[ClaimValue], bool]
_Filter: TypeAlias = Callable[[Run, Environment, Sequence[Claim]], list[Claim]]

_ORDERINGS: Final[dict[Operator, tuple[Callable[[int, int], bool], bool]]] = {
    # Whether any of several right sides will do is decided by their least or greatest.
    Operator.LESS: (operator.lt, True),
    Operator.LESS_OR_EQUAL: (operator.le, True),
    Operator.GREATER: (operator.gt, False),
    Operator.GREATER_OR_EQUAL: (operator.ge, False),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledRule:
    """A rule, whole to be run and in parts to be explained."""

    index: int
    """In the whole policy, in the order of evaluation."""

    node: syntax.Rule
    conditions: tuple[Matcher, ...]
    effect: Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A whole policy as closures."""

    source: Source
    policy: syntax.Policy
    configuration: tuple[CompiledRule, ...]
    authorization: tuple[CompiledRule, ...]
    issuance: tuple[CompiledRule, ...]
    looked_at: frozenset[str] | None
    """The claim types that conditions name; `None` where one names none and so sees all."""

    queries: dict[str, Query | None]
    """The queries that stand in the text, each read when it first runs."""

    def start(self, incoming: tuple[Claim, ...]) -> Run:
        """A run over `incoming`.

        Raises:
            BoundReachedError: There are too many claims.
        """
        return Run(incoming, self.looked_at, self.queries)


def compile_program(policy: syntax.Policy, source: Source) -> Program:
    """The closures of a policy that `check` let pass."""
    rules = {name: policy.rules(name) for name in SectionName}
    first = len(rules[SectionName.CONFIGURATION])
    last = first + len(rules[SectionName.AUTHORIZATION])
    # Backwards, to know for each rule what is looked at after it.
    after = _Observed()
    issuance = _section(rules[SectionName.ISSUANCE], last, after, source)
    authorization = _section(rules[SectionName.AUTHORIZATION], first, after, source)
    return Program(
        source=source,
        policy=policy,
        authorization=authorization,
        configuration=_section(rules[SectionName.CONFIGURATION], 0, _Observed(), source),
        issuance=issuance,
        looked_at=after.types(),
        queries=dict.fromkeys(_literal_queries(policy)),
    )


def _literal_queries(policy: syntax.Policy) -> Iterator[str]:
    rules = (rule for section in policy.sections for rule in section.rules)
    for outer in (expression for rule in rules for expression in syntax.expressions(rule)):
        for call in syntax.descend(outer):
            if isinstance(call, syntax.FunctionCall) and call.name == FunctionName.JMES_PATH:
                query = call.arguments[1]
                if isinstance(query, syntax.Literal) and isinstance(query.value, str):
                    yield query.value


def run_rules(rules: tuple[CompiledRule, ...], run: Run, source: Source) -> None:
    """Run rules in order, each once.

    Raises:
        PolicyEvaluationError: A rule failed, or the steps ran out.
    """
    for rule in rules:
        try:
            environment: list[Sequence[Claim]] = []
            for matches in rule.conditions:
                claims = matches(run, environment)
                if claims is None:
                    break
                environment.append(claims)
            else:
                rule.effect(run, environment)
        except OutOfStepsError as error:
            raise source.failure(rule.node.span, "the evaluation takes too many steps") from error


class _Observed:
    """The claim types that the rules after the one being compiled look at."""

    def __init__(self) -> None:
        self._types: set[str | None] = set()

    def include(self, rule: syntax.Rule) -> None:
        self._types.update(literal_type(condition) for condition in rule.conditions)

    def types(self) -> frozenset[str] | None:
        names = frozenset(name for name in self._types if name is not None)
        return names if len(names) == len(self._types) else None

    def sees(self, claim_type: str) -> bool:
        # A condition that names no type looks at all of them.
        return claim_type in self._types or None in self._types


def literal_type(condition: syntax.Condition) -> str | None:
    """The claim type that a condition asks for by name."""
    for test in condition.tests:
        if (
            test.property is PropertyName.TYPE
            and test.operator is Operator.EQUAL
            and isinstance(test.expression, syntax.Literal)
            and isinstance(test.expression.value, str)
        ):
            return test.expression.value
    return None


def is_type_test(test: syntax.PropertyTest, name: str) -> bool:
    """Whether a test is `type==` and this name."""
    return (
        test.property is PropertyName.TYPE
        and test.operator is Operator.EQUAL
        and isinstance(test.expression, syntax.Literal)
        and test.expression.value == name
    )


# --- rules ---


def _section(
    rules: Sequence[syntax.Rule], first: int, after: _Observed, source: Source
) -> tuple[CompiledRule, ...]:
    compiled = []
    for offset in range(len(rules) - 1, -1, -1):
        compiled.append(_rule(rules[offset], first + offset, after, source))
        after.include(rules[offset])
    return tuple(reversed(compiled))


def _rule(rule: syntax.Rule, index: int, after: _Observed, source: Source) -> CompiledRule:
    scope: dict[str, int] = {}
    conditions = []
    for position, condition in enumerate(rule.conditions):
        conditions.append(_condition(condition, scope, source))
        if condition.identifier is not None:
            scope[condition.identifier.name] = position
    return CompiledRule(
        index=index,
        node=rule,
        conditions=tuple(conditions),
        effect=_Action(rule.action, scope, source).compile(index, after),
    )


# --- conditions ---


def _condition(condition: syntax.Condition, scope: Scope, source: Source) -> Matcher:
    name = literal_type(condition)
    filters = [
        _filter(test, scope, source)
        for test in condition.tests
        if name is None or not is_type_test(test, name)
    ]
    matches = _all_matches(filters) if name is None else _typed_matches(name, filters)
    return _negation(matches) if condition.negated else matches


def _typed_matches(name: str, filters: list[_Filter]) -> Matcher:
    if not filters:
        return lambda run, _environment: run.by_type.get(name)

    def matches(run: Run, environment: Environment) -> Sequence[Claim] | None:
        claims: Sequence[Claim] | None = run.by_type.get(name)
        if claims is None:
            return None
        for keep in filters:
            claims = keep(run, environment, claims)
            if not claims:
                return None
        return claims

    return matches


def _all_matches(filters: list[_Filter]) -> Matcher:
    def matches(run: Run, environment: Environment) -> Sequence[Claim] | None:
        claims: Sequence[Claim] = run.claims()
        run.spend(len(claims))
        for keep in filters:
            if not claims:
                return None
            claims = keep(run, environment, claims)
        return claims or None

    return matches


def _negation(matches: Matcher) -> Matcher:
    def holds(run: Run, environment: Environment) -> Sequence[Claim] | None:
        return () if matches(run, environment) is None else None

    return holds


def _filter(test: syntax.PropertyTest, scope: Scope, source: Source) -> _Filter:
    read = READERS[test.property]
    if isinstance(test.expression, syntax.Literal):
        return _literal_filter(read, test.operator, test.expression.value)
    right = compile_expression(test.expression, scope, source)

    # The right side is the same for all claims, and not evaluated where there is none.
    def keep(run: Run, environment: Environment, claims: Sequence[Claim]) -> list[Claim]:
        values, _ = right(run, environment)
        run.spend(len(claims) + len(values))
        if lengths := _long_lengths(values):
            _spend_on_long(run, read, claims, lengths)
        holds = predicate(test.operator, values)
        return [claim for claim in claims if holds(read(claim))]

    return keep


def _literal_filter(read: _Reader, operation: Operator, value: ClaimValue) -> _Filter:
    holds = predicate(operation, (value,))
    lengths = _long_lengths((value,))

    def keep(run: Run, _environment: Environment, claims: Sequence[Claim]) -> list[Claim]:
        run.spend(len(claims))
        if lengths:
            _spend_on_long(run, read, claims, lengths)
        return [claim for claim in claims if holds(read(claim))]

    return keep


def _long_lengths(values: Values) -> list[int]:
    return [len(value) for value in values if isinstance(value, str) and len(value) > LONG_STRING]


def _spend_on_long(run: Run, read: _Reader, claims: Sequence[Claim], lengths: list[int]) -> None:
    """Take steps for the strings that have as many characters as one to compare them with."""
    # Strings of different lengths are different at once.
    wanted = frozenset(lengths)
    values = map(read, claims)
    run.compare(value for value in values if isinstance(value, str) and len(value) in wanted)


def predicate(operation: Operator, right: Values) -> Predicate:
    """Whether a value stands in a relation to any of the values on the right.

    Values of different types are different and not ordered; only integers are ordered.
    """
    if operation is Operator.EQUAL:
        members = typed(right)
        return lambda value: (value.__class__, value) in members
    if operation is Operator.NOT_EQUAL:
        members = typed(right)
        if len(members) == 1:
            return lambda value: (value.__class__, value) not in members
        several = bool(members)
        return lambda _value: several
    compare, least_is_hardest = _ORDERINGS[operation]
    integers = [value for value in right if value.__class__ is int]
    if not integers:
        return lambda _value: False
    bound = max(integers) if least_is_hardest else min(integers)
    return lambda value: value.__class__ is int and compare(value, bound)


# --- actions ---


class _Action:
    def __init__(self, action: syntax.Action, scope: Scope, source: Source) -> None:
        self._action = action
        self._scope = scope
        self._source = source

    def compile(self, index: int, after: _Observed) -> Effect:
        """The effect of the action of rule `index`."""
        claim = self._action.claim
        if claim is None:
            return _permit(index) if self._action.name is ActionName.PERMIT else _deny(index)
        if isinstance(claim, syntax.ClaimCopy):
            return self._copy(self._scope[claim.identifier.name])
        return self._make(claim, after)

    def _copy(self, slot: int) -> Effect:
        # A copy keeps its issuer in the working set, where it is a duplicate: nothing to add.
        if self._action.name is ActionName.ADD:
            return lambda _run, _environment: None
        outgoing = _outgoing(self._action.name)

        def copy(run: Run, environment: Environment) -> None:
            claims = environment[slot]
            run.spend(len(claims))
            run.compare([claim.value for claim in claims])
            target = outgoing(run)
            for claim in claims:
                if claim.read_only:
                    raise self._refuse_read_only()
                target.setdefault(claim.type, {})[claim.value.__class__, claim.value] = claim.value

        return copy

    def _make(self, claim: syntax.NewClaim, after: _Observed) -> Effect:
        value_of = self._expression(claim, PropertyName.VALUE)
        name = claim.find(PropertyName.TYPE)
        if not isinstance(name, syntax.Literal):
            return self._make_named(self._expression(claim, PropertyName.TYPE), value_of)
        claim_type = str(name.value)
        return self._make_typed(claim_type, value_of, seen=after.sees(claim_type))

    def _make_typed(self, claim_type: str, value_of: Evaluator, *, seen: bool) -> Effect:
        """Put values where the action wants them; the working set only if they can be `seen`."""
        leaves = self._action.name is not ActionName.ADD
        outgoing = _outgoing(self._action.name)

        def make(run: Run, environment: Environment) -> None:
            values, read_only = value_of(run, environment)
            # There may be equal ones already, where they are put.
            run.compare(values)
            if leaves and values:
                if read_only:
                    raise self._refuse_read_only()
                target = outgoing(run).setdefault(claim_type, {})
                for value in values:
                    target[value.__class__, value] = value
            if seen:
                run.spend(len(values))
                for value in values:
                    run.add(claim_type, value, read_only=read_only)

        return make

    def _make_named(self, type_of: Evaluator, value_of: Evaluator) -> Effect:
        def make(run: Run, environment: Environment) -> None:
            evaluated = value_of(run, environment)
            claim_type = self._claim_type(type_of(run, environment)[0])
            # Each claim is found or put under its type.
            run.compare([claim_type] * (1 + len(evaluated[0])))
            self._make_typed(claim_type, lambda _run, _environment: evaluated, seen=True)(
                run, environment
            )

        return make

    def _expression(self, claim: syntax.NewClaim, name: PropertyName) -> Evaluator:
        expression = claim.find(name)
        assert expression is not None, "check demands type and value"  # noqa: S101
        if isinstance(expression, syntax.Literal) and not in_range(expression.value):
            return self._out_of_range(expression)
        return compile_expression(expression, self._scope, self._source)

    def _out_of_range(self, literal: syntax.Literal) -> Evaluator:
        def refuse(_run: Run, _environment: Environment) -> tuple[Values, bool]:
            reason = f"claims have integers of 64 bits with sign, got {literal.value}"
            raise self._source.failure(literal.span, reason)

        return refuse

    def _claim_type(self, values: Values) -> str:
        if len(values) == 1 and isinstance(values[0], str):
            return values[0]
        got = f"got {len(values)} values" if len(values) != 1 else "got another type"
        reason = f"a claim's type is one string, {got}"
        raise self._source.failure(self._action.span, reason)

    def _refuse_read_only(self) -> Exception:
        reason = (
            "a read-only value can be tested and added, but not issued; "
            "issue one of your own under a condition that tests it"
        )
        return self._source.failure(self._action.span, reason)


def _permit(index: int) -> Effect:
    def permit(run: Run, _environment: Environment) -> None:
        if run.permit is None:
            run.permit = index

    return permit


def _deny(index: int) -> Effect:
    def deny(run: Run, _environment: Environment) -> None:
        if run.deny is None:
            run.deny = index

    return deny


def _outgoing(name: ActionName) -> Callable[[Run], Outgoing]:
    if name is ActionName.ISSUE_PROPERTY:
        return operator.attrgetter("properties")
    return operator.attrgetter("issued")
