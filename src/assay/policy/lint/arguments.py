"""Findings about arguments of functions whose types are known before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from assay.claims import ValueType
from assay.claims.model import value_type_of
from assay.policy import syntax
from assay.policy.lint.subject import LintFinding, PlacedRule, Severity, Subject, asks_for
from assay.policy.syntax import FunctionName, PropertyName

_BOOLEAN, _STRING = ValueType.BOOLEAN, ValueType.STRING

_PARAMETERS: Final[Mapping[str, tuple[ValueType, ...]]] = {
    FunctionName.JMES_PATH: (_STRING, _STRING),
    FunctionName.JSON_TO_CLAIM_VALUE: (_STRING,),
    FunctionName.APPEND_STRING: (_STRING, _STRING),
    FunctionName.NEGATE_BOOL: (_BOOLEAN,),
}
"""The functions that do not take values of every type."""

_RESULTS: Final[Mapping[str, ValueType]] = {
    FunctionName.JMES_PATH: _STRING,
    FunctionName.APPEND_STRING: _STRING,
    FunctionName.NEGATE_BOOL: _BOOLEAN,
    FunctionName.IS_SUBSET_OF: _BOOLEAN,
    FunctionName.CONTAINS_ONLY_VALUE: _BOOLEAN,
}
"""`JsonToClaimValue` gives what the JSON holds."""


def lint_arguments(subject: Subject) -> Iterator[LintFinding]:
    """argument-type: a function is given what it refuses when it runs."""
    for rule in subject.rules:
        bound = _bound(subject, rule)
        for outer in syntax.expressions(rule.node):
            for call in syntax.descend(outer):
                if isinstance(call, syntax.FunctionCall):
                    yield from _call(subject, call, bound)


def _call(
    subject: Subject, call: syntax.FunctionCall, bound: Mapping[str, ValueType]
) -> Iterator[LintFinding]:
    for wanted, argument in zip(_PARAMETERS.get(call.name, ()), call.arguments, strict=False):
        got = _type(argument, bound)
        if got not in {None, wanted}:
            message = (
                f"{call.name} expects {wanted} here, this is of type {got}: "
                "evidence that gets here is refused with an error"
            )
            yield subject.finding("argument-type", Severity.ERROR, argument.span, message)


def _type(expression: syntax.Expression, bound: Mapping[str, ValueType]) -> ValueType | None:
    if isinstance(expression, syntax.Literal):
        return value_type_of(expression.value)
    if isinstance(expression, syntax.FunctionCall):
        return _RESULTS.get(expression.name)
    if expression.property is not PropertyName.VALUE:
        return _STRING
    return bound.get(expression.identifier.name)


def _bound(subject: Subject, rule: PlacedRule) -> dict[str, ValueType]:
    """The types of the values of a rule's named claims, where the catalogue knows them."""
    types = {}
    for condition in rule.node.conditions:
        named = asks_for(condition)
        if condition.identifier is None or named is None or subject.claims is None:
            continue
        known = subject.claims.get(named[0])
        made = named[0] in subject.made or None in subject.made
        if known is not None and known.incoming and known.value_type is not None and not made:
            types[condition.identifier.name] = known.value_type
    return types
