"""`assay policy diff`: what a new version of a policy does otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.exit_code import PROBLEMS
from assay.cli.options import JsonOption
from assay.cli.path_argument import given_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assay.encoding import JsonValue
    from assay.policy.difference import Comparison
    from assay.policy.outcome import Outcome


def diff(
    *,
    before: Annotated[
        Path, typer.Argument(metavar="A", help="The policy as it was.", parser=given_path)
    ],
    after: Annotated[
        Path, typer.Argument(metavar="B", help="The policy as it would be.", parser=given_path)
    ],
    claims_dir: Annotated[
        Path,
        typer.Option(
            "--claims-dir",
            metavar="DIR",
            help="Inputs: files of claims as for `assay policy eval`, fixtures, or tokens.",
            parser=given_path,
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Compare two policies over the same inputs.

    Shows which come out otherwise, and why. Tokens of the service serve as inputs: they hold what
    their evidence said.

    Exit code 1 if an input comes out otherwise.
    """
    from assay.cli.policy_file import read_claims_folder, read_policy_file
    from assay.cli.render import print_json
    from assay.policy.difference import Effect, compare_policies

    policies = read_policy_file(before), read_policy_file(after)
    compared = compare_policies(*policies, read_claims_folder(claims_dir))
    changed = [one for one in compared if one.effect is not Effect.SAME]
    if as_json:
        print_json({"inputs": len(compared), "changed": [_report(one) for one in changed]})
    else:
        _show(changed, len(compared))
    if changed:
        raise typer.Exit(PROBLEMS)


def _show(changed: Sequence[Comparison], inputs: int) -> None:
    from assay.cli.render import BAD, DIM, GOOD, WARNING, Answer
    from assay.policy.difference import Effect

    answer = Answer()
    styles = {Effect.PERMITS: BAD, Effect.REFUSES: WARNING}
    for one in changed:
        answer.line((f"{one.effect}: ", styles.get(one.effect, DIM)), (one.name, "bold"))
        for word, outcome in (("before", one.before), ("after", one.after)):
            answer.line((f"  {word:<6}  ", DIM), f"{outcome.decision}: {outcome.explanation}")
        for change in one.changes:
            answer.line(f"  {change.member}.{change.name}: {change.before} -> {change.after}")
    style = WARNING if changed else GOOD
    answer.line((f"{len(changed)} of {inputs} inputs come out otherwise", style))


def _report(one: Comparison) -> JsonValue:
    return {
        "input": one.name,
        "effect": one.effect.value,
        "before": _side(one.before),
        "after": _side(one.after),
        "changes": [
            {
                "member": change.member,
                "name": change.name,
                "before": change.before,
                "after": change.after,
            }
            for change in one.changes
        ],
    }


def _side(outcome: Outcome) -> JsonValue:
    return {"decision": outcome.decision, "explanation": outcome.explanation}
