"""What linters look at, and what they say.

A finding's code never changes its meaning; its text may change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from assay.claims.names import CATALOGUE, ClaimName
from assay.policy import syntax
from assay.policy.compile import literal_type
from assay.policy.source import Source, Span
from assay.policy.syntax import ActionName, Operator, PropertyName, SectionName


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    """The policy cannot do what it says."""

    WARNING = "warning"
    """It probably does not do what its author thinks."""

    NOTE = "note"
    """Worth knowing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LintFinding:
    """Something in a policy that is allowed and probably wrong."""

    code: str
    severity: Severity
    line: int
    """From 1."""

    column: int
    """From 1."""

    length: int
    message: str

    source: str
    """The source line, shortened around the column where it is long."""

    caret: str
    """Blanks and `^` to print under `source`."""

    def __str__(self) -> str:
        return (
            f"line {self.line}, column {self.column}: {self.severity}: {self.message} [{self.code}]"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedRule:
    """A rule with its section and its place in the order of evaluation."""

    section: SectionName
    index: int
    node: syntax.Rule


class Subject:
    """A policy with what is known of the claims of its attestation type."""

    def __init__(self, tree: syntax.Policy, source: Source, attestation_type: str | None) -> None:
        self.source = source
        self.attestation_type = attestation_type
        self.claims: Mapping[str, ClaimName] | None = CATALOGUE.get(attestation_type or "")
        """By name; `None` where the type is not given or has no catalogue."""
        placed = ((name, rule) for name in SectionName for rule in tree.rules(name))
        self.rules = tuple(
            PlacedRule(section=name, index=index, node=rule)
            for index, (name, rule) in enumerate(placed)
        )
        self.made = _made(self.rules)
        """For each claim type that a rule makes, the first such rule's index; `None` is any."""

    def section(self, name: SectionName) -> tuple[PlacedRule, ...]:
        """The rules of a section."""
        return tuple(rule for rule in self.rules if rule.section is name)

    def finding(self, code: str, severity: Severity, span: Span, message: str) -> LintFinding:
        """A finding at `span`."""
        problem = self.source.problem(span, message, expected="")
        return LintFinding(
            code=code,
            severity=severity,
            line=problem.line,
            column=problem.column,
            length=problem.length,
            message=message,
            source=problem.source,
            caret=problem.caret,
        )


def literals(rule: syntax.Rule) -> Iterator[syntax.Literal]:
    """Every literal of a rule."""
    for outer in syntax.expressions(rule):
        for expression in syntax.descend(outer):
            if isinstance(expression, syntax.Literal):
                yield expression


def literal_tests(condition: syntax.Condition) -> Iterator[tuple[Operator, syntax.Literal]]:
    """The tests of a condition that compare the value with a literal."""
    for test in condition.tests:
        if test.property is PropertyName.VALUE and isinstance(test.expression, syntax.Literal):
            yield test.operator, test.expression


def made_type(action: syntax.Action) -> syntax.Literal | None:
    """The literal claim type of the claim that an action makes."""
    if not isinstance(action.claim, syntax.NewClaim):
        return None
    expression = action.claim.find(PropertyName.TYPE)
    return expression if isinstance(expression, syntax.Literal) else None


def permits_without_condition(subject: Subject) -> bool:
    """Whether everything that is not denied is permitted."""
    return any(
        rule.node.action.name is ActionName.PERMIT and not rule.node.conditions
        for rule in subject.section(SectionName.AUTHORIZATION)
    )


def asks_for(condition: syntax.Condition) -> tuple[str, Span] | None:
    """The claim type that a condition names, with the place of the name."""
    name = literal_type(condition)
    for test in condition.tests:
        if test.property is PropertyName.TYPE and isinstance(test.expression, syntax.Literal):
            return None if name is None else (name, test.expression.span)
    return None


def _made(rules: tuple[PlacedRule, ...]) -> dict[str | None, int]:
    made: dict[str | None, int] = {}
    for rule in rules:
        if rule.section is SectionName.CONFIGURATION:
            continue
        claim_type = made_type(rule.node.action)
        if claim_type is not None:
            made.setdefault(str(claim_type.value), rule.index)
        elif isinstance(rule.node.action.claim, syntax.NewClaim):
            made.setdefault(None, rule.index)
    return made
