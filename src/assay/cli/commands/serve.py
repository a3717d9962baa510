"""`assay serve`: run the attestation service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from assay.cli.options import AcceptTcbOption, JsonOption
from assay.cli.path_argument import given_path


def serve(
    *,
    host: Annotated[
        str | None, typer.Option(help="Address to listen at. Default: 127.0.0.1.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port; 0 takes any free one. Default: 8080.")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Processes. Default: 1.")] = None,
    settings: Annotated[
        Path | None,
        typer.Option(
            "--settings",
            metavar="FILE",
            help="Settings in TOML; these options outrank them.",
            parser=given_path,
        ),
    ] = None,
    collateral: Annotated[
        Path | None,
        typer.Option(
            "--collateral",
            metavar="PATH",
            help="Collateral that was gathered before.",
            parser=given_path,
        ),
    ] = None,
    accept_tcb: AcceptTcbOption = None,
    dev: Annotated[
        bool,
        typer.Option("--dev", help="Development: this machine only; tokens mean nothing."),
    ] = False,
    simulator: Annotated[
        Path | None,
        typer.Option(
            "--simulator",
            metavar="DIR",
            help="Trust the simulated platform in DIR (see `assay simulate --platform`); "
            "with --dev only.",
            parser=given_path,
        ),
    ] = None,
    verify_at: Annotated[
        str | None,
        typer.Option(
            "--verify-at",
            metavar="TIME",
            help="Verify evidence at this instant instead of now; with --dev only.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run the attestation service.

    It runs until it is told to stop (SIGTERM, Ctrl-C). Everything that can be set stands in the
    settings file or in ASSAY_ variables; see docs/server.md. The address goes to standard output
    once it can be called, the log to standard error.
    """
    from assay.cli.service_start import load_service, run_service

    flags = {
        "host": host,
        "port": port,
        "workers": workers,
        "collateral.path": collateral,
        "collateral.source": None if collateral is None else "path",
        "instance.accepted_tcb": accept_tcb,
        "dev": dev or None,
        "simulator": simulator,
        "verify_at": verify_at,
    }
    given = {name: value for name, value in flags.items() if value is not None}
    raise typer.Exit(run_service(load_service(settings, given), as_json=as_json))
