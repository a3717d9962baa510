"""`assay policy test`: run the fixtures beside policies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from assay.cli.exit_code import PROBLEMS
from assay.cli.options import JsonOption
from assay.cli.path_argument import given_path

_WIDTH: Final = 8


def run_fixtures(
    *,
    directory: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="Policies, each with its fixture beside it.", parser=given_path
        ),
    ],
    junit: Annotated[
        Path | None,
        typer.Option(
            "--junit",
            metavar="FILE",
            help="Write the results as JUnit XML, too.",
            parser=given_path,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Test policies by the fixtures beside them.

    Each NAME.policy under the folder is tested by the cases in the NAME.json beside it. A case has
    a name, incoming_claims as for `assay policy eval`, and what is expected: the decision (permit,
    deny, no-permit, error) and, where they are named, the claims, configuration and properties
    exactly. `assay policy new` makes a policy with a fixture.

    Exit code 1 if a test fails; 2 if there is no fixture at all.
    """
    from assay.cli.input_file import write_output
    from assay.cli.policy_suite import junit_report, run_folder, suite_report, total
    from assay.cli.render import BAD, DIM, GOOD, WARNING, Answer, print_json
    from assay.policy.fixtures import Status

    results = run_folder(directory)
    if junit is not None:
        write_output(junit, junit_report(results))
    failed = total(results, Status.FAILED)
    if as_json:
        print_json(suite_report(results))
    else:
        styles = {Status.PASSED: GOOD, Status.FAILED: BAD, Status.SKIPPED: WARNING}
        answer = Answer()
        for one in results:
            answer.line((str(one.file), "bold"))
            for result in one.results:
                word = (f"  {result.status:<{_WIDTH}}", styles[result.status])
                answer.line(word, result.name)
                for line in result.details:
                    answer.line((" " * (_WIDTH + 4) + line, DIM))
        counts = [f"{total(results, status)} {status}" for status in Status]
        answer.line((", ".join(counts), BAD if failed else GOOD))
    if failed:
        raise typer.Exit(PROBLEMS)
