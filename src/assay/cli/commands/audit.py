"""`assay audit`: the record of administrative changes, out of the store and under test."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from assay.cli.options import JsonOption, ServiceSettingsOption
from assay.cli.path_argument import given_path

if TYPE_CHECKING:
    from assay.audit import AuditHead

app: Final = typer.Typer(
    help="Export the record of administrative changes, and verify it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command()
def export(*, settings: ServiceSettingsOption = None) -> None:
    """Print the record as JSON Lines, byte for byte as its digests are made."""
    import sys

    from assay.cli.administration import open_administration
    from assay.errors import RequestError

    if sys.stdout is None:
        raise RequestError("standard output is closed; send the record to a file")
    with open_administration(settings) as administration:
        for line in administration.store.audit.lines():
            sys.stdout.buffer.write(line + b"\n")


@app.command()
def verify(
    *,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            help="An export. Default: the service's own record.",
            parser=given_path,
        ),
    ] = None,
    head: Annotated[
        str | None,
        typer.Option(
            "--head",
            metavar="SEQUENCE:DIGEST",
            help="An end that was kept elsewhere: the record must run through it.",
        ),
    ] = None,
    settings: ServiceSettingsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check that nothing in the record was changed, taken out or put in; print its end."""
    from assay.audit import verify_export
    from assay.cli.administration import open_administration
    from assay.cli.instance_answer import print_members

    until = None if head is None else _head(head)
    if file is None:
        with open_administration(settings) as administration:
            found = verify_export(administration.store.audit.lines(), until=until)
    else:
        found = _verify_file(file, until)
    print_members(
        {"verified": True, "records": found.sequence, "head": f"{found.sequence}:{found.digest}"},
        as_json=as_json,
    )


def _verify_file(file: Path, until: AuditHead | None) -> AuditHead:
    from assay.audit import verify_export
    from assay.errors import RequestError

    try:
        with file.open("rb") as lines:
            return verify_export(lines, until=until)
    except OSError as error:
        raise RequestError(f"{file}: cannot read it: {error.strerror}") from error


def _head(text: str) -> AuditHead:
    import re

    from assay.audit import AuditHead
    from assay.errors import RequestError

    found = re.fullmatch(r"([0-9]{1,19}):([0-9a-f]{64})", text)
    if found is None:
        raise RequestError(
            f"--head: expected SEQUENCE:DIGEST as `assay audit verify` prints it, got {text!r}"
        )
    return AuditHead(sequence=int(found.group(1)), digest=found.group(2))
