"""`assay policy eval`: what a policy decides and issues for given claims."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from assay.cli.exit_code import ExitCode
from assay.cli.options import JsonOption, PolicyArgument, PolicyTypeChoice, PolicyTypeOption
from assay.cli.path_argument import given_path


def evaluate(
    *,
    file: PolicyArgument,
    claims: Annotated[
        Path,
        typer.Option(
            "--claims",
            metavar="FILE",
            help="Incoming claims as a JSON object: a member for each claim type.",
            parser=given_path,
        ),
    ],
    policy_type: PolicyTypeOption = PolicyTypeChoice.ANY,
    as_json: JsonOption = False,
) -> None:
    """Evaluate a policy over claims from a file.

    The policy decides as it would in the service over the claims of evidence. A member of the
    claims is a value, an array of values (several claims), or an object: {"value": V, "issuer":
    "CustomClaim"} for a claim of the client, {"json": J} for a string that holds JSON. With --type,
    names that no such evidence has are pointed out.

    Exit code 3 if the policy does not permit, 2 if the text is no policy.
    """
    from assay.cli.input_file import read_text
    from assay.cli.policy_file import not_a_policy, read_claims_file
    from assay.cli.policy_text import show_decision, show_members
    from assay.cli.render import WARNING, Answer, print_json
    from assay.policy import PolicySyntaxError, compile_policy
    from assay.policy.incoming import doubtful_claims
    from assay.policy.outcome import evaluate_policy, outcome_report, syntax_report

    text = read_text(file)
    incoming = read_claims_file(claims)
    try:
        policy = compile_policy(text)
    except PolicySyntaxError as error:
        if as_json:
            print_json(syntax_report(error))
        raise not_a_policy(file, error) from error
    for doubt in doubtful_claims(incoming, policy_type.attestation_type):
        Answer(stderr=True).line((f"{claims}: {doubt}", WARNING))
    outcome = evaluate_policy(policy, incoming)
    if as_json:
        print_json(outcome_report(outcome))
    else:
        answer = Answer()
        show_decision(answer, policy, outcome)
        show_members(answer, outcome)
    raise typer.Exit(ExitCode.OK if outcome.permitted else ExitCode.DENIED)
