"""`assay instance signer`: who may sign the changes of an isolated instance."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from assay.cli.options import InstanceArgument, JsonOption, ServiceSettingsOption
from assay.cli.owner_options import CertificateOption, JwsOption, KeyOption
from assay.cli.path_argument import given_path

if TYPE_CHECKING:
    from cryptography import x509

    from assay.store import SignerRecord

app: Final = typer.Typer(
    help="List, add and remove the policy signers of an isolated instance.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

FileArgument = Annotated[
    Path,
    typer.Argument(
        metavar="FILE", help="The certificate that it is about, in PEM or DER.", parser=given_path
    ),
]


@app.command("list")
def list_signers(
    *, name: InstanceArgument, settings: ServiceSettingsOption = None, as_json: JsonOption = False
) -> None:
    """List the certificates that may sign changes."""
    from assay.cli.administration import open_administration

    with open_administration(settings) as administration:
        administration.store.instances.require(name)
        signers = administration.store.signers.of(name)
    _print_signers(name, signers, as_json=as_json)


@app.command()
def add(
    *,
    name: InstanceArgument,
    file: FileArgument,
    key: KeyOption = None,
    certificate: CertificateOption = None,
    jws: JwsOption = False,
    settings: ServiceSettingsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let another certificate sign, too; one that may already signs this change."""
    from assay.cli.administration import open_administration

    token = _token(file, key, certificate, jws=jws)
    with open_administration(settings) as administration:
        with administration.change("signer.add", instance=name):
            administration.signers.add(name, token, by=administration.author)
        signers = administration.store.signers.of(name)
    _print_signers(name, signers, as_json=as_json)


@app.command()
def remove(
    *,
    name: InstanceArgument,
    file: FileArgument,
    key: KeyOption = None,
    certificate: CertificateOption = None,
    jws: JwsOption = False,
    settings: ServiceSettingsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a certificate sign no more; one that may signs this change. The last one stays."""
    from assay.cli.administration import open_administration

    token = _token(file, key, certificate, jws=jws)
    with open_administration(settings) as administration:
        with administration.change("signer.remove", instance=name):
            administration.signers.remove(name, token, by=administration.author)
        signers = administration.store.signers.of(name)
    _print_signers(name, signers, as_json=as_json)


def _token(file: Path, key: Path | None, certificate: Path | None, *, jws: bool) -> str:
    from assay.cli.owner_files import owner_token, sent_token
    from assay.token import certificate_payload

    if jws:
        return sent_token(file)
    return owner_token(certificate_payload(_one_certificate(file)), key, certificate)


def _one_certificate(file: Path) -> x509.Certificate:
    from assay.cli.owner_files import read_certificates
    from assay.errors import RequestError

    found = read_certificates(file)
    if len(found) != 1:
        raise RequestError(f"{file}: expected one certificate, got {len(found)}")
    return found[0]


def _print_signers(name: str, signers: tuple[SignerRecord, ...], *, as_json: bool) -> None:
    from assay.cli.instance_answer import signer_members
    from assay.cli.render import Answer, print_json

    if as_json:
        print_json({"instance": name, "signers": [signer_members(signer) for signer in signers]})
        return
    answer = Answer()
    for signer in signers:
        member = signer_members(signer)
        answer.line(f"{member['thumbprint']}  {member['subject']}")
