"""Findings about rules: what they decide, what they leave unused, what is read otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from assay.claims import ClaimIssuer, ClaimValue, ValueType
from assay.claims.model import value_type_of
from assay.policy import syntax
from assay.policy.functions import in_range
from assay.policy.hints import meant
from assay.policy.lint.subject import (
    LintFinding,
    PlacedRule,
    Severity,
    Subject,
    asks_for,
    literal_tests,
    literals,
    permits_without_condition,
)
from assay.policy.source import Span
from assay.policy.syntax import ActionName, Operator, PropertyName, SectionName
from assay.policy.tokens import TokenKind, tokenize

_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_PLACEHOLDER: Final = re.compile(r"<[^<>]+>|\{\{[^{}]+\}\}|\$\{[^{}]+\}")
_CHOICES: Final[Mapping[PropertyName, tuple[str, ...]]] = {
    PropertyName.TYPE: (),
    PropertyName.ISSUER: tuple(ClaimIssuer),
    PropertyName.VALUE_TYPE: tuple(ValueType),
}
"""What a property can be, besides any string."""
_DIGITS: Final = re.compile("[0-9]{1,18}")
_ORDERINGS: Final = frozenset(Operator) - {Operator.EQUAL, Operator.NOT_EQUAL}


def lint_decision(subject: Subject) -> Iterator[LintFinding]:
    """never-permits, unconditional-permit, deny-list-open."""
    rules = subject.section(SectionName.AUTHORIZATION)
    names = [rule.node.action.name for rule in rules]
    if ActionName.PERMIT not in names:
        message = "no rule has permit(): this policy refuses everything"
        yield subject.finding("never-permits", Severity.ERROR, Span(0, 0), message)
        return
    if not permits_without_condition(subject):
        return
    for rule in rules:
        if rule.node.action.name is ActionName.PERMIT and not rule.node.conditions:
            if ActionName.DENY not in names:
                message = "everything is permitted, debuggable environments included"
                yield subject.finding(
                    "unconditional-permit", Severity.WARNING, rule.node.span, message
                )
        elif rule.node.action.name is ActionName.DENY:
            yield from _deny_list(subject, rule)


def _deny_list(subject: Subject, rule: PlacedRule) -> Iterator[LintFinding]:
    for condition in rule.node.conditions:
        tests = list(literal_tests(condition))
        if any(operator is Operator.EQUAL and test.value is False for operator, test in tests):
            message = "evidence without this claim is not denied; permit on `true` instead"
            yield subject.finding("deny-list-open", Severity.WARNING, condition.span, message)


def lint_conditions(subject: Subject) -> Iterator[LintFinding]:
    """untyped-condition, negation-open, impossible-test, ordering-type, use-before-add and more."""
    for rule in subject.rules:
        for condition in rule.node.conditions:
            yield from _condition(subject, rule, condition)
        if rule.section is SectionName.CONFIGURATION and rule.node.conditions:
            message = "configuration rules run before there are claims: conditions see none"
            yield subject.finding(
                "configuration-condition", Severity.WARNING, rule.node.span, message
            )


def _condition(
    subject: Subject, rule: PlacedRule, condition: syntax.Condition
) -> Iterator[LintFinding]:
    named = asks_for(condition)
    if not any(test.property is PropertyName.TYPE for test in condition.tests):
        message = "without a test of the type any claim meets this condition"
        yield subject.finding("untyped-condition", Severity.WARNING, condition.span, message)
    if condition.negated and named and any(True for _ in literal_tests(condition)):
        message = f"this also holds where there is no claim {named[0]}"
        yield subject.finding("negation-open", Severity.WARNING, condition.span, message)
    yield from _contradiction(subject, condition)
    for test in condition.tests:
        yield from _impossible(subject, test)
        if test.operator in _ORDERINGS and not _can_be_ordered(test):
            message = f"only integers are ordered: this never holds{_number(test.expression)}"
            yield subject.finding("ordering-type", Severity.ERROR, test.span, message)
    if named is not None:
        yield from _use_before_add(subject, rule, *named)


def _contradiction(subject: Subject, condition: syntax.Condition) -> Iterator[LintFinding]:
    wanted: dict[PropertyName, tuple[ValueType, ClaimValue]] = {}
    for test in condition.tests:
        literal = test.expression
        if test.operator is not Operator.EQUAL or not isinstance(literal, syntax.Literal):
            continue
        value = (value_type_of(literal.value), literal.value)
        if wanted.setdefault(test.property, value) != value:
            message = (
                f"no claim has this {test.property} and the one before, too; "
                "write one rule for each alternative"
            )
            yield subject.finding("impossible-test", Severity.ERROR, test.span, message)


def _impossible(subject: Subject, test: syntax.PropertyTest) -> Iterator[LintFinding]:
    choices = _CHOICES.get(test.property)
    literal = test.expression
    if choices is None or test.operator in _ORDERINGS or not isinstance(literal, syntax.Literal):
        return
    if isinstance(literal.value, str) and (not choices or literal.value in choices):
        return
    written = subject.source.slice(literal.span)
    hint = meant(str(literal.value), choices) or f"there are {', '.join(choices)}"
    if not choices:
        hint = f'write "{written}"'
    message = f"no claim has the {test.property} {written}; {hint}"
    yield subject.finding("impossible-test", Severity.ERROR, literal.span, message)


def _number(expression: syntax.Expression) -> str:
    """How a number in quotes is written."""
    value = expression.value if isinstance(expression, syntax.Literal) else None
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        return f"; write {value}, without quotes"
    return ""


def _can_be_ordered(test: syntax.PropertyTest) -> bool:
    if test.property is not PropertyName.VALUE:
        return False
    return not isinstance(test.expression, syntax.Literal) or (
        value_type_of(test.expression.value) is ValueType.INTEGER
    )


def _use_before_add(
    subject: Subject, rule: PlacedRule, name: str, span: Span
) -> Iterator[LintFinding]:
    known = subject.claims is not None and name in subject.claims
    first = subject.made.get(name)
    if first is not None and first >= rule.index and not known:
        message = f"{name} is made only by a later rule; rules run once, in order"
        yield subject.finding("use-before-add", Severity.WARNING, span, message)


def lint_actions(subject: Subject) -> Iterator[LintFinding]:
    """issue-in-authorization, ignored-property, unused-identifier, duplicate-rule."""
    seen: dict[tuple[object, ...], int] = {}
    for rule in subject.rules:
        action = rule.node.action
        if rule.section is SectionName.AUTHORIZATION and action.name is ActionName.ISSUE:
            message = "issue() is documented for issuancerules only"
            yield subject.finding("issue-in-authorization", Severity.WARNING, action.span, message)
        if isinstance(action.claim, syntax.NewClaim):
            for assignment in action.claim.assignments:
                if assignment.property in {PropertyName.ISSUER, PropertyName.VALUE_TYPE}:
                    message = f"{assignment.property}= in an action is ignored"
                    yield subject.finding(
                        "ignored-property", Severity.WARNING, assignment.span, message
                    )
        yield from _unused(subject, rule.node)
        words = tuple(
            token.text
            for token in tokenize(subject.source.slice(rule.node.span))
            if token.kind is not TokenKind.COMMENT
        )
        line, _ = subject.source.position(rule.node.span.start)
        before = seen.setdefault((rule.section, words), line)
        if before != line:
            message = f"this is the rule of line {before} again"
            yield subject.finding("duplicate-rule", Severity.WARNING, rule.node.span, message)


def _unused(subject: Subject, rule: syntax.Rule) -> Iterator[LintFinding]:
    used = {
        inner.identifier.name
        for outer in syntax.expressions(rule)
        for inner in syntax.descend(outer)
        if isinstance(inner, syntax.PropertyAccess)
    }
    if isinstance(rule.action.claim, syntax.ClaimCopy):
        used.add(rule.action.claim.identifier.name)
    for condition in rule.conditions:
        identifier = condition.identifier
        if identifier is not None and identifier.name not in used:
            message = f"the name {identifier.name} is not used"
            yield subject.finding("unused-identifier", Severity.NOTE, identifier.span, message)


def lint_literals(subject: Subject) -> Iterator[LintFinding]:
    """placeholder, unknown-escape, string-line-break, integer-range, line-ends."""
    for rule in subject.rules:
        for literal in literals(rule.node):
            yield from _literal(subject, literal)
    if "\r" in subject.source.text:
        message = "the lines end in CR LF, which the policy hash covers"
        yield subject.finding("line-ends", Severity.NOTE, Span(0, 0), message)


def _literal(subject: Subject, literal: syntax.Literal) -> Iterator[LintFinding]:
    if not isinstance(literal.value, str):
        if not in_range(literal.value):
            message = "integers of claims have 64 bits with sign"
            yield subject.finding("integer-range", Severity.WARNING, literal.span, message)
        return
    if _PLACEHOLDER.fullmatch(literal.value):
        message = "this looks like a placeholder that was not filled in"
        yield subject.finding("placeholder", Severity.WARNING, literal.span, message)
    text = subject.source.slice(literal.span)[1:-1]
    unknown = {match.group(1) for match in _ESCAPE.finditer(text)} - {'"', "\\"}
    if unknown:
        message = 'only `\\"` and `\\\\` are escapes; other backslashes stay'
        yield subject.finding("unknown-escape", Severity.WARNING, literal.span, message)
    if "\n" in text or "\r" in text:
        message = "a line break inside a string is part of it"
        yield subject.finding("string-line-break", Severity.WARNING, literal.span, message)
