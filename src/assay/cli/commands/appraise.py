"""`assay appraise`: judge evidence here, from files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from assay.cli.exit_code import ExitCode
from assay.cli.options import (
    AcceptTcbOption,
    AtOption,
    DataTypeChoice,
    EvidenceArgument,
    InitTimeDataOption,
    InitTimeDataTypeOption,
    JsonOption,
    RuntimeDataOption,
    RuntimeDataTypeOption,
    TypeChoice,
    TypeOption,
)
from assay.cli.path_argument import given_path

if TYPE_CHECKING:
    from assay.appraisal import AppraisalResult
    from assay.cli.evidence_file import EvidenceFile

_EXIT_CODES: Final = {
    "permit": ExitCode.OK,
    "deny": ExitCode.DENIED,
    "invalid": ExitCode.INVALID,
    "error": ExitCode.COLLATERAL,
}


def appraise(
    *,
    file: EvidenceArgument,
    evidence_type: TypeOption = TypeChoice.AUTO,
    collateral: Annotated[
        Path | None,
        typer.Option(
            "--collateral",
            metavar="PATH",
            envvar="ASSAY_COLLATERAL",
            help="Collateral: a file, or a directory of documents or of files.",
            parser=given_path,
        ),
    ] = None,
    at: AtOption = None,
    policy: Annotated[
        Path | None,
        typer.Option(
            "--policy",
            metavar="FILE",
            help="Policy as UTF-8 text. Without it: the default policy of the evidence's kind.",
            parser=given_path,
        ),
    ] = None,
    runtime_data: RuntimeDataOption = None,
    runtime_data_type: RuntimeDataTypeOption = DataTypeChoice.BINARY,
    init_time_data: InitTimeDataOption = None,
    init_time_data_type: InitTimeDataTypeOption = DataTypeChoice.BINARY,
    nonce: Annotated[
        str | None,
        typer.Option(
            "--nonce",
            metavar="TEXT",
            help="Checked as a service checks it, which puts it into the token; here it decides "
            "nothing.",
        ),
    ] = None,
    root: Annotated[
        list[Path] | None,
        typer.Option(
            "--root",
            metavar="FILE",
            help="Root certificate (PEM or DER) to trust; may be repeated. Where it is given, "
            "exactly the given roots are trusted and Intel's is not.",
            parser=given_path,
        ),
    ] = None,
    accept_tcb: AcceptTcbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge evidence here, offline, and say why.

    Shows the verdict, the checks, the TCB and the policy's decision. The same function as in the
    server decides. Without --accept-tcb every TCB status but Revoked is left to the policy, as
    debug enclaves are; a server accepts fewer unless it is told to.
    """
    from assay.appraisal import AppraisalRequest, Verdict, check_nonce
    from assay.cli.evidence_file import read_evidence_file
    from assay.cli.held_data import choose_type, read_held_data
    from assay.cli.instant import read_instant
    from assay.cli.offline_appraisal import (
        OfflineAppraisal,
        read_policy,
        read_roots,
        read_statuses,
    )
    from assay.errors import MalformedEvidenceError

    instant = read_instant(at)
    if nonce is not None:
        check_nonce(nonce, "--nonce")
    try:
        evidence = read_evidence_file(file)
    except MalformedEvidenceError as error:
        if as_json:
            from assay.cli.appraisal_report import refusal_report
            from assay.cli.render import print_json

            print_json(refusal_report(Verdict.INVALID, error.findings, instant))
        raise
    kind = choose_type(evidence_type, evidence.attestation_type)
    appraisal = OfflineAppraisal(
        at=instant,
        roots=read_roots(root or ()),
        policy=read_policy(policy, kind),
        accepted_tcb=read_statuses(accept_tcb),
        collateral=collateral,
    )
    result = appraisal.appraise(
        AppraisalRequest(
            evidence_type=kind,
            evidence=evidence.data,
            runtime_data=read_held_data(runtime_data, runtime_data_type),
            init_time_data=read_held_data(init_time_data, init_time_data_type),
            nonce=nonce,
        )
    )
    _print(evidence, result, as_json=as_json)
    if result.verdict is Verdict.ERROR:
        from assay.cli.failure import report_failure
        from assay.errors import CollateralUnavailableError

        report_failure(
            CollateralUnavailableError(str(result.findings[0]), findings=result.findings[:1])
        )
    raise typer.Exit(_EXIT_CODES[result.verdict.value])


def _print(evidence: EvidenceFile, result: AppraisalResult, *, as_json: bool) -> None:
    from assay.cli.appraisal_report import appraisal_report
    from assay.cli.appraisal_text import show_appraisal, show_verdict
    from assay.cli.render import Answer, print_json
    from assay.x509 import rfc3339

    if as_json:
        print_json(appraisal_report(result))
        return
    answer = Answer()
    show_verdict(answer, result.verdict)
    answer.line()
    answer.fact(
        "evidence",
        f"{result.evidence_type}, {len(evidence.data)} bytes, read as {evidence.encoding}",
    )
    answer.fact("judged at", rfc3339(int(result.at.timestamp())))
    show_appraisal(answer, result)
