"""`assay policy check`: whether a text is a policy."""

from __future__ import annotations

import typer

from assay.cli.exit_code import PROBLEMS
from assay.cli.options import JsonOption, PoliciesArgument, PolicyTypeChoice, PolicyTypeOption


def check(
    *,
    files: PoliciesArgument,
    policy_type: PolicyTypeOption = PolicyTypeChoice.ANY,
    as_json: JsonOption = False,
) -> None:
    """Find every error in policies.

    Without --type: whether the service would take them. With it also: claims that such evidence
    never has, comparisons with values of another type, settings that cannot be.

    Exit code 1 if there is an error.
    """
    from assay.cli.input_file import read_text
    from assay.cli.policy_text import findings_report, show_count, show_findings, show_unchecked
    from assay.cli.render import GOOD, Answer, print_json
    from assay.policy import policy_hash
    from assay.policy.review import review_policy

    texts = [(file, read_text(file)) for file in files]
    reviews = [
        (file, text, review_policy(text, policy_type.attestation_type)) for file, text in texts
    ]
    found = [finding for _, _, findings in reviews for finding in findings]
    if as_json:
        print_json(
            {
                "ok": not found,
                "files": [
                    {
                        "file": str(file),
                        "hash": policy_hash(text),
                        "ok": not findings,
                        "errors": findings_report(findings),
                    }
                    for file, text, findings in reviews
                ],
            }
        )
    else:
        answer = Answer()
        for file, text, findings in reviews:
            if not findings:
                answer.line(f"{file}: ", ("no errors", GOOD), f", hash {policy_hash(text)}")
            show_findings(answer, file, findings)
        if found:
            show_count(answer, found, len(files))
        elif policy_type is PolicyTypeChoice.ANY:
            show_unchecked()
    if found:
        raise typer.Exit(PROBLEMS)
