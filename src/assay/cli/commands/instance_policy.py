"""`assay instance policy`: the policies of an instance, and their history."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from assay.cli.options import (
    InstanceArgument,
    JsonOption,
    ServiceSettingsOption,
    TypeArgument,
)
from assay.cli.owner_options import CertificateOption, JwsOption, KeyOption
from assay.cli.path_argument import given_path

if TYPE_CHECKING:
    from assay.encoding import JsonValue
    from assay.store import PolicyRecord

app: Final = typer.Typer(
    help="Read, set and reset policies, and go back to earlier ones.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

VersionArgument = Annotated[int, typer.Argument(metavar="VERSION", min=1, help="From the history.")]


@app.command()
def get(
    *,
    name: InstanceArgument,
    attestation_type: TypeArgument,
    settings: ServiceSettingsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the policy that applies: its text, and with --json the JWS that holds it."""
    from assay.cli.administration import open_administration
    from assay.service.policies import policy_type

    kind = policy_type(attestation_type)
    with open_administration(settings) as administration:
        jws = administration.policies.get(name, kind)
        stored = administration.store.policies.get(name, kind)
    is_set = stored is not None and stored.jws is not None
    _print_policy({"instance": name, "attestation_type": kind, "set": is_set}, jws, as_json=as_json)


@app.command("set")
def set_policy(
    *,
    name: InstanceArgument,
    attestation_type: TypeArgument,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The policy's text.", parser=given_path)
    ],
    key: KeyOption = None,
    certificate: CertificateOption = None,
    jws: JwsOption = False,
    settings: ServiceSettingsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Set a policy. A running server applies it within a second.

    Isolated instances need it signed by one of their policy signers.
    """
    from assay.cli.administration import open_administration
    from assay.cli.input_file import read_text
    from assay.cli.instance_answer import print_members
    from assay.cli.owner_files import owner_token, sent_token
    from assay.service.policies import policy_type
    from assay.token import policy_payload

    kind = policy_type(attestation_type)
    token = (
        sent_token(file) if jws else owner_token(policy_payload(read_text(file)), key, certificate)
    )
    with open_administration(settings) as administration:
        with administration.change("policy.set", instance=name, target=kind):
            administration.policies.set(name, kind, token, by=administration.author)
        members = _present(administration.store.policies.get(name, kind))
    print_members({"instance": name, **members}, as_json=as_json)


@app.command()
def reset(
    *,
    name: InstanceArgument,
    attestation_type: TypeArgument,
    key: KeyOption = None,
    certificate: CertificateOption = None,
    sent: Annotated[
        Path | None,
        typer.Option(
            "--jws", metavar="FILE", help="A JWS that was signed elsewhere.", parser=given_path
        ),
    ] = None,
    settings: ServiceSettingsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Go back to the default policy.

    Isolated instances need this signed by one of their policy signers.
    """
    from assay.cli.administration import open_administration
    from assay.cli.instance_answer import print_members
    from assay.cli.owner_files import owner_token, sent_token
    from assay.service.policies import policy_type
    from assay.token import RESET_PAYLOAD

    kind = policy_type(attestation_type)
    token = owner_token(RESET_PAYLOAD, key, certificate) if sent is None else sent_token(sent)
    with open_administration(settings) as administration:
        with administration.change("policy.reset", instance=name, target=kind):
            administration.policies.reset(name, kind, token, by=administration.author)
        members = _present(administration.store.policies.get(name, kind))
    print_members({"instance": name, **members}, as_json=as_json)


@app.command()
def history(
    *,
    name: InstanceArgument,
    attestation_type: TypeArgument,
    settings: ServiceSettingsOption = None,
    as_json: JsonOption = False,
) -> None:
    """List every change of a policy: when, by whom, from where, and the hashes."""
    from assay.cli.administration import open_administration
    from assay.cli.instance_answer import change_members
    from assay.cli.render import Answer, listed, print_json
    from assay.service.policies import policy_type

    kind = policy_type(attestation_type)
    with open_administration(settings) as administration:
        changes = administration.policies.history(name, kind)
    if as_json:
        print_json(
            {
                "instance": name,
                "attestation_type": kind,
                "changes": [change_members(change) for change in changes],
            }
        )
        return
    answer = Answer()
    for change in changes:
        author = listed(
            filter(None, (str(change.changed_by), change.changed_by.address)), "unknown"
        )
        answer.line(
            f"{change.version:>4}  {change.changed_at:%Y-%m-%d %H:%M:%S}  {change.action:<5}  "
            f"{change.text_hash or 'default'}  {author}"
        )


@app.command()
def show(
    *,
    name: InstanceArgument,
    attestation_type: TypeArgument,
    version: VersionArgument,
    settings: ServiceSettingsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print a policy as one of its versions was."""
    from assay.cli.administration import open_administration
    from assay.cli.instance_answer import change_members
    from assay.service.policies import policy_type
    from assay.token import UNSET_POLICY

    kind = policy_type(attestation_type)
    with open_administration(settings) as administration:
        change = administration.policies.version(name, kind, version)
    jws = UNSET_POLICY if change.jws is None else change.jws.decode("ascii")
    members = {"instance": name, "attestation_type": kind, **change_members(change)}
    _print_policy(members, jws, as_json=as_json)


@app.command()
def rollback(
    *,
    name: InstanceArgument,
    attestation_type: TypeArgument,
    version: VersionArgument,
    settings: ServiceSettingsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Do again what made a version, as a new version.

    What was sent then counts only if it would still be accepted: on isolated instances, its signer
    must still be one.
    """
    from assay.cli.administration import open_administration
    from assay.cli.instance_answer import print_members
    from assay.service.policies import policy_type

    kind = policy_type(attestation_type)
    with open_administration(settings) as administration:
        action = administration.policies.version(name, kind, version).action
        with administration.change(f"policy.{action}", instance=name, target=kind):
            administration.policies.roll_back(name, kind, version, by=administration.author)
        members = _present(administration.store.policies.get(name, kind))
    print_members({"instance": name, **members, "rolled_back_to": version}, as_json=as_json)


def _present(record: PolicyRecord | None) -> dict[str, JsonValue]:
    from assay.cli.instance_answer import policy_members

    return {} if record is None else policy_members(record)


def _print_policy(members: dict[str, JsonValue], jws: str, *, as_json: bool) -> None:
    from assay.cli.render import Answer, print_json
    from assay.policy import policy_hash
    from assay.token import read_owner_token, read_policy_text

    text = read_policy_text(read_owner_token(jws))
    if as_json:
        found = None if text is None else policy_hash(text)
        print_json({**members, "hash": found, "policy": text, "jws": jws})
        return
    if text is None:
        Answer(stderr=True).line("there is no policy: evidence of this type is refused")
        return
    if sys.stdout is not None and sys.stdout.isatty():
        Answer().block(text)
    else:
        # To the letter: the hash is over every one of them.
        print(text, end="")
