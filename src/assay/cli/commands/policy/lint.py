"""`assay policy lint`: what is allowed in a policy and probably wrong."""

from __future__ import annotations

import typer

from assay.cli.exit_code import PROBLEMS
from assay.cli.options import JsonOption, PoliciesArgument, PolicyTypeChoice, PolicyTypeOption


def lint(
    *,
    files: PoliciesArgument,
    policy_type: PolicyTypeOption = PolicyTypeChoice.ANY,
    as_json: JsonOption = False,
) -> None:
    """Find what is allowed and probably wrong.

    That is rules that never hold, lists with a hole, queries that find nothing. --type brings in
    what is known of the claims of that evidence. docs/policy-lint.md has each code with examples.

    A comment silences a finding that is meant so, for the rule below it or behind which it stands:

    // assay: allow CODE - reason

    Exit code 1 if there is an error or a warning; notes do not count.
    """
    from assay.cli.input_file import read_text
    from assay.cli.policy_text import findings_report, show_count, show_findings, show_unchecked
    from assay.cli.render import Answer, print_json
    from assay.policy.lint import Severity
    from assay.policy.review import lint_text

    linted = [(file, lint_text(read_text(file), policy_type.attestation_type)) for file in files]
    found = [finding for _, findings in linted for finding in findings]
    failed = any(finding.severity is not Severity.NOTE for finding in found)
    if as_json:
        print_json(
            {
                "ok": not failed,
                "files": [
                    {"file": str(file), "findings": findings_report(findings)}
                    for file, findings in linted
                ],
            }
        )
    else:
        answer = Answer()
        for file, findings in linted:
            show_findings(answer, file, findings)
        show_count(answer, found, len(files))
        if not found and policy_type is PolicyTypeChoice.ANY:
            show_unchecked()
    if failed:
        raise typer.Exit(PROBLEMS)
