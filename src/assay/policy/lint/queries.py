"""Findings about JMESPath queries in literals: what is no query, or never finds what it seeks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from assay.policy import syntax
from assay.policy.lint.subject import LintFinding, Severity, Subject
from assay.policy.query import Query
from assay.policy.query_functions import QueryError
from assay.policy.syntax import FunctionName

_STRING: Final = re.compile(
    r"'(?:[^'\\]|\\.)*+'|`(?:[^`\\]|\\.)*+`|\"(?:[^\"\\]|\\.)*+\"", re.DOTALL
)
_BARE: Final = re.compile(r"(?:==|!=|<=?|>=?)\s*(?:true|false|null)\b")
_NUMBER_AS_STRING: Final = re.compile(r"(?:==|!=)\s*'-?[0-9]+'")
_VACUOUS: Final = re.compile(r"\]\s*(?:\|\s*@\s*)?!=\s*(?:null\b|`null`)")
_LOWER_KEY: Final = re.compile(r"\s*(events|pcrs)\b")


def lint_queries(subject: Subject) -> Iterator[LintFinding]:
    """jmespath-syntax, -bare-literal, -number-as-string, -vacuous-null, -top-key."""
    for rule in subject.rules:
        for outer in syntax.expressions(rule.node):
            for call in syntax.descend(outer):
                if isinstance(call, syntax.FunctionCall) and call.name == FunctionName.JMES_PATH:
                    query = call.arguments[1]
                    if isinstance(query, syntax.Literal) and isinstance(query.value, str):
                        yield from _query(subject, query, query.value)


def _query(subject: Subject, literal: syntax.Literal, text: str) -> Iterator[LintFinding]:
    try:
        Query(text)
    except QueryError as error:
        yield subject.finding("jmespath-syntax", Severity.ERROR, literal.span, str(error))
        return
    for code, severity, message in _suspicions(text):
        yield subject.finding(code, severity, literal.span, message)


def _suspicions(text: str) -> Iterator[tuple[str, Severity, str]]:
    outside = _STRING.sub(lambda match: " " * len(match.group()), text)
    if _BARE.search(outside):
        message = "true, false and null are names of members here; literals stand in backquotes"
        yield "jmespath-bare-literal", Severity.WARNING, message
    if _NUMBER_AS_STRING.search(text):
        message = "a number never equals a string; numbers stand in backquotes"
        yield "jmespath-number-as-string", Severity.WARNING, message
    if _VACUOUS.search(text):
        message = "a filter that finds nothing gives an empty list, which is not null"
        yield "jmespath-vacuous-null", Severity.WARNING, message
    if (found := _LOWER_KEY.match(text)) is not None:
        key = {"events": "Events", "pcrs": "PCRs"}[found.group(1)]
        yield "jmespath-top-key", Severity.WARNING, f"the evidence's member is called {key}"
