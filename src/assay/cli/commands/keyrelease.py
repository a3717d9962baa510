"""`assay keyrelease`: secrets for enclaves that attest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from assay.cli.options import JsonOption
from assay.cli.path_argument import given_path

if TYPE_CHECKING:
    from assay.cli.keyrelease_demo import Step

app: Final = typer.Typer(
    help="Release secrets to enclaves that attest.", no_args_is_help=True, rich_markup_mode=None
)

SettingsOption = Annotated[
    Path,
    typer.Option(
        "--settings", metavar="FILE", help="The broker's settings in TOML.", parser=given_path
    ),
]


@app.command()
def serve(
    *,
    settings: SettingsOption,
    host: Annotated[str | None, typer.Option(help="Address to listen at.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port; 0 takes any free one.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run a broker.

    It runs until it is told to stop (SIGTERM, Ctrl-C). The address goes to standard output once it
    can be called, the log to standard error.
    """
    from assay.cli.keyrelease_start import load_broker, run_broker

    run_broker(load_broker(settings, host=host, port=port), as_json=as_json)


@app.command()
def seal(
    *,
    settings: SettingsOption,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A secret of the settings.")],
    file: Annotated[
        Path,
        typer.Option(
            "--in", metavar="FILE", help="Its value; - for standard input.", parser=given_path
        ),
    ] = Path("-"),
) -> None:
    """Seal a secret into the file that the settings name for it.

    It is bound to its name, its version and its rules: after a change of one of them, seal it
    again.
    """
    from assay.cli.input_file import read_input
    from assay.cli.keyrelease_start import seal_secret

    print(f"{name} is sealed in {seal_secret(settings, name, read_input(file))}")


@app.command()
def demo(*, as_json: JsonOption = False) -> None:
    """See it work: one release, and what is refused.

    Starts an attestation service and a broker of its own on free ports of this machine, with a
    simulated SGX platform and all data in a temporary directory, and ends with all of it gone.
    """
    from tempfile import TemporaryDirectory

    from assay.cli.keyrelease_demo import demonstrate
    from assay.cli.render import BAD, GOOD, Answer, print_json

    talk = Answer(stderr=as_json)
    talk.line(("Assay key release", "bold"), " - simulated SGX hardware, real services and keys")
    steps: list[Step] = []
    with TemporaryDirectory(prefix="assay-keyrelease-") as folder:
        for step in demonstrate(Path(folder)):
            steps.append(step)
            talk.heading(step.title)
            talk.line((step.outcome, BAD if step.findings else GOOD), f" - {step.account}")
            for code in step.findings:
                talk.line("  ", (code, BAD))
            for record in step.records:
                talk.line("  ", record)
    if as_json:
        print_json({"steps": [step.report() for step in steps]})
    talk.line()
    talk.line("Both servers have ended and their files are gone; nothing is left running.")
