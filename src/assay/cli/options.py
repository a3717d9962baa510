"""Options that several commands share, spelled and explained once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from assay.cli.path_argument import given_path


class TypeChoice(StrEnum):
    """The kinds of evidence, and the choice by its first bytes."""

    AUTO = "auto"
    SGX_ENCLAVE = "SgxEnclave"
    OPEN_ENCLAVE = "OpenEnclave"


class PolicyTypeChoice(StrEnum):
    """The attestation types that policies are for."""

    ANY = "any"
    SGX_ENCLAVE = "SgxEnclave"
    OPEN_ENCLAVE = "OpenEnclave"
    SEV_SNP_VM = "SevSnpVm"
    TDX_VM = "TdxVm"
    AZURE_GUEST = "AzureGuest"
    TPM = "Tpm"

    @property
    def attestation_type(self) -> str | None:
        """The type's name; `None` for any."""
        return None if self is PolicyTypeChoice.ANY else self.value


class DataTypeChoice(StrEnum):
    """How data sent beside evidence becomes claims."""

    BINARY = "Binary"
    JSON = "JSON"


EvidenceArgument: TypeAlias = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="Evidence: its bytes, or hexadecimal, base64 or base64url text.",
        parser=given_path,
    ),
]
JsonOption: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print one JSON object instead of text.")
]
TypeOption: TypeAlias = Annotated[
    TypeChoice,
    typer.Option("--type", help="Kind of evidence; auto decides by its first bytes."),
]
PolicyArgument: TypeAlias = Annotated[
    Path, typer.Argument(metavar="FILE", help="The policy, as UTF-8 text.", parser=given_path)
]
PoliciesArgument: TypeAlias = Annotated[
    list[Path], typer.Argument(metavar="FILE", help="Policies, as UTF-8 text.", parser=given_path)
]
PolicyTypeOption: TypeAlias = Annotated[
    PolicyTypeChoice,
    typer.Option("--type", help="Attestation type whose claims the policy is about."),
]
ClaimsOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--claims",
        metavar="FILE",
        help="Incoming claims as a JSON object: a member for each claim type.",
        parser=given_path,
    ),
]
AtOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--at", metavar="TIME", help="Judge at this instant instead of now: RFC 3339 or Unix time."
    ),
]
RuntimeDataOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--runtime-data",
        metavar="FILE",
        help="Data whose SHA-256 begins the report data.",
        parser=given_path,
    ),
]
RuntimeDataTypeOption: TypeAlias = Annotated[
    DataTypeChoice, typer.Option("--runtime-data-type", help="What the runtime data becomes.")
]
InitTimeDataOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--init-time-data",
        metavar="FILE",
        help="Data whose SHA-256 is the configuration id.",
        parser=given_path,
    ),
]
InitTimeDataTypeOption: TypeAlias = Annotated[
    DataTypeChoice, typer.Option("--init-time-data-type", help="What the init-time data becomes.")
]
NonceOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--nonce",
        metavar="TEXT",
        help="Goes into the token as it is; evidence does not vouch for it.",
    ),
]
AcceptTcbOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--accept-tcb",
        metavar="STATUS,...",
        help="TCB statuses to accept, for example UpToDate,SWHardeningNeeded.",
    ),
]
InstanceArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="NAME", help="The instance's name.")
]
TypeArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="TYPE", help="Attestation type, for example SgxEnclave or Tpm.")
]
ServiceSettingsOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--settings",
        metavar="FILE",
        help="The service's settings, as `assay serve`.",
        parser=given_path,
    ),
]
