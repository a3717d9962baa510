"""A policy before and after formatting, with both hashes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from assay.cli.input_file import read_text
from assay.cli.policy_text import findings_report, show_findings
from assay.cli.render import DIM, GOOD, WARNING, Answer
from assay.encoding import JsonValue
from assay.policy import PolicySyntaxError, format_policy, policy_hash
from assay.policy.lint import LintFinding
from assay.policy.review import syntax_findings


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A text and its usual layout."""

    file: Path
    before: str
    after: str
    """The same where the text is no policy."""

    problems: tuple[LintFinding, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether formatting changes anything."""
        return self.before != self.after


def read_layout(file: Path) -> Layout:
    """The policy in a file, and how it is usually written.

    Raises:
        RequestError: The file cannot be read.
    """
    text = read_text(file)
    try:
        return Layout(file=file, before=text, after=format_policy(text))
    except PolicySyntaxError as error:
        return Layout(file=file, before=text, after=text, problems=syntax_findings(error))


def show_layout(answer: Answer, layout: Layout, *, written: bool) -> None:
    """What became of the file, or would, and of its hash."""
    show_findings(answer, layout.file, layout.problems)
    if layout.problems:
        answer.line(f"{layout.file}: ", ("left as it is", WARNING))
    elif not layout.changes:
        answer.line(f"{layout.file}: ", ("formatted already", GOOD))
    else:
        answer.line(f"{layout.file}: ", ("formatted" if written else "would be formatted", WARNING))
        answer.line("  the hash ", "changes" if written else "would change", ", the meaning stays")
        answer.line(("    before  ", DIM), policy_hash(layout.before))
        answer.line(("    after   ", DIM), policy_hash(layout.after))


def layout_report(layout: Layout) -> dict[str, JsonValue]:
    """The same as a JSON object."""
    return {
        "file": str(layout.file),
        "changes": layout.changes,
        "hash_before": policy_hash(layout.before),
        "hash_after": policy_hash(layout.after),
        "formatted": layout.after,
        "errors": findings_report(layout.problems),
    }
