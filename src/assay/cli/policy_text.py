"""Policies, their findings and their decisions as people read them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from assay.cli.render import BAD, DIM, GOOD, WARNING, Answer
from assay.encoding import JsonValue
from assay.policy import CompiledPolicy
from assay.policy.lint import LintFinding, Severity
from assay.policy.outcome import Outcome
from assay.policy.review import SYNTAX
from assay.policy.source import Source, Span

_STYLES: Final = {Severity.ERROR: BAD, Severity.WARNING: WARNING, Severity.NOTE: DIM}


def show_findings(answer: Answer, file: Path, findings: Iterable[LintFinding]) -> None:
    """Each finding with its place, its source line and a caret below."""
    for finding in findings:
        code = "" if finding.code == SYNTAX else f" [{finding.code}]"
        answer.line(
            (f"{file}:{finding.line}:{finding.column}: ", "bold"),
            (f"{finding.severity}: ", _STYLES[finding.severity]),
            finding.message,
            (code, DIM),
        )
        _show_source(answer, finding.source, finding.caret)


def show_count(answer: Answer, findings: Sequence[LintFinding], files: int) -> None:
    """How much was found."""
    counted = Counter(finding.severity for finding in findings)
    found = [_several(counted[severity], severity) for severity in Severity if counted[severity]]
    answer.line(f"{', '.join(found) or 'nothing found'} in {_several(files, 'file')}")


def show_unchecked() -> None:
    """Where nothing was found without a type: that the usual mistake was not looked for."""
    text = "names and types of claims are not checked without --type"
    Answer(stderr=True).line((text, DIM))


def findings_report(findings: Iterable[LintFinding]) -> list[JsonValue]:
    """Findings as JSON objects."""
    return [
        {
            "code": finding.code,
            "severity": finding.severity.value,
            "line": finding.line,
            "column": finding.column,
            "length": finding.length,
            "message": finding.message,
            "source": finding.source,
            "caret": finding.caret,
        }
        for finding in findings
    ]


def show_decision(answer: Answer, policy: CompiledPolicy, outcome: Outcome) -> None:
    """The decision and its reason in one line; where a rule failed, its source with a caret."""
    style = GOOD if outcome.permitted else BAD
    answer.line(("decision: ", "bold"), (outcome.decision, style), f" - {outcome.explanation}")
    if outcome.error is not None:
        source = Source(policy.text)
        start = source.offset(outcome.error.line, outcome.error.column)
        place = source.problem(Span(start, start + 1), outcome.error.reason, expected="")
        _show_source(answer, place.source, place.caret)


def show_members(answer: Answer, outcome: Outcome) -> None:
    """What the policy set and issued; nothing where it did not."""
    groups = (
        ("issued claims", outcome.claims),
        ("properties", outcome.properties),
        ("configuration", outcome.configuration),
    )
    for title, members in groups:
        _show_group(answer, title, members)


def _show_source(answer: Answer, source: str, caret: str) -> None:
    answer.line("    ", source)
    answer.line("    ", (caret, GOOD))


def _show_group(answer: Answer, title: str, members: Mapping[str, JsonValue]) -> None:
    if members:
        answer.heading(title)
        answer.members(members)


def _several(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "s")
