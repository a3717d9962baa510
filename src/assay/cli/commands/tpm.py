"""`assay tpm`: have the TPM of this machine certified and attested; say whose TPMs are known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from assay.cli.options import JsonOption, ServiceSettingsOption
from assay.cli.path_argument import given_path

app: Final = typer.Typer(
    help="Attest this machine by its TPM, and say which TPMs may enrol.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

DeviceOption = Annotated[
    Path | None,
    typer.Option(
        "--device",
        metavar="PATH",
        help="The kernel's device. Default: /dev/tpmrm0.",
        parser=given_path,
    ),
]
SocketOption = Annotated[
    str | None,
    typer.Option(
        "--socket", metavar="ADDRESS", help="An emulator instead: HOST:PORT, or a Unix socket."
    ),
]
UrlOption = Annotated[
    str,
    typer.Option(
        "--url", metavar="URL", envvar="ASSAY_URL", help="The instance: its issuer address."
    ),
]
TokenOption = Annotated[
    str | None,
    typer.Option(
        "--token",
        metavar="TOKEN",
        envvar="ASSAY_TOKEN",
        help="A bearer token, where callers have to be known.",
    ),
]
InstanceArgument = Annotated[str, typer.Argument(metavar="INSTANCE", help="Its name.")]
NameArgument = Annotated[
    str,
    typer.Argument(metavar="NAME", help="Of the endorsement key, as `assay tpm show` prints it."),
]


@app.command()
def show(
    *, device: DeviceOption = None, socket: SocketOption = None, as_json: JsonOption = False
) -> None:
    """Show the names of this machine's endorsement and attestation keys."""
    from assay.attester.tpm.agent import endorsement_certificate, endorsement_key, open_agent
    from assay.cli.instance_answer import print_members
    from assay.cli.tpm_connection import open_tpm

    with open_tpm(device, socket) as tpm:
        certificate = endorsement_certificate(tpm)
        with endorsement_key(tpm) as ek:
            endorsement = ek.public.name.hex()
        with open_agent(tpm, lambda: ()) as agent:
            attestation = agent.aik.public.name.hex()
    print_members(
        {
            "endorsement_key": endorsement,
            "endorsement_certificate": certificate is not None,
            "attestation_key": attestation,
        },
        as_json=as_json,
    )


@app.command()
def enroll(
    *,
    url: UrlOption,
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="FILE", help="Where the certificate goes, in PEM.", parser=given_path
        ),
    ],
    device: DeviceOption = None,
    socket: SocketOption = None,
    token: TokenOption = None,
) -> None:
    """Have this machine's attestation key certified by an instance's own authority.

    The instance has to trust the maker of the TPM, or to know its endorsement key.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    from assay.attester.tpm.agent import open_agent
    from assay.cli.input_file import write_output
    from assay.cli.tpm_connection import open_exchange, open_tpm

    with (
        open_tpm(device, socket) as tpm,
        open_agent(tpm, lambda: ()) as agent,
        open_exchange(url, token) as exchange,
    ):
        certificate = x509.load_der_x509_certificate(exchange.enroll(tpm, agent.aik))
    write_output(out, certificate.public_bytes(Encoding.PEM))


@app.command()
def attest(
    *,
    url: UrlOption,
    device: DeviceOption = None,
    socket: SocketOption = None,
    token: TokenOption = None,
    certificate: Annotated[
        Path | None,
        typer.Option(
            "--certificate",
            metavar="FILE",
            help="The attestation key's, as `assay tpm enroll` wrote it.",
            parser=given_path,
        ),
    ] = None,
    log: Annotated[
        list[Path] | None,
        typer.Option(
            "--log",
            metavar="FILE",
            help="A TCG log instead of this machine's own; repeatable.",
            parser=given_path,
        ),
    ] = None,
    key_in_tpm: Annotated[
        bool,
        typer.Option(
            "--key-in-tpm",
            help="Have the report name a key that never leaves the TPM. Default: a key of this "
            "run alone.",
        ),
    ] = False,
    rp_data: Annotated[
        str,
        typer.Option("--nonce", metavar="TEXT", help="What a relying party wants to find again."),
    ] = "",
) -> None:
    """Have this machine attested, and print the report."""
    from assay.attester.tpm.agent import open_agent
    from assay.cli.tpm_connection import (
        log_reader,
        open_exchange,
        open_tpm,
        read_certificate_der,
        request_key,
    )

    with (
        open_tpm(device, socket) as tpm,
        open_agent(
            tpm, log_reader(log or []), aik_certificate=read_certificate_der(certificate)
        ) as agent,
        request_key(tpm, in_tpm=key_in_tpm) as key,
        open_exchange(url, token) as exchange,
    ):
        challenge, context = exchange.challenge()
        request = agent.request(challenge, context, key, rp_data=rp_data.encode())
        print(exchange.report(request))


@app.command()
def allow(
    *,
    instance: InstanceArgument,
    name: NameArgument,
    label: Annotated[str, typer.Option("--label", help="For people.")] = "",
    settings: ServiceSettingsOption = None,
) -> None:
    """Let a TPM enrol by its endorsement key, whoever made it."""
    from assay import clock
    from assay.cli.administration import open_administration
    from assay.cli.tpm_connection import endorsement_name
    from assay.store import EndorsementKeyRecord

    with open_administration(settings) as administration:
        administration.store.aik_authorities.allow(
            EndorsementKeyRecord(
                instance=instance,
                name=endorsement_name(name),
                label=label,
                added_at=clock.now(),
            ),
            by=administration.author,
        )


@app.command()
def disallow(
    *, instance: InstanceArgument, name: NameArgument, settings: ServiceSettingsOption = None
) -> None:
    """Let it enrol no more. Certificates that it has stay good until they end."""
    from assay import clock
    from assay.cli.administration import open_administration
    from assay.cli.tpm_connection import endorsement_name
    from assay.errors import RequestError

    with open_administration(settings) as administration:
        removed = administration.store.aik_authorities.disallow(
            instance, endorsement_name(name), at=clock.now(), by=administration.author
        )
    if not removed:
        raise RequestError(f"instance {instance!r} does not know that endorsement key")


@app.command("list")
def list_allowed(
    *,
    instance: InstanceArgument,
    settings: ServiceSettingsOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the endorsement keys whose TPMs may enrol."""
    from assay.cli.administration import open_administration
    from assay.cli.render import Answer, print_json

    with open_administration(settings) as administration:
        administration.store.instances.require(instance)
        known = administration.store.aik_authorities.allowed(instance)
    if as_json:
        print_json({"endorsement_keys": [{"name": one.name, "label": one.label} for one in known]})
        return
    answer = Answer()
    for one in known:
        answer.line(f"{one.name}  {one.label}".rstrip())
