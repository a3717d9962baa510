"""`assay db`: the database of a service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from assay.cli.options import JsonOption, ServiceSettingsOption
from assay.cli.path_argument import given_path

app: Final = typer.Typer(
    help="Upgrade, check and back up the database of a service.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command()
def upgrade(*, settings: ServiceSettingsOption = None, as_json: JsonOption = False) -> None:
    """Bring the database to this release's schema, as the start of a server does.

    What is up to date stays as it is; a database that a newer release wrote is refused.
    """
    from assay.cli.instance_answer import print_members
    from assay.cli.service_start import load_service
    from assay.server.assembly import open_chest
    from assay.store import HEAD

    with open_chest(load_service(settings, {}), upgrade=False) as chest:
        before = chest.store.upgrade()
    print_members({"from": before, "to": HEAD, "changed": before != HEAD}, as_json=as_json)


@app.command()
def check(*, settings: ServiceSettingsOption = None, as_json: JsonOption = False) -> None:
    """Check that the database is whole: schema, tables, policies, audit record, signing keys.

    It only reads, and a server may run meanwhile. With a failed check it ends with code 1.
    """
    from assay.cli.checkup_answer import print_results
    from assay.cli.service_start import load_service
    from assay.server.checkup.store import check_database

    print_results(check_database(load_service(settings, {})), as_json=as_json)


@app.command()
def backup(
    *,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="Where the copy goes; it may not be there yet.", parser=given_path
        ),
    ],
    settings: ServiceSettingsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy a SQLite database to a new file, while a server may use it.

    The copy is whole or not there. The key-encryption key is not in it: keep that elsewhere.
    """
    from assay.cli.instance_answer import print_members
    from assay.cli.service_start import load_service
    from assay.server.assembly import open_store

    with open_store(load_service(settings, {})) as store:
        store.back_up(file)
    print_members({"backup": str(file), "size_bytes": file.stat().st_size}, as_json=as_json)
