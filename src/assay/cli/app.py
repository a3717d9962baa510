"""The commands under one name."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from assay.cli.commands import (
    appraise,
    attest,
    audit,
    collateral,
    config,
    db,
    demo,
    doctor,
    inspect,
    instance,
    key,
    keyrelease,
    policy,
    serve,
    simulate,
    token,
    token_auth,
    tpm,
)
from assay.cli.exit_code import exit_code_table
from assay.cli.root_group import RootGroup
from assay.cli.standard_output import guarded_output

_CONTEXT: Final = {"help_option_names": ["-h", "--help"]}

app: Final = typer.Typer(
    name="assay",
    cls=RootGroup,
    add_completion=False,
    context_settings=_CONTEXT,
    epilog=exit_code_table(),
    no_args_is_help=True,
    # Plain text: it starts in half the time, and pipes get it whole.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _print_version(*, wanted: bool) -> None:
    if not wanted:
        return
    from importlib.metadata import version

    print(f"assay {version('assay')}")
    raise typer.Exit


@app.callback()
def root(
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=lambda wanted: _print_version(wanted=wanted),
            is_eager=True,
            help="Print the version and stop.",
        ),
    ] = False,
) -> None:
    """Judge evidence from trusted execution environments, here or at a service.

    Answers go to standard output, talk to standard error; --json on any command gives one JSON
    object. FILE may be - for standard input.
    """


app.command("appraise")(appraise.appraise)
app.command("inspect")(inspect.inspect)
app.command("attest")(attest.attest)
app.add_typer(policy.app, name="policy")
app.add_typer(token.app, name="token")
app.add_typer(collateral.app, name="collateral")
app.add_typer(simulate.app, name="simulate")
app.command("serve")(serve.serve)
app.add_typer(instance.app, name="instance")
app.add_typer(key.app, name="key")
app.add_typer(token_auth.app, name="token-auth")
app.add_typer(tpm.app, name="tpm")
app.add_typer(audit.app, name="audit")
app.add_typer(keyrelease.app, name="keyrelease")
app.add_typer(db.app, name="db")
app.add_typer(config.app, name="config")
app.command("doctor")(doctor.doctor)
app.command("demo")(demo.demo)


def main() -> None:
    """Run the command line and end the process with its exit code."""
    with guarded_output():
        app(prog_name="assay")
