"""`assay policy explain`: why a policy decides as it does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from assay.cli.exit_code import ExitCode
from assay.cli.options import (
    AtOption,
    ClaimsOption,
    DataTypeChoice,
    JsonOption,
    PolicyArgument,
    PolicyTypeChoice,
    PolicyTypeOption,
    RuntimeDataOption,
    RuntimeDataTypeOption,
)
from assay.cli.path_argument import given_path


def explain(
    *,
    file: PolicyArgument,
    claims: ClaimsOption = None,
    token: Annotated[
        Path | None,
        typer.Option(
            "--token",
            metavar="FILE",
            help="A token of Assay or Azure Attestation: the claims of its evidence. It is not "
            "verified.",
            parser=given_path,
        ),
    ] = None,
    evidence: Annotated[
        Path | None,
        typer.Option(
            "--evidence",
            metavar="FILE",
            help="Evidence, which is verified first.",
            parser=given_path,
        ),
    ] = None,
    policy_type: PolicyTypeOption = PolicyTypeChoice.ANY,
    collateral: Annotated[
        Path | None,
        typer.Option(
            "--collateral",
            metavar="PATH",
            envvar="ASSAY_COLLATERAL",
            help="With --evidence: collateral, a file or a directory.",
            parser=given_path,
        ),
    ] = None,
    root: Annotated[
        list[Path] | None,
        typer.Option(
            "--root",
            metavar="FILE",
            help="With --evidence: root certificate to trust instead of Intel's; repeatable.",
            parser=given_path,
        ),
    ] = None,
    at: AtOption = None,
    runtime_data: RuntimeDataOption = None,
    runtime_data_type: RuntimeDataTypeOption = DataTypeChoice.BINARY,
    as_json: JsonOption = False,
) -> None:
    """Explain a decision, rule by rule.

    Each rule: whether it fired, what its conditions expected, what there was. The claims come from
    exactly one of --claims, --token and --evidence. --collateral, --root, --at and --runtime-data
    are as for `assay appraise`.

    Exit code 3 if the policy does not permit, 4 if the evidence does not verify.
    """
    from assay.cli.explained_claims import explained_evidence, explained_file, explained_token
    from assay.cli.offline_appraisal import OfflineAppraisal, read_roots, read_statuses
    from assay.cli.policy_account import account_report, show_account
    from assay.cli.policy_file import read_policy_file
    from assay.cli.render import Answer, print_json
    from assay.errors import RequestError
    from assay.policy.outcome import evaluate_policy

    given = [one for one in (claims, token, evidence) if one is not None]
    if len(given) != 1:
        raise RequestError(
            f"expected exactly one of --claims, --token and --evidence, got {len(given)}"
        )
    policy = read_policy_file(file)
    if claims is not None:
        asked = explained_file(claims, policy_type)
    elif token is not None:
        asked = explained_token(token, policy_type)
    else:
        from assay.cli.held_data import read_held_data
        from assay.cli.instant import read_instant

        appraisal = OfflineAppraisal(
            at=read_instant(at),
            roots=read_roots(root or ()),
            policy=policy,
            accepted_tcb=read_statuses(None),
            collateral=collateral,
        )
        held = read_held_data(runtime_data, runtime_data_type)
        asked = explained_evidence(given[0], policy_type, appraisal, held)
    outcome = evaluate_policy(policy, asked.claims)
    if as_json:
        print_json(account_report(asked, outcome))
    else:
        show_account(Answer(), policy, asked, outcome)
    raise typer.Exit(ExitCode.OK if outcome.permitted else ExitCode.DENIED)
