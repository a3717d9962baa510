"""`assay instance`: the instances of a service, on its own store."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from assay.cli.commands import instance_policy, instance_signer
from assay.cli.options import (
    AcceptTcbOption,
    InstanceArgument,
    JsonOption,
    ServiceSettingsOption,
)
from assay.cli.path_argument import given_path

if TYPE_CHECKING:
    from cryptography import x509

    from assay.server.settings import Settings
    from assay.service.instance_options import InstanceOptions

app: Final = typer.Typer(
    help="Administer the instances of a service, on its own store.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(instance_policy.app, name="policy")
app.add_typer(instance_signer.app, name="signer")


class TrustModelChoice(StrEnum):
    """Who may change an instance."""

    AAD = "AAD"
    ISOLATED = "Isolated"
    SHARED = "Shared"


class CompatibilityChoice(StrEnum):
    """The build of Azure Attestation that tokens look like."""

    CURRENT = "current"
    Y2021 = "2021"


class AlgorithmChoice(StrEnum):
    """What tokens are signed with."""

    RS256 = "RS256"
    PS256 = "PS256"
    ES256 = "ES256"
    ES384 = "ES384"


@app.command()
def create(
    *,
    name: InstanceArgument,
    url: Annotated[
        str | None,
        typer.Option(
            "--url",
            metavar="URL",
            help="Its public URL, the issuer of its tokens. Default: NAME under the server's.",
        ),
    ] = None,
    trust_model: Annotated[
        TrustModelChoice,
        typer.Option(
            "--trust-model",
            help="AAD: who has the right changes it. Isolated: changes are signed, too. Shared: "
            "nobody changes it. Fixed from the start.",
        ),
    ] = TrustModelChoice.AAD,
    signer: Annotated[
        list[Path] | None,
        typer.Option(
            "--signer",
            metavar="FILE",
            help="A certificate that may sign changes; repeatable. Isolated needs one.",
            parser=given_path,
        ),
    ] = None,
    region: Annotated[str, typer.Option(help="A label, for people.")] = "",
    tag: Annotated[
        list[str] | None,
        typer.Option("--tag", metavar="NAME=VALUE", help="A label more; repeatable."),
    ] = None,
    compatibility: Annotated[
        CompatibilityChoice, typer.Option(help="Whose tokens its own look like.")
    ] = CompatibilityChoice.CURRENT,
    token_algorithm: Annotated[
        AlgorithmChoice, typer.Option(help="What its tokens are signed with.")
    ] = AlgorithmChoice.RS256,
    rotation_days: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=3660,
            help="For how long a signing key signs; 0: until it is rotated by hand. Default: the "
            "server's.",
        ),
    ] = None,
    overlap_hours: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=8784,
            help="For how long a key is published before it signs. Default: the server's.",
        ),
    ] = None,
    accept_tcb: AcceptTcbOption = None,
    root: Annotated[
        list[Path] | None,
        typer.Option(
            "--root",
            metavar="FILE",
            help="A root to trust besides Intel's, PEM or DER; repeatable.",
            parser=given_path,
        ),
    ] = None,
    tpm_root: Annotated[
        list[Path] | None,
        typer.Option(
            "--tpm-root",
            metavar="FILE",
            help="A root of TPMs' certificates to trust besides Microsoft's; repeatable.",
            parser=given_path,
        ),
    ] = None,
    tpm_intermediate: Annotated[
        list[Path] | None,
        typer.Option(
            "--tpm-intermediate",
            metavar="FILE",
            help="An authority below a TPM root, which attesters do not send; repeatable.",
            parser=given_path,
        ),
    ] = None,
    simulator: Annotated[
        bool,
        typer.Option(
            "--simulator", help="Trust the simulated platform of a server in development."
        ),
    ] = False,
    settings: ServiceSettingsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create an instance, ready to be used. A running server has it within a second."""
    from msgspec.structs import replace

    from assay.cli.administration import open_administration
    from assay.cli.instance_answer import instance_members, print_members
    from assay.cli.owner_files import read_certificates
    from assay.cli.service_start import load_service
    from assay.service.provisioning import NewInstance
    from assay.store import TrustModel

    options = replace(
        _options(compatibility, token_algorithm, accept_tcb, root or [], simulator=simulator),
        key_rotation_days=rotation_days,
        key_overlap_hours=overlap_hours,
        tpm_roots=_pems(tpm_root or []),
        tpm_intermediates=_pems(tpm_intermediate or []),
    )
    certificates: tuple[x509.Certificate, ...] = tuple(
        one for path in signer or [] for one in read_certificates(path)
    )
    wanted = NewInstance(
        name=name,
        issuer=url or _default_url(load_service(settings, {}), name),
        trust_model=TrustModel(trust_model.value),
        region=region,
        tags=_tags(tag or []),
        options=options,
        signers=certificates,
    )
    with (
        open_administration(settings) as administration,
        administration.change("instance.create", instance=name),
    ):
        record = administration.provisioning.create(wanted, by=administration.author)
    print_members(instance_members(record), as_json=as_json)


@app.command("list")
def list_instances(*, settings: ServiceSettingsOption = None, as_json: JsonOption = False) -> None:
    """List the instances."""
    from assay.cli.administration import open_administration
    from assay.cli.instance_answer import instance_members
    from assay.cli.render import Answer, print_json

    with open_administration(settings) as administration:
        records = administration.store.instances.all()
    if as_json:
        print_json({"instances": [instance_members(record) for record in records]})
        return
    answer = Answer()
    width = max((len(record.name) for record in records), default=0)
    for record in records:
        answer.line(f"{record.name:<{width}}  {record.trust_model:<8}  {record.issuer}")


@app.command()
def show(
    *, name: InstanceArgument, settings: ServiceSettingsOption = None, as_json: JsonOption = False
) -> None:
    """Show an instance with its policies, signers and keys."""
    from assay.cli.administration import open_administration
    from assay.cli.instance_answer import (
        instance_members,
        key_members,
        policy_members,
        print_members,
        signer_members,
    )

    with open_administration(settings) as administration:
        store = administration.store
        record = store.instances.require(name)
        policies = store.policies.of(name)
        signers = store.signers.of(name)
        keys = store.signing_keys.of(name)
    print_members(
        {
            **instance_members(record),
            "policies": [policy_members(policy) for policy in policies],
            "signers": [signer_members(signer) for signer in signers],
            "keys": [key_members(key) for key in keys],
        },
        as_json=as_json,
    )


@app.command()
def delete(
    *,
    name: InstanceArgument,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes", help="Do it: its policies and keys are gone, and its tokens verify no more."
        ),
    ] = False,
    settings: ServiceSettingsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete an instance with its policies, their history, its signers and its keys."""
    from assay.cli.administration import open_administration
    from assay.cli.instance_answer import print_members
    from assay.errors import RequestError

    with open_administration(settings) as administration:
        administration.store.instances.require(name)
        if not yes:
            raise RequestError(
                f"deleting instance {name!r} takes its keys along, and its tokens cannot be "
                "verified any more; repeat it with --yes"
            )
        with administration.change("instance.delete", instance=name):
            administration.provisioning.remove(name, by=administration.author)
    print_members({"name": name, "deleted": True}, as_json=as_json)


def _options(
    compatibility: CompatibilityChoice,
    algorithm: AlgorithmChoice,
    accept_tcb: str | None,
    roots: list[Path],
    *,
    simulator: bool,
) -> InstanceOptions:
    from assay.appraisal import MAA_ACCEPTED_TCB, Compatibility
    from assay.cli.offline_appraisal import read_statuses
    from assay.endorsements.anchors import read_anchors
    from assay.keys import SigningAlgorithm
    from assay.service.instance_options import InstanceOptions

    pems = _pems(roots)
    # Whatever could not be trusted stops here.
    read_anchors(pem.encode("ascii") for pem in pems)
    return InstanceOptions(
        accepted_tcb=MAA_ACCEPTED_TCB if accept_tcb is None else read_statuses(accept_tcb),
        compatibility=Compatibility(compatibility.value),
        roots=pems,
        simulator=simulator,
        token_algorithm=SigningAlgorithm(algorithm.value),
    )


def _pems(files: list[Path]) -> tuple[str, ...]:
    from cryptography.hazmat.primitives.serialization import Encoding

    from assay.cli.owner_files import read_certificates

    return tuple(
        certificate.public_bytes(Encoding.PEM).decode("ascii")
        for path in files
        for certificate in read_certificates(path)
    )


def _default_url(settings: Settings, name: str) -> str:
    from assay.errors import RequestError

    if settings.instance.public_url is None and not settings.port:
        raise RequestError(
            "the server's own URL is not known, since its port is chosen at each start; say --url"
        )
    return f"{settings.issuer(settings.port)}/{name}"


def _tags(given: list[str]) -> dict[str, str]:
    from assay.errors import RequestError

    tags = {}
    for text in given:
        name, separator, value = text.partition("=")
        if not separator or not name:
            raise RequestError(f"--tag: expected NAME=VALUE, got {text!r}")
        tags[name] = value
    return tags
