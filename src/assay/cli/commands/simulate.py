"""`assay simulate`: evidence of a simulated platform, for machines without SGX."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from assay.cli.options import JsonOption
from assay.cli.path_argument import given_path

app: Final = typer.Typer(
    help="Make evidence of a simulated platform.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


class QuoteVersion(StrEnum):
    """The versions of quotes that can carry an SGX enclave."""

    V3 = "3"
    V4 = "4"
    V5 = "5"


class Envelope(StrEnum):
    """Open Enclave's two envelopes."""

    REPORT = "report"
    EVIDENCE = "evidence"


OutOption = Annotated[
    Path, typer.Option("--out", metavar="FILE", help="Where the evidence goes.", parser=given_path)
]
PlatformOption = Annotated[
    Path | None,
    typer.Option(
        "--platform",
        metavar="DIR",
        help="The simulated platform, made there if the folder is new or empty. Without it: a new "
        "one that is forgotten. `assay serve --dev --simulator DIR` trusts the same one.",
        parser=given_path,
    ),
]
CollateralOutOption = Annotated[
    Path | None,
    typer.Option(
        "--collateral-out", metavar="FILE", help="Where its collateral goes.", parser=given_path
    ),
]
RootOutOption = Annotated[
    Path | None,
    typer.Option(
        "--root-out", metavar="FILE", help="Where its root goes, in PEM.", parser=given_path
    ),
]
StatusOption = Annotated[
    str | None,
    typer.Option(
        "--status",
        metavar="STATUS",
        help="TCB status that the collateral gives. It is kept with --platform. Default: the "
        "platform's own; UpToDate for a new one.",
    ),
]
DebugOption = Annotated[bool, typer.Option("--debug", help="An enclave in debug mode.")]
MrEnclaveOption = Annotated[
    str | None, typer.Option("--mr-enclave", metavar="HEX", help="Measurement, 32 bytes.")
]
MrSignerOption = Annotated[
    str | None, typer.Option("--mr-signer", metavar="HEX", help="Signer, 32 bytes.")
]
ProductOption = Annotated[int, typer.Option("--isv-prod-id", min=0, max=65535, help="Product id.")]
SvnOption = Annotated[int, typer.Option("--isv-svn", min=0, max=65535, help="Security version.")]
VersionOption = Annotated[QuoteVersion, typer.Option("--quote-version", help="Version.")]
AtOption = Annotated[
    str | None,
    typer.Option(
        "--at", metavar="TIME", help="When it happens, instead of now: RFC 3339 or Unix time."
    ),
]


@app.command()
def sgx(
    *,
    out: OutOption,
    platform: PlatformOption = None,
    collateral_out: CollateralOutOption = None,
    root_out: RootOutOption = None,
    runtime_data: Annotated[
        Path | None,
        typer.Option(
            "--runtime-data",
            metavar="FILE",
            help="Data whose SHA-256 begins the report data.",
            parser=given_path,
        ),
    ] = None,
    status: StatusOption = None,
    debug: DebugOption = False,
    mr_enclave: MrEnclaveOption = None,
    mr_signer: MrSignerOption = None,
    isv_prod_id: ProductOption = 1,
    isv_svn: SvnOption = 1,
    quote_version: VersionOption = QuoteVersion.V3,
    at: AtOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write an SGX quote (SgxEnclave)."""
    from assay.cli.input_file import read_input
    from assay.cli.simulation import EnclaveOptions, Simulation

    simulation = Simulation.open(platform, status=status, at=at)
    enclave = EnclaveOptions(
        mr_enclave=mr_enclave,
        mr_signer=mr_signer,
        isv_prod_id=isv_prod_id,
        isv_svn=isv_svn,
        debug=debug,
        version=int(quote_version.value),
    )
    data = None if runtime_data is None else read_input(runtime_data)
    evidence = simulation.quote(enclave, data)
    written = simulation.write(evidence, out, collateral_out=collateral_out, root_out=root_out)
    _answer(written, as_json=as_json)


@app.command()
def openenclave(
    *,
    out: OutOption,
    envelope: Annotated[
        Envelope, typer.Option("--envelope", help="The older report, or evidence with claims.")
    ] = Envelope.REPORT,
    platform: PlatformOption = None,
    collateral_out: CollateralOutOption = None,
    root_out: RootOutOption = None,
    runtime_data: Annotated[
        Path | None,
        typer.Option(
            "--runtime-data",
            metavar="FILE",
            help="Data whose SHA-256 begins the report data; in evidence it is the custom claims.",
            parser=given_path,
        ),
    ] = None,
    status: StatusOption = None,
    debug: DebugOption = False,
    mr_enclave: MrEnclaveOption = None,
    mr_signer: MrSignerOption = None,
    isv_prod_id: ProductOption = 1,
    isv_svn: SvnOption = 1,
    at: AtOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write an Open Enclave report or evidence (OpenEnclave)."""
    from assay.cli.input_file import read_input
    from assay.cli.simulation import EnclaveOptions, Simulation

    simulation = Simulation.open(platform, status=status, at=at)
    enclave = EnclaveOptions(
        mr_enclave=mr_enclave,
        mr_signer=mr_signer,
        isv_prod_id=isv_prod_id,
        isv_svn=isv_svn,
        debug=debug,
    )
    data = None if runtime_data is None else read_input(runtime_data)
    evidence = (
        simulation.report(enclave, data)
        if envelope is Envelope.REPORT
        else simulation.evidence(enclave, data or b"")
    )
    written = simulation.write(evidence, out, collateral_out=collateral_out, root_out=root_out)
    _answer(written, as_json=as_json)


def _answer(written: Mapping[str, str], *, as_json: bool) -> None:
    from assay.cli.render import WARNING, Answer, print_json

    if as_json:
        print_json(dict(written))
        return
    answer = Answer()
    for what, path in written.items():
        answer.fact(what, path)
    Answer(stderr=True).line(("simulated: it proves nothing about real hardware", WARNING))
