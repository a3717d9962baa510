"""`assay token-auth`: API tokens for those who administer a service, on its own store."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import typer

from assay.cli.options import JsonOption, ServiceSettingsOption

if TYPE_CHECKING:
    from assay.access import ApiToken, Grants
    from assay.encoding import JsonValue
    from assay.store import Store

app: Final = typer.Typer(
    help="Make, list and revoke API tokens to administer a service.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


class RightChoice(StrEnum):
    """What a caller may do."""

    READ = "read"
    WRITE = "write"
    DELETE = "delete"


@app.command()
def create(
    *,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="What it is for: histories name it so.")
    ],
    right: Annotated[
        list[RightChoice],
        typer.Option("--right", help="What its holder may do; repeatable. None includes another."),
    ],
    instance: Annotated[
        list[str],
        typer.Option(
            "--instance",
            metavar="NAME",
            help="An instance that the rights are for; repeatable. '*' is every one, also later.",
        ),
    ],
    days: Annotated[
        int, typer.Option("--days", min=1, max=366, help="How long it is good for.")
    ] = 90,
    settings: ServiceSettingsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a token and print it. It is shown this once: the store has only a digest of it."""
    from datetime import timedelta

    from assay import clock
    from assay.access import Grants, Right, issue_api_token
    from assay.cli.administration import open_administration
    from assay.cli.render import print_json
    from assay.errors import RequestError

    grants = Grants.of((Right(one.value) for one in right), instance)
    with open_administration(settings) as administration:
        _check_instances(administration.store, grants)
        try:
            issued = issue_api_token(
                name, grants, created_at=clock.now(), lifetime=timedelta(days=days)
            )
        except ValueError as error:
            raise RequestError(f"NAME: {error}") from error
        administration.store.api_tokens.add(issued.token, by=administration.author)
    if as_json:
        print_json({"token": issued.text, **_members(issued.token)})
    else:
        # Alone on its line, for what reads it from a pipe.
        print(issued.text)


@app.command("list")
def list_tokens(*, settings: ServiceSettingsOption = None, as_json: JsonOption = False) -> None:
    """List the tokens, without their secrets."""
    from assay import clock
    from assay.cli.administration import open_administration
    from assay.cli.render import Answer, print_json

    with open_administration(settings) as administration:
        tokens = administration.store.api_tokens.all()
    if as_json:
        print_json({"tokens": [_members(token) for token in tokens]})
        return
    answer, at = Answer(), clock.now()
    for token in tokens:
        end = f"{'until' if at < token.expires_at else 'ended'} {token.expires_at:%Y-%m-%d}"
        answer.line(f"{token.token_id}  {end}  {' '.join(token.grants.texts)}  {token.name}")


@app.command()
def revoke(
    *,
    token_id: Annotated[
        str, typer.Argument(metavar="ID", help="The identifier that `list` has for it.")
    ],
    settings: ServiceSettingsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a token away. It ends with the next request, on every server."""
    from assay import clock
    from assay.cli.administration import open_administration
    from assay.cli.instance_answer import print_members
    from assay.errors import RequestError

    with open_administration(settings) as administration:
        author = administration.author
        if not administration.store.api_tokens.remove(token_id, at=clock.now(), by=author):
            # It is not repeated: somebody may have pasted the whole token.
            raise RequestError(
                "ID: there is no API token of this identifier; `assay token-auth list` has those "
                "that are"
            )
    print_members({"id": token_id, "revoked": True}, as_json=as_json)


def _check_instances(store: Store, grants: Grants) -> None:
    from assay.access import ALL_INSTANCES

    for name in sorted({instance for _, instance in grants.pairs} - {ALL_INSTANCES}):
        store.instances.require(name)


def _members(token: ApiToken) -> dict[str, JsonValue]:
    return {
        "id": token.token_id,
        "name": token.name,
        "grants": list(token.grants.texts),
        "created_at": token.created_at.isoformat(),
        "expires_at": token.expires_at.isoformat(),
    }
