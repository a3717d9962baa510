"""The options of commands that change an instance in its owner's name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from assay.cli.path_argument import given_path

KeyOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--key",
        metavar="FILE",
        help="Sign with this private key, in PEM and not encrypted.",
        parser=given_path,
    ),
]
CertificateOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--certificate",
        metavar="FILE",
        help="The key's certificate, in PEM or DER; what issued it may follow.",
        parser=given_path,
    ),
]
JwsOption: TypeAlias = Annotated[
    bool, typer.Option("--jws", help="FILE is a JWS that was signed elsewhere.")
]
