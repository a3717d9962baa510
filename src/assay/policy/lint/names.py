"""Findings about claims: their names, types and issuers, and the settings of the engine.

Source: MAA policy language, sections 8 (settings) and 12 (what a linter should say).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

from assay.claims import ClaimIssuer, ClaimValue, ValueType
from assay.claims.model import value_type_of
from assay.claims.names import ClaimName, Where
from assay.policy import syntax
from assay.policy.hints import claim_meant, meant
from assay.policy.lint.subject import (
    LintFinding,
    PlacedRule,
    Severity,
    Subject,
    asks_for,
    literal_tests,
    made_type,
)
from assay.policy.settings import PROPERTIES, SETTINGS
from assay.policy.source import Span
from assay.policy.syntax import ActionName, Operator, PropertyName, SectionName

_DEBUGGABLE: Final = frozenset(
    {
        "x-ms-sgx-is-debuggable",
        "$is-debuggable",
        "x-ms-sevsnpvm-is-debuggable",
        "tdx_td_attributes_debug",
    }
)
_WITH_CLIENT_CLAIMS: Final = frozenset({"Tpm"})
_LITERALS: Final = {
    ValueType.BOOLEAN: re.compile("true|false", re.IGNORECASE),
    ValueType.INTEGER: re.compile("[0-9]{1,18}"),
}
_DECIDING: Final = frozenset({ActionName.PERMIT, ActionName.DENY})


def lint_names(subject: Subject) -> Iterator[LintFinding]:
    """unknown-, deprecated-claim, type-mismatch, existence-test, missing-issuer and more."""
    for rule in subject.rules:
        for condition in rule.node.conditions:
            named = asks_for(condition)
            if named is not None:
                yield from _name(subject, condition, *named)
                yield from _meaning(subject, rule, condition, named[0])


def _name(
    subject: Subject, condition: syntax.Condition, name: str, span: Span
) -> Iterator[LintFinding]:
    if name.startswith("$"):
        message = f"names with `$` are deprecated{_successor(subject, name)}"
        yield subject.finding("deprecated-claim", Severity.NOTE, span, message)
    if subject.claims is None:
        return
    known = subject.claims.get(name)
    made = name in subject.made or None in subject.made
    client = subject.attestation_type in _WITH_CLIENT_CLAIMS
    if client and not _tests_issuer(condition):
        message = "a client can send a claim of this name; test the issuer, too"
        yield subject.finding("missing-issuer", Severity.WARNING, condition.span, message)
    if known is not None and (known.incoming or made):
        yield from _types(subject, condition, known)
    elif not (made or _asks_client(condition)):
        incoming = [claim.name for claim in subject.claims.values() if claim.incoming]
        hint = claim_meant(name, incoming)
        message = f"no rule and no {subject.attestation_type} evidence makes the claim {name}"
        yield subject.finding(
            "unknown-claim", Severity.WARNING, span, message + (f"; {hint}" if hint else "")
        )


def _tests_issuer(condition: syntax.Condition) -> bool:
    return any(test.property is PropertyName.ISSUER for test in condition.tests)


def _asks_client(condition: syntax.Condition) -> bool:
    """Whether only a claim of a client can meet the condition; such names are its own."""
    return any(
        test.property is PropertyName.ISSUER
        and test.operator is Operator.EQUAL
        and isinstance(test.expression, syntax.Literal)
        and test.expression.value == ClaimIssuer.CUSTOM.value
        for test in condition.tests
    )


def _successor(subject: Subject, name: str) -> str:
    for prefix in ("x-ms-sgx-", "x-ms-"):
        successor = prefix + name.removeprefix("$").removeprefix("sgx-")
        if subject.claims is not None and successor in subject.claims:
            return f": write {successor}"
    return ""


def _types(
    subject: Subject, condition: syntax.Condition, claim: ClaimName
) -> Iterator[LintFinding]:
    if claim.value_type is None or claim.name in subject.made:
        return
    for _, literal in literal_tests(condition):
        got = value_type_of(literal.value)
        if got is not claim.value_type:
            message = (
                f"{claim.name} is of type {claim.value_type}, this is of type {got}"
                f"{_rewritten(literal.value, claim.value_type)}"
            )
            yield subject.finding("type-mismatch", Severity.ERROR, literal.span, message)


def _rewritten(value: ClaimValue, wanted: ValueType) -> str:
    """How a literal is written as one of another type, where it can be."""
    if wanted is ValueType.STRING:
        return f': write "{json.dumps(value)}"'
    if isinstance(value, str) and _LITERALS[wanted].fullmatch(value):
        return f": write {value.lower()}, without quotes"
    return ""


def _meaning(
    subject: Subject, rule: PlacedRule, condition: syntax.Condition, name: str
) -> Iterator[LintFinding]:
    if rule.node.action.name not in _DECIDING or condition.negated:
        return
    claim = None if subject.claims is None else subject.claims.get(name)
    tests_value = any(test.property is PropertyName.VALUE for test in condition.tests)
    boolean = claim is not None and claim.value_type is ValueType.BOOLEAN
    if boolean and not tests_value and condition.identifier is None:
        message = f"this holds whether {name} is true or false"
        yield subject.finding("existence-test", Severity.WARNING, condition.span, message)
    demands = any(
        operator is Operator.EQUAL and literal.value is True
        for operator, literal in literal_tests(condition)
    )
    if name in _DEBUGGABLE and demands and rule.node.action.name is ActionName.PERMIT:
        message = "this permits debuggable environments, and only those"
        yield subject.finding("requires-debuggable", Severity.WARNING, condition.span, message)


def lint_issued(subject: Subject) -> Iterator[LintFinding]:
    """reserved-name: a claim issued under a name that the service writes itself."""
    for rule in subject.rules:
        name = made_type(rule.node.action)
        if name is None or rule.node.action.name is not ActionName.ISSUE or not subject.claims:
            continue
        claim = subject.claims.get(str(name.value))
        if claim is not None and Where.TOKEN in claim.where:
            message = f"the token has {claim.name} from the service, whose value stays"
            yield subject.finding("reserved-name", Severity.WARNING, name.span, message)


def lint_settings(subject: Subject) -> Iterator[LintFinding]:
    """unknown-setting, setting-value, setting-effect: what issueproperty() sets."""
    for rule in subject.rules:
        action = rule.node.action
        name = made_type(action)
        if action.name is ActionName.ISSUE_PROPERTY and name is not None:
            yield from _setting(subject, rule, name)


def _setting(subject: Subject, rule: PlacedRule, name: syntax.Literal) -> Iterator[LintFinding]:
    table = SETTINGS if rule.section is SectionName.CONFIGURATION else PROPERTIES
    setting = table.get(str(name.value))
    if setting is None:
        hint = meant(str(name.value), table)
        message = f"there is no such setting in {rule.section}" + (f"; {hint}" if hint else "")
        yield subject.finding("unknown-setting", Severity.ERROR, name.span, message)
        return
    claim = rule.node.action.claim
    value = claim.find(PropertyName.VALUE) if isinstance(claim, syntax.NewClaim) else None
    if isinstance(value, syntax.Literal) and not setting.fits(value.value):
        message = f"{name.value}: {setting.complaint(value.value)}"
        yield subject.finding("setting-value", Severity.ERROR, value.span, message)
    if subject.attestation_type is not None and subject.attestation_type not in setting.types:
        message = f"{name.value} has no effect for {subject.attestation_type}"
        yield subject.finding("setting-effect", Severity.WARNING, name.span, message)
