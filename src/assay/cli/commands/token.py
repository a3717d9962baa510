"""`assay token`: look at tokens, and verify them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from assay.cli.options import AtOption, JsonOption
from assay.cli.path_argument import given_path

if TYPE_CHECKING:
    from assay.token import KeySet, UnverifiedToken

app: Final = typer.Typer(
    help="Look at tokens, and verify them.", no_args_is_help=True, rich_markup_mode=None
)

TokenArgument = Annotated[
    Path,
    typer.Argument(
        metavar="FILE", help="The token, or the JSON answer that holds it.", parser=given_path
    ),
]


@app.command()
def show(*, file: TokenArgument, as_json: JsonOption = False) -> None:
    """Decode a token. Nothing is verified."""
    from assay.cli.inspection.documents import token_members
    from assay.cli.render import WARNING, Answer, print_json
    from assay.cli.token_file import read_token_file

    members = token_members(read_token_file(file))
    if as_json:
        print_json({"kind": "token", "verified": False, **members})
        return
    answer = Answer()
    answer.line(("token", "bold"), (" - unverified: its signature has not been checked", WARNING))
    answer.members(members)


@app.command()
def verify(
    *,
    file: TokenArgument,
    jwks: Annotated[
        Path | None,
        typer.Option(
            "--jwks", metavar="FILE", help="The issuer's key set (JWKS).", parser=given_path
        ),
    ] = None,
    pem: Annotated[
        Path | None,
        typer.Option(
            "--pem",
            metavar="FILE",
            help="The issuer's certificate or public key.",
            parser=given_path,
        ),
    ] = None,
    issuer: Annotated[
        str | None,
        typer.Option(
            "--issuer",
            metavar="URL",
            help="What the token's iss must be. Without --jwks or --pem, its keys are fetched "
            "from URL/certs.",
        ),
    ] = None,
    audience: Annotated[
        str | None, typer.Option("--audience", metavar="TEXT", help="Who the token must be for.")
    ] = None,
    at: AtOption = None,
    as_json: JsonOption = False,
) -> None:
    """Verify a token: signature, times, issuer, audience.

    Nothing of the token decides how it is verified: its jku and x5c are ignored. Without --issuer
    the token may be of anyone who holds the key.
    """
    from assay.cli.instant import read_instant
    from assay.cli.render import GOOD, WARNING, Answer, print_json
    from assay.cli.token_file import read_token_file
    from assay.token import TokenExpectations, read_unverified, verify_token

    instant = read_instant(at)
    token = read_token_file(file)
    unverified = read_unverified(token)
    keys = _keys(jwks, pem, issuer, unverified)
    own = unverified.claims.get("iss")
    expected = issuer.rstrip("/") if issuer is not None else own
    verified = verify_token(
        token,
        keys,
        at=instant,
        expect=TokenExpectations(
            issuer=expected if isinstance(expected, str) else "",
            audiences=frozenset() if audience is None else frozenset({audience}),
        ),
    )
    if as_json:
        print_json(
            {
                "verified": True,
                "issuer_checked": issuer is not None,
                "kid": verified.kid,
                "header": dict(verified.header),
                "claims": dict(verified.claims),
            }
        )
        return
    answer = Answer()
    answer.line(("token: ", "bold"), ("valid", GOOD), f" - signed by key {verified.kid}")
    if issuer is None:
        answer.line(("the issuer was not checked: --issuer URL does", WARNING))
    answer.members({"header": dict(verified.header), "claims": dict(verified.claims)})


def _keys(
    jwks: Path | None, pem: Path | None, issuer: str | None, token: UnverifiedToken
) -> KeySet:
    from assay.cli.token_keys import read_key_set, read_pem_key
    from assay.errors import RequestError

    if jwks is not None and pem is not None:
        raise RequestError("expected one of --jwks and --pem, got both")
    if jwks is not None:
        return read_key_set(jwks)
    if pem is not None:
        return read_pem_key(pem, token)
    if issuer is None:
        raise RequestError(
            "expected keys to verify with: --jwks FILE, --pem FILE, or --issuer URL to fetch them"
        )
    from assay.client import AttestationClient
    from assay.client.signer import SignerSet

    with AttestationClient(issuer) as client:
        return SignerSet.of(client.get_signing_certificates()).keys
