"""`assay key`: the signing keys of a service's instances, on its own store."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import typer

from assay.cli.options import InstanceArgument, JsonOption, ServiceSettingsOption

if TYPE_CHECKING:
    from collections.abc import Callable

    from assay.cli.administration import LocalAdministration
    from assay.encoding import JsonValue
    from assay.keys import SigningKey

app: Final = typer.Typer(
    help="List, rotate and export the signing keys of a service.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


class FormChoice(StrEnum):
    """What a public key is written as."""

    PEM = "pem"
    JWK = "jwk"
    CHAIN = "chain"


@app.command("list")
def list_keys(
    *,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="An instance. Default: all of them.")
    ] = None,
    settings: ServiceSettingsOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the keys, with what each waits for."""
    from assay.cli.administration import open_administration
    from assay.cli.instance_answer import key_members
    from assay.cli.key_answer import next_members, print_keys
    from assay.cli.render import print_json

    with open_administration(settings) as administration:
        store = administration.store
        if name is None:
            records = {record.name: record for record in store.instances.all()}
            keys = store.signing_keys.all()
        else:
            records = {name: store.instances.require(name)}
            keys = store.signing_keys.of(name)
        chest = administration.rotation.chest
        schedules = {record: chest.wanted(one).schedule for record, one in records.items()}
    found: list[JsonValue] = [
        {
            "instance": key.instance,
            **key_members(key),
            **next_members(key, schedules[key.instance]),
        }
        for key in sorted(keys, key=lambda key: (key.instance, key.created_at))
        if key.instance in records
    ]
    if as_json:
        print_json({"keys": found})
    else:
        print_keys(found)


@app.command()
def rotate(
    *,
    name: InstanceArgument,
    now: Annotated[
        bool,
        typer.Option(
            "--now",
            help="Trust none of its present keys any more: a new one signs within seconds, and "
            "the others are gone. Their tokens verify no more.",
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it, with --now.")] = False,
    settings: ServiceSettingsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Publish the successor of an instance's key. It signs when the overlap has passed."""
    from assay.cli.administration import open_administration
    from assay.cli.instance_answer import key_members, print_members
    from assay.cli.key_answer import next_members

    with open_administration(settings) as administration:
        if now:
            print_members(_replace(administration, name, yes=yes), as_json=as_json)
            return
        made = administration.rotation.rotate(name, by=administration.author)
        record = administration.store.instances.require(name)
        schedule = administration.rotation.chest.wanted(record).schedule
    members = {"instance": name, **key_members(made), **next_members(made, schedule)}
    print_members(members, as_json=as_json)


@app.command("export-public")
def export_public(
    *,
    name: InstanceArgument,
    kid: Annotated[
        str | None, typer.Option("--kid", metavar="KID", help="Which key. Default: what signs.")
    ] = None,
    form: Annotated[
        FormChoice,
        typer.Option(
            "--form", help="The bare key as PEM or as JWK, or its certificates as PEM, leaf first."
        ),
    ] = FormChoice.PEM,
    settings: ServiceSettingsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the public part of a key."""
    from assay.cli.administration import open_administration
    from assay.cli.render import print_json
    from assay.errors import RequestError

    with open_administration(settings) as administration:
        record = administration.store.instances.require(name)
        kept = administration.store.signing_keys.of(name)
        keys = administration.rotation.chest.open(name, kept)
        found = {key.kid: key for key in keys.published}.get(kid or keys.active.kid)
        if found is None:
            raise RequestError(
                f"instance {name!r} has no key {kid!r}; `assay key list` has those that are"
            )
        text, value = _written(form, found, lambda: keys.chain(found, record.issuer))
    if as_json:
        print_json(
            {"instance": name, "kid": found.kid, "algorithm": found.algorithm.value, form: value}
        )
    else:
        print(text, end="")


def _written(
    form: FormChoice, key: SigningKey, chain: Callable[[], tuple[bytes, ...]]
) -> tuple[str, JsonValue]:
    from assay.cli.key_answer import chain_form, jwk_form, pem_form

    if form is FormChoice.CHAIN:
        return chain_form(chain())
    return jwk_form(key) if form is FormChoice.JWK else pem_form(key)


def _replace(administration: LocalAdministration, name: str, *, yes: bool) -> dict[str, JsonValue]:
    import time

    from assay.cli.instance_answer import key_members
    from assay.errors import RequestError

    administration.store.instances.require(name)
    present = administration.store.signing_keys.of(name)
    if not yes:
        raise RequestError(
            f"--now drops all {len(present)} present keys of instance {name!r}: no token that one "
            "of them signed can be verified any more, but by who keeps the key set from before; "
            "repeat it with --yes"
        )
    replaced = administration.rotation.replace(name, by=administration.author, wait=time.sleep)
    dropped: list[JsonValue] = [key.kid for key in replaced.dropped]
    return {"instance": name, **key_members(replaced.key), "dropped": dropped}
