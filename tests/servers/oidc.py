"""An OIDC issuer that a running server can reach: documents and tokens, under its own address."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs

from starlette.types import Receive, Scope, Send

from assay import clock
from assay.encoding import encode_json
from assay.server.answers import send_body
from tests.issuers import claims, issuer_key, jwk, token
from tests.servers.loopback import loopback

AUDIENCE: Final = "https://attest.azure.net"
"""What the official clients ask a token for."""

CLIENT_SECRET: Final = "made up"  # noqa: S105  it is
"""Of every client that asks `/token`, whose identifier becomes the subject."""


@dataclass(slots=True)
class OidcIssuer:
    """Answers for itself, and makes tokens that are good now."""

    url: str = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/token":
            form = parse_qs((await receive())["body"].decode())
            assert form["client_secret"] == [CLIENT_SECRET]
            assert form["scope"] == [f"{AUDIENCE}/.default"]
            granted = {"access_token": self.token(*form["client_id"]), "token_type": "Bearer"}
            await send_body(send, encode_json({**granted, "expires_in": 300}))
        elif scope["path"] == "/.well-known/openid-configuration":
            found = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
            await send_body(send, encode_json({**found}))
        else:
            await send_body(send, encode_json({"keys": [jwk(issuer_key())]}))

    def token(self, subject: str, *, minutes: int = 5) -> str:
        """A token of a subject that ends in `minutes`."""
        now = int(clock.now().timestamp())
        times = {"iat": now - 600, "nbf": now - 600, "exp": now + minutes * 60}
        return token(claims(iss=self.url, aud=AUDIENCE, sub=subject, **times))

    def settings(self, rights: dict[str, list[str]], instances: list[str]) -> dict[str, Any]:
        """What a server is told of it: subjects and their rights."""
        return {
            "issuer": self.url,
            "audiences": [AUDIENCE],
            "grants": [
                {"claim": "sub", "value": subject, "rights": given, "instances": instances}
                for subject, given in rights.items()
            ],
        }


@contextmanager
def oidc_issuer() -> Iterator[OidcIssuer]:
    """An issuer on a free port of this machine."""
    issuer = OidcIssuer()
    with loopback(issuer) as issuer.url:
        yield issuer
