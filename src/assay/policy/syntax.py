"""The tree of a policy: what the text says, each node with its place.

Source: MAA policy language 1.0, 1.1 and 1.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from assay.policy.source import Span


class Version(StrEnum):
    """The published versions of the language."""

    V1_0 = "1.0"
    V1_1 = "1.1"
    V1_2 = "1.2"


class SectionName(StrEnum):
    """The sections, in the order in which they stand."""

    CONFIGURATION = "configurationrules"
    AUTHORIZATION = "authorizationrules"
    ISSUANCE = "issuancerules"


class ActionName(StrEnum):
    """What a rule can do."""

    PERMIT = "permit"
    DENY = "deny"
    ADD = "add"
    ISSUE = "issue"
    ISSUE_PROPERTY = "issueproperty"


class PropertyName(StrEnum):
    """The properties of a claim."""

    TYPE = "type"
    VALUE = "value"
    VALUE_TYPE = "valueType"
    ISSUER = "issuer"


class Operator(StrEnum):
    """How a condition compares."""

    EQUAL = "=="
    NOT_EQUAL = "!="
    LESS = "<"
    LESS_OR_EQUAL = "<="
    GREATER = ">"
    GREATER_OR_EQUAL = ">="


class FunctionName(StrEnum):
    """The functions of version 1.2."""

    JMES_PATH = "JmesPath"
    JSON_TO_CLAIM_VALUE = "JsonToClaimValue"
    IS_SUBSET_OF = "IsSubsetOf"
    APPEND_STRING = "AppendString"
    NEGATE_BOOL = "NegateBool"
    CONTAINS_ONLY_VALUE = "ContainsOnlyValue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Literal:
    """`"text"`, `5`, `true`."""

    value: str | int | bool
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifier:
    """A name for the claims that met a condition."""

    name: str
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class PropertyAccess:
    """`c.value`."""

    identifier: Identifier
    property: PropertyName
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionCall:
    """`IsSubsetOf(a.value, b.value)`."""

    name: str
    """As written; `check` knows whether there is such a function."""

    arguments: tuple[Expression, ...]
    span: Span


Expression: TypeAlias = Literal | PropertyAccess | FunctionCall


@dataclass(frozen=True, slots=True, kw_only=True)
class PropertyTest:
    """`value >= 5`."""

    property: PropertyName
    operator: Operator
    expression: Expression
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """`c:[type=="a", value==1]`, or its negation."""

    identifier: Identifier | None
    negated: bool
    tests: tuple[PropertyTest, ...]
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """`value=c.value` in an action."""

    property: PropertyName
    expression: Expression
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class NewClaim:
    """`type="a", value=1`."""

    assignments: tuple[Assignment, ...]
    span: Span

    def find(self, name: PropertyName) -> Expression | None:
        """What is assigned to `name`."""
        for assignment in self.assignments:
            if assignment.property is name:
                return assignment.expression
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimCopy:
    """`claim=c`."""

    identifier: Identifier
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """`issue(...)`; permit and deny have no claim."""

    name: ActionName
    claim: NewClaim | ClaimCopy | None
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`conditions => action;`."""

    conditions: tuple[Condition, ...]
    action: Action
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """`name { rules };`."""

    name: SectionName
    rules: tuple[Rule, ...]
    span: Span
    """Of the name alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionStatement:
    """`version=1.0;`."""

    number: str
    span: Span
    """Of the number alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A whole policy, or as much of it as could be read."""

    version: VersionStatement | None
    sections: tuple[Section, ...]

    def rules(self, name: SectionName) -> tuple[Rule, ...]:
        """The rules of a section; none where there is no such section."""
        for section in self.sections:
            if section.name is name:
                return section.rules
        return ()


def expressions(rule: Rule) -> Iterator[Expression]:
    """Every expression of a rule, outermost only, in the order of the text."""
    for condition in rule.conditions:
        for test in condition.tests:
            yield test.expression
    if isinstance(rule.action.claim, NewClaim):
        for assignment in rule.action.claim.assignments:
            yield assignment.expression


def descend(expression: Expression) -> Iterator[Expression]:
    """An expression and all it contains, in the order of the text."""
    yield expression
    if isinstance(expression, FunctionCall):
        for argument in expression.arguments:
            yield from descend(argument)
