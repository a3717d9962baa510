"""What the grammar cannot say: versions, which action stands where, names, arities.

Source: MAA policy language; sections 3 (versions), 6 (actions), 7 (functions).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from assay.policy import hints, syntax
from assay.policy.cursor import MAX_PROBLEMS
from assay.policy.source import PolicyProblem, Source, Span
from assay.policy.syntax import ActionName, FunctionName, PropertyName, SectionName, Version

_VERSIONS: Final = frozenset(version.value for version in Version)
_WITHOUT_CONFIGURATION: Final = frozenset({"1.0"})
_WITHOUT_FUNCTIONS: Final = frozenset({"1.0", "1.1"})

# `issue` in authorizationrules breaks the documented table, but a published policy uses it.
_ALLOWED: Final = {
    SectionName.CONFIGURATION: frozenset({ActionName.ISSUE_PROPERTY}),
    SectionName.AUTHORIZATION: frozenset(
        {ActionName.PERMIT, ActionName.DENY, ActionName.ADD, ActionName.ISSUE}
    ),
    SectionName.ISSUANCE: frozenset({ActionName.ADD, ActionName.ISSUE, ActionName.ISSUE_PROPERTY}),
}

ARITIES: Final = {
    FunctionName.JMES_PATH: 2,
    FunctionName.JSON_TO_CLAIM_VALUE: 1,
    FunctionName.IS_SUBSET_OF: 2,
    FunctionName.APPEND_STRING: 2,
    FunctionName.NEGATE_BOOL: 1,
    FunctionName.CONTAINS_ONLY_VALUE: 2,
}
_FUNCTIONS: Final = {name.value: name for name in FunctionName}


def check(policy: syntax.Policy, source: Source) -> list[PolicyProblem]:
    """The problems of a tree, in the order of the text, at most `MAX_PROBLEMS`."""
    checker = _Checker(policy, source)
    problems = []
    for problem in checker.problems():
        problems.append(problem)
        if len(problems) >= MAX_PROBLEMS:
            break
    return problems


class _Checker:
    def __init__(self, policy: syntax.Policy, source: Source) -> None:
        self._policy = policy
        self._source = source
        # Without a version nothing is gated: one problem, not one for every rule.
        self._version = "1.2" if policy.version is None else policy.version.number

    def problems(self) -> Iterator[PolicyProblem]:
        version = self._policy.version
        if version is not None and version.number not in _VERSIONS:
            self._version = "1.2"
            got = f"got `{version.number}`"
            yield self._problem(version.span, "version 1.0, 1.1 or 1.2", got)
        for section in self._policy.sections:
            yield from self._section(section)

    def _problem(self, span: Span, expected: str, actual: str, hint: str = "") -> PolicyProblem:
        message = f"expected {expected}, {actual}" + (f"; {hint}" if hint else "")
        return self._source.problem(span, message, expected=expected)

    def _too_old(self, span: Span, expected: str, least: Version) -> PolicyProblem:
        hint = f"write `version={least};`"
        return self._problem(span, expected, f"got version {self._version}", hint)

    def _section(self, section: syntax.Section) -> Iterator[PolicyProblem]:
        if section.name is SectionName.CONFIGURATION and self._version in _WITHOUT_CONFIGURATION:
            wanted = "version 1.1 or later for configurationrules"
            yield self._too_old(section.span, wanted, Version.V1_1)
        for rule in section.rules:
            yield from self._rule(section.name, rule)

    def _rule(self, section: SectionName, rule: syntax.Rule) -> Iterator[PolicyProblem]:
        bound: set[str] = set()
        for condition in rule.conditions:
            yield from self._condition(condition, bound)
        action = rule.action
        if action.name not in _ALLOWED[section]:
            allowed = ", ".join(f"{name}()" for name in ActionName if name in _ALLOWED[section])
            span = Span(action.span.start, action.span.start + len(action.name))
            homes = [name for name in SectionName if action.name in _ALLOWED[name]]
            hint = f"{action.name}() belongs in {' or '.join(homes)}"
            wanted = f"one of {allowed}" if len(_ALLOWED[section]) > 1 else allowed
            yield self._problem(span, f"{wanted} in {section}", f"got {action.name}()", hint)
        if isinstance(action.claim, syntax.ClaimCopy):
            yield from self._name(action.claim.identifier, bound)
        elif isinstance(action.claim, syntax.NewClaim):
            yield from self._new_claim(action, action.claim, bound)

    def _condition(self, condition: syntax.Condition, bound: set[str]) -> Iterator[PolicyProblem]:
        if condition.negated and self._version in _WITHOUT_FUNCTIONS:
            span = Span(condition.span.start, condition.span.start + 1)
            yield self._too_old(span, "version 1.2 for `!`", Version.V1_2)
        for test in condition.tests:
            yield from self._expression(test.expression, bound)
        if condition.identifier is not None:
            name = condition.identifier.name
            if name in bound:
                got = f"got `{name}` a second time"
                hint = "give each condition a name of its own"
                yield self._problem(condition.identifier.span, "one condition a name", got, hint)
            bound.add(name)

    def _new_claim(
        self, action: syntax.Action, claim: syntax.NewClaim, bound: set[str]
    ) -> Iterator[PolicyProblem]:
        seen: set[PropertyName] = set()
        for assignment in claim.assignments:
            name = assignment.property
            if name in seen:
                got = "got it a second time"
                yield self._problem(assignment.span, f"`{name}` once in a claim", got)
            seen.add(name)
            yield from self._expression(assignment.expression, bound)
            if name is PropertyName.TYPE and _is_literal_other_than_string(assignment.expression):
                got = f"got {self._source.slice(assignment.expression.span)}"
                yield self._problem(assignment.expression.span, "a string as claim type", got)
        for name in (PropertyName.TYPE, PropertyName.VALUE):
            if name not in seen:
                closing = Span(action.span.end - 1, action.span.end)
                yield self._problem(
                    closing, f"`{name}=` in a new claim", "got none", hints.NEW_CLAIM
                )

    def _expression(self, outer: syntax.Expression, bound: set[str]) -> Iterator[PolicyProblem]:
        for expression in syntax.descend(outer):
            if isinstance(expression, syntax.PropertyAccess):
                yield from self._name(expression.identifier, bound)
            elif isinstance(expression, syntax.FunctionCall):
                yield from self._call(expression)

    def _name(self, identifier: syntax.Identifier, bound: set[str]) -> Iterator[PolicyProblem]:
        if identifier.name not in bound:
            got = f"got `{identifier.name}`"
            near = hints.meant(identifier.name, bound)
            hint = near or f"write `{identifier.name}:` before a condition to the left in this rule"
            yield self._problem(identifier.span, "a name that a condition binds", got, hint)

    def _call(self, call: syntax.FunctionCall) -> Iterator[PolicyProblem]:
        span = Span(call.span.start, call.span.start + len(call.name))
        function = _FUNCTIONS.get(call.name)
        if function is None:
            got = f"got `{call.name}`"
            yield self._problem(span, "a function", got, hints.function(call.name))
            return
        if self._version in _WITHOUT_FUNCTIONS:
            yield self._too_old(span, "version 1.2 for functions", Version.V1_2)
        if len(call.arguments) != ARITIES[function]:
            plural = "" if ARITIES[function] == 1 else "s"
            wanted = f"{ARITIES[function]} argument{plural} of {function}"
            got = f"got {len(call.arguments)}"
            yield self._problem(span, wanted, got, hints.arity(function))


def _is_literal_other_than_string(expression: syntax.Expression) -> bool:
    return isinstance(expression, syntax.Literal) and not isinstance(expression.value, str)
