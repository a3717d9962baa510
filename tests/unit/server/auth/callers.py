"""Callers of every kind, what each may do, and an authorizer to tell."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from starlette.types import Scope

from assay.access import ApiToken, Caller, Grants, Right, issue_api_token
from assay.encoding import JsonValue
from assay.errors import StoreUnavailableError, UnauthorizedError
from assay.keys import SigningAlgorithm
from assay.server.auth.api_tokens import ApiTokenStore
from assay.server.auth.assembly import open_authorizer
from assay.server.auth.authorizer import Authorizer
from assay.server.auth.settings import AuthSettings, CertificateGrant, ClientCertificateSettings
from tests.certificates import Keys
from tests.conftest import AT
from tests.issuers import FakeIssuer, claims, issuer_key, issuer_settings, jwk, token

_NOW: Final = int(AT.timestamp())
_RSA: Final = issuer_key(0, SigningAlgorithm.RS256)
_STRANGER: Final = issuer_key(7)
_KEYS: Final = Keys()
CERTIFICATE: Final = _KEYS.leaf_recipe.sign(_KEYS.ca)
_OTHER_CERTIFICATE: Final = _KEYS.leaf_recipe.sign(_KEYS.root)
_READER_TOKEN: Final = issue_api_token(
    "reader", Grants.of([Right.READ], ["a"]), created_at=AT, lifetime=timedelta(days=1)
)
WRITER_TOKEN: Final = issue_api_token(
    "writer", Grants.of(Right, ["a"]), created_at=AT, lifetime=timedelta(days=1)
)
_OTHER_TOKEN: Final = issue_api_token(
    "other", Grants.of(Right, ["b"]), created_at=AT, lifetime=timedelta(days=1)
)
_EXPIRED_TOKEN: Final = issue_api_token(
    "expired",
    Grants.of(Right, ["*"]),
    created_at=AT - timedelta(days=1),
    lifetime=timedelta(days=1),
)
_REVOKED_TOKEN: Final = issue_api_token(
    "revoked", Grants.of(Right, ["*"]), created_at=AT, lifetime=timedelta(days=1)
)


class Tokens:
    """A store of API tokens."""

    def __init__(self, *tokens: ApiToken) -> None:
        self._tokens = {one.token_id: one for one in tokens}

    def get(self, token_id: str) -> ApiToken | None:
        return self._tokens.get(token_id)


class BrokenTokens:
    """A store that cannot be read."""

    def get(self, token_id: str) -> ApiToken | None:
        raise StoreUnavailableError(f"no database for {len(token_id)} characters")


_KEPT: Final = Tokens(
    *(one.token for one in (_READER_TOKEN, WRITER_TOKEN, _OTHER_TOKEN, _EXPIRED_TOKEN))
)


def _fingerprint(certificate: x509.Certificate) -> str:
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def make_settings(**changes: object) -> AuthSettings:
    known = CertificateGrant(
        name="ci",
        fingerprint=_fingerprint(CERTIFICATE),
        rights=(Right.READ, Right.WRITE),
        instances=("a",),
    )
    fields: dict[str, object] = {
        "issuers": (issuer_settings(),),
        # Read by TLS, which is not here.
        "client_certificates": ClientCertificateSettings(ca_file=Path("ca.pem"), grants=(known,)),
    }
    return AuthSettings(**{**fields, **changes})  # type: ignore[arg-type]


def make_authorizer(
    settings: AuthSettings | None = None,
    *,
    store: ApiTokenStore | None = _KEPT,
    dev: bool = False,
    server: FakeIssuer | None = None,
) -> Authorizer:
    chosen = server or FakeIssuer(keys=[jwk(issuer_key()), jwk(_RSA)])
    return open_authorizer(
        settings or make_settings(),
        api_tokens=store,
        dev=dev,
        now=lambda: AT,
        transport=chosen.transport,
    )


def make_scope(*authorizations: str | bytes, certificate: x509.Certificate | None = None) -> Scope:
    values = [one.encode() if isinstance(one, str) else one for one in authorizations]
    scope: Scope = {
        "type": "http",
        "client": ("127.0.0.1", 50000),
        "headers": [(b"host", b"x"), *((b"authorization", value) for value in values)],
    }
    if certificate is not None:
        pem = certificate.public_bytes(Encoding.PEM).decode()
        scope["extensions"] = {"tls": {"client_cert_chain": [pem], "client_cert_error": None}}
    return scope


def bearer_scope(text: str) -> Scope:
    return make_scope(f"Bearer {text}")


def authorize(authorizer: Authorizer, scope: Scope, right: Right | None) -> Caller:
    """Whoever may do something to instance `a`; without a right, whoever can be recognised."""

    async def main() -> Caller:
        try:
            if right is None:
                return await authorizer.identify(scope)
            caller = await authorizer.identify(scope)
            authorizer.check_right(caller, right, "a")
            return caller
        finally:
            await authorizer.close()

    return asyncio.run(main())


def refusal_of(
    scope: Scope,
    right: Right | None = Right.READ,
    authorizer: Authorizer | None = None,
) -> str:
    with pytest.raises(UnauthorizedError) as caught:
        authorize(authorizer or make_authorizer(), scope, right)
    return caught.value.findings[0].check


def _hs256(secret: bytes) -> Callable[[bytes], bytes]:
    return lambda data: hmac.digest(secret, data, "sha256")


def _roles(*names: JsonValue, **more: JsonValue) -> dict[str, JsonValue]:
    return claims(roles=[*names], **more)


_ALL: Final = frozenset(Right)
WRITER: Final = _roles("writer")

# Who calls; what they may do to instance `a`; and of which check they are told otherwise.
MATRIX: Final[dict[str, tuple[Scope, frozenset[Right], str]]] = {
    "nobody": (make_scope(), frozenset(), "access.credential.missing"),
    "empty header": (make_scope(""), frozenset(), "access.credential.header_format"),
    "scheme alone": (make_scope("Bearer"), frozenset(), "access.credential.header_format"),
    "other scheme": (make_scope("Basic YTpi"), frozenset(), "access.credential.header_format"),
    "not a token": (bearer_scope("opaque"), frozenset(), "token.jws.token_format"),
    "empty parts": (bearer_scope(".."), frozenset(), "token.jws.token_format"),
    "many dots": (bearer_scope("." * 20_000), frozenset(), "token.jws.token_format"),
    "not base64": (bearer_scope("a.b.c"), frozenset(), "token.jws.token_format"),
    "expired": (
        bearer_scope(token(_roles("writer", iat=_NOW - 7200, nbf=_NOW - 7200, exp=_NOW - 3600))),
        frozenset(),
        "token.claims.token_expired",
    ),
    "not yet valid": (
        bearer_scope(token(_roles("writer", nbf=_NOW + 3600, exp=_NOW + 7200))),
        frozenset(),
        "token.claims.token_not_yet_valid",
    ),
    "other audience": (
        bearer_scope(token(_roles("writer", aud="api://other"))),
        frozenset(),
        "token.claims.audience",
    ),
    "audience prefix": (
        bearer_scope(token(_roles("writer", aud="api://assay2"))),
        frozenset(),
        "token.claims.audience",
    ),
    "no audience": (
        bearer_scope(token(_roles("writer", aud=None))),
        frozenset(),
        "token.claims.audience",
    ),
    "other issuer": (
        bearer_scope(token(_roles("writer", iss="https://login.example/other/v2.0"))),
        frozenset(),
        "access.bearer.issuer",
    ),
    "no issuer": (
        bearer_scope(token(_roles("writer", iss=None))),
        frozenset(),
        "access.bearer.issuer",
    ),
    "other algorithm": (
        bearer_scope(token(WRITER, _RSA, alg="RS512")),
        frozenset(),
        "token.jws.algorithm",
    ),
    **{
        f"alg {name}": (
            bearer_scope(token(WRITER, alg=name, sign=lambda _: b"")),
            frozenset(),
            "token.jws.unsecured" if name == "none" else "token.jws.algorithm",
        )
        for name in ("none", "None", "NONE", "nOnE", "none ")
    },
    "alg none signed": (
        bearer_scope(token(WRITER, alg="none")),
        frozenset(),
        "token.jws.unsecured",
    ),
    **{
        f"{name} with the public key": (
            bearer_scope(token(WRITER, _RSA, alg=name, sign=_hs256(_RSA.spki_pem))),
            frozenset(),
            "token.jws.algorithm",
        )
        for name in ("HS256", "hs256")
    },
    "RS256 over an EC key": (
        bearer_scope(token(WRITER, alg="RS256")),
        frozenset(),
        "token.jws.key_mismatch",
    ),
    "unknown key": (bearer_scope(token(WRITER, _STRANGER)), frozenset(), "token.jws.key_unknown"),
    "no key name": (bearer_scope(token(WRITER, kid=None)), frozenset(), "token.jws.key_unknown"),
    "other key": (
        bearer_scope(token(WRITER, _STRANGER, kid=issuer_key().kid)),
        frozenset(),
        "token.jws.token_signature",
    ),
    "no signature": (
        bearer_scope(token(WRITER, sign=lambda _: b"")),
        frozenset(),
        "token.jws.token_signature",
    ),
    "no role": (bearer_scope(token(claims())), frozenset(), "access.rights.missing"),
    "odd role": (bearer_scope(token(_roles("Writer", "*"))), frozenset(), "access.rights.missing"),
    "reader": (
        bearer_scope(token(_roles("reader"))),
        frozenset({Right.READ}),
        "access.rights.missing",
    ),
    "writer": (bearer_scope(token(WRITER)), _ALL, ""),
    "writer by RSA": (bearer_scope(token(WRITER, _RSA)), _ALL, ""),
    "writer of another instance": (
        bearer_scope(token(_roles("writer-b"))),
        frozenset(),
        "access.rights.missing",
    ),
    "reader who writes elsewhere": (
        bearer_scope(token(_roles("reader", "writer-b"))),
        frozenset({Right.READ}),
        "access.rights.missing",
    ),
    "API token to read": (
        bearer_scope(_READER_TOKEN.text),
        frozenset({Right.READ}),
        "access.rights.missing",
    ),
    "API token to write": (bearer_scope(WRITER_TOKEN.text), _ALL, ""),
    "API token of another instance": (
        bearer_scope(_OTHER_TOKEN.text),
        frozenset(),
        "access.rights.missing",
    ),
    "API token that ended": (
        bearer_scope(_EXPIRED_TOKEN.text),
        frozenset(),
        "access.api_token.expired",
    ),
    "API token that was revoked": (
        bearer_scope(_REVOKED_TOKEN.text),
        frozenset(),
        "access.api_token.unknown",
    ),
    "API token mistyped": (
        bearer_scope(WRITER_TOKEN.text[:-1]),
        frozenset(),
        "access.api_token.token_format",
    ),
    "certificate": (
        make_scope(certificate=CERTIFICATE),
        frozenset({Right.READ, Right.WRITE}),
        "access.rights.missing",
    ),
    "other certificate of the same key": (
        make_scope(certificate=_OTHER_CERTIFICATE),
        frozenset(),
        "access.certificate.unknown",
    ),
    "two headers": (
        make_scope(*[f"Bearer {token(WRITER)}"] * 2),
        frozenset(),
        "access.credential.ambiguous",
    ),
    "token and certificate": (
        make_scope(f"Bearer {token(WRITER)}", certificate=CERTIFICATE),
        frozenset(),
        "access.credential.ambiguous",
    ),
}

REFUSED: Final = [who for who, (_, rights, _) in MATRIX.items() if rights != _ALL]
"""Those who may not do everything."""
