"""`assay collateral`: gather what verification needs, move it, look at it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from assay.cli.options import AtOption, JsonOption
from assay.cli.path_argument import given_path

if TYPE_CHECKING:
    from assay.endorsements.platform import DcapPlatform
    from assay.endorsements.source import GatheredCollateral

app: Final = typer.Typer(
    help="Gather what verification needs, move it, look at it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_TITLE: Final = frozenset({"state", "source"})


class CaChoice(StrEnum):
    """The authorities that issue platforms' certificates."""

    PROCESSOR = "processor"
    PLATFORM = "platform"


PathsArgument = Annotated[
    list[Path],
    typer.Argument(metavar="PATH...", help="Files and folders of collateral.", parser=given_path),
]


@app.command()
def fetch(
    *,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE", help="Evidence that names the platform; or --fmspc.", parser=given_path
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="Where it goes.", parser=given_path)
    ],
    source: Annotated[
        str,
        typer.Option(
            "--source",
            metavar="NAME",
            help="pcs (Intel), pcs:URL (a mirror), pccs:URL (a caching service), thim (Azure).",
        ),
    ] = "pcs",
    evaluation: Annotated[
        str,
        typer.Option(
            "--evaluation",
            metavar="SET",
            help="TCB evaluation data: standard, early, or its number.",
        ),
    ] = "standard",
    fmspc: Annotated[
        str | None, typer.Option("--fmspc", metavar="HEX", help="Of the platform, 6 bytes.")
    ] = None,
    ca: Annotated[
        CaChoice | None,
        typer.Option(
            "--ca", help="Of the platform's certificate, with --fmspc; platform is meant without."
        ),
    ] = None,
    ca_file: Annotated[
        Path | None,
        typer.Option(
            "--ca-file",
            metavar="FILE",
            help="Roots (PEM) for the service's TLS certificate, instead of this machine's.",
            parser=given_path,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch collateral for a platform from a service."""
    from assay.cli.collateral_fetch import choose_platform, fetch_collateral

    platform = choose_platform(file, fmspc, None if ca is None else ca.value)
    _keep(
        fetch_collateral(platform, source=source, evaluation=evaluation, ca_file=ca_file),
        platform,
        out,
        as_json=as_json,
    )


def _keep(
    gathered: GatheredCollateral, platform: DcapPlatform, out: Path, *, as_json: bool
) -> None:
    from assay.cli.collateral_path import encode_collateral
    from assay.cli.input_file import write_output
    from assay.cli.render import Answer, print_json

    write_output(out, encode_collateral(gathered.collateral))
    fmspc = platform.fmspc.hex()
    if as_json:
        print_json(
            {
                "collateral": str(out),
                "source": gathered.source,
                "fmspc": fmspc,
                "sha256": gathered.collateral.digest.hex(),
            }
        )
        return
    Answer().line(f"{out}: collateral for FMSPC {fmspc} from {gathered.source}")


@app.command()
def export(
    *,
    paths: PathsArgument,
    out: Annotated[
        Path,
        typer.Option("--out", metavar="FILE", help="Where the bundle goes.", parser=given_path),
    ],
    key: Annotated[
        Path | None,
        typer.Option(
            "--key",
            metavar="FILE",
            help="Sign it: an Ed25519 private key in PEM.",
            parser=given_path,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Put collateral into one file, for verifiers without a network."""
    from assay.cli.collateral_sets import bundle_paths
    from assay.cli.input_file import write_output
    from assay.cli.render import Answer, print_json

    bundle, count = bundle_paths(paths, key=key)
    write_output(out, bundle)
    if as_json:
        print_json({"bundle": str(out), "sets": count, "signed": key is not None})
        return
    signed = "signed" if key is not None else "not signed"
    Answer().line(f"{out}: {_counted(count)}, {len(bundle)} bytes, {signed}")


@app.command("import")
def import_(
    *,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A bundle.", parser=given_path)],
    into: Annotated[
        Path,
        typer.Option(
            "--into", metavar="DIR", help="Where the sets go, a file for each.", parser=given_path
        ),
    ],
    trusted_key: Annotated[
        Path | None,
        typer.Option(
            "--trusted-key",
            metavar="FILE",
            help="Take the bundle only if this Ed25519 public key (PEM) signed it.",
            parser=given_path,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Unpack a bundle into a folder that --collateral and a server take."""
    from assay.cli.collateral_sets import unpack_bundle
    from assay.cli.render import Answer, print_json

    bundle, written = unpack_bundle(file, into, trusted_key=trusted_key)
    if as_json:
        print_json({"written": list(written), "signed_by": bundle.signed_by})
        return
    answer = Answer()
    for name in written:
        answer.line(name)
    talk = Answer(stderr=True)
    if bundle.signed_by is not None:
        talk.line(f"signed by the trusted key {bundle.signed_by}")
    else:
        talk.line("no key was named: who made the bundle was not checked")


@app.command()
def show(*, paths: PathsArgument, at: AtOption = None, as_json: JsonOption = False) -> None:
    """Show what collateral is for and how long it holds. Nothing is verified."""
    from assay.cli.collateral_sets import described_sets
    from assay.cli.instant import read_instant
    from assay.cli.render import BAD, GOOD, WARNING, Answer, print_json

    sets = described_sets(paths, read_instant(at))
    if as_json:
        print_json({"verified": False, "sets": list(sets)})
        return
    answer = Answer()
    answer.line((_counted(len(sets)), "bold"), (" - unverified: only read", WARNING))
    for members in sets:
        answer.line()
        style = GOOD if members["state"] == "in date" else BAD
        answer.line((str(members["state"]), style), f"  {members['source']}")
        answer.members({name: one for name, one in members.items() if name not in _TITLE})


def _counted(sets: int) -> str:
    return f"{sets} set{'' if sets == 1 else 's'} of collateral"
