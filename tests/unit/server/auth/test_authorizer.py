"""The authorisation matrix, and what else a request can bring."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from starlette.types import Scope

from assay.access import (
    ALL_INSTANCES,
    ApiToken,
    Caller,
    CallerKind,
    Grants,
    Right,
    issue_api_token,
)
from assay.encoding import JsonValue
from assay.errors import IssuerUnavailableError, StoreUnavailableError, UnauthorizedError
from assay.keys import SigningAlgorithm
from assay.server.auth.api_tokens import ApiTokenStore
from assay.server.auth.assembly import open_authorizer
from assay.server.auth.authorizer import DEVELOPER, Authorizer
from assay.server.auth.settings import (
    AuthSettings,
    CertificateGrant,
    ClientCertificateSettings,
)
from tests.certificates import Keys
from tests.conftest import AT
from tests.issuers import FakeIssuer, claims, issuer_key, issuer_settings, jwk, served, token

_NOW: Final = int(AT.timestamp())
_RSA: Final = issuer_key(0, SigningAlgorithm.RS256)
_STRANGER: Final = issuer_key(7)
_KEYS: Final = Keys()
_CERTIFICATE: Final = _KEYS.leaf_recipe.sign(_KEYS.ca)
_OTHER_CERTIFICATE: Final = _KEYS.leaf_recipe.sign(_KEYS.root)
_READER_TOKEN: Final = issue_api_token(
    "reader", Grants.of([Right.READ], ["a"]), created_at=AT, lifetime=timedelta(days=1)
)
_WRITER_TOKEN: Final = issue_api_token(
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
    *(one.token for one in (_READER_TOKEN, _WRITER_TOKEN, _OTHER_TOKEN, _EXPIRED_TOKEN))
)


def _fingerprint(certificate: x509.Certificate) -> str:
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def _settings(**changes: object) -> AuthSettings:
    known = CertificateGrant(
        name="ci",
        fingerprint=_fingerprint(_CERTIFICATE),
        rights=(Right.READ, Right.WRITE),
        instances=("a",),
    )
    fields: dict[str, object] = {
        "issuers": (issuer_settings(),),
        # Read by TLS, which is not here.
        "client_certificates": ClientCertificateSettings(ca_file=Path("ca.pem"), grants=(known,)),
    }
    return AuthSettings(**{**fields, **changes})  # type: ignore[arg-type]


def _authorizer(
    settings: AuthSettings | None = None,
    *,
    store: ApiTokenStore | None = _KEPT,
    dev: bool = False,
    server: FakeIssuer | None = None,
) -> Authorizer:
    chosen = server or FakeIssuer(keys=[jwk(issuer_key()), jwk(_RSA)])
    return open_authorizer(
        settings or _settings(),
        api_tokens=store,
        dev=dev,
        now=lambda: AT,
        transport=chosen.transport,
    )


def _scope(*authorizations: str | bytes, certificate: x509.Certificate | None = None) -> Scope:
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


def _bearer(text: str) -> Scope:
    return _scope(f"Bearer {text}")


def _run(authorizer: Authorizer, scope: Scope, right: Right | None) -> Caller:
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


def _refusal(
    scope: Scope,
    right: Right | None = Right.READ,
    authorizer: Authorizer | None = None,
) -> str:
    with pytest.raises(UnauthorizedError) as caught:
        _run(authorizer or _authorizer(), scope, right)
    return caught.value.findings[0].check


def _hs256(secret: bytes) -> Callable[[bytes], bytes]:
    return lambda data: hmac.digest(secret, data, "sha256")


def _roles(*names: JsonValue, **more: JsonValue) -> dict[str, JsonValue]:
    return claims(roles=[*names], **more)


_ALL: Final = frozenset(Right)
_WRITER: Final = _roles("writer")

# Who calls; what they may do to instance `a`; and of which check they are told otherwise.
_MATRIX: Final[dict[str, tuple[Scope, frozenset[Right], str]]] = {
    "nobody": (_scope(), frozenset(), "access.credential.missing"),
    "empty header": (_scope(""), frozenset(), "access.credential.header_format"),
    "scheme alone": (_scope("Bearer"), frozenset(), "access.credential.header_format"),
    "other scheme": (_scope("Basic YTpi"), frozenset(), "access.credential.header_format"),
    "not a token": (_bearer("opaque"), frozenset(), "token.jws.token_format"),
    "empty parts": (_bearer(".."), frozenset(), "token.jws.token_format"),
    "many dots": (_bearer("." * 20_000), frozenset(), "token.jws.token_format"),
    "not base64": (_bearer("a.b.c"), frozenset(), "token.jws.token_format"),
    "expired": (
        _bearer(token(_roles("writer", iat=_NOW - 7200, nbf=_NOW - 7200, exp=_NOW - 3600))),
        frozenset(),
        "token.claims.token_expired",
    ),
    "not yet valid": (
        _bearer(token(_roles("writer", nbf=_NOW + 3600, exp=_NOW + 7200))),
        frozenset(),
        "token.claims.token_not_yet_valid",
    ),
    "other audience": (
        _bearer(token(_roles("writer", aud="api://other"))),
        frozenset(),
        "token.claims.audience",
    ),
    "audience prefix": (
        _bearer(token(_roles("writer", aud="api://assay2"))),
        frozenset(),
        "token.claims.audience",
    ),
    "no audience": (
        _bearer(token(_roles("writer", aud=None))),
        frozenset(),
        "token.claims.audience",
    ),
    "other issuer": (
        _bearer(token(_roles("writer", iss="https://login.example/other/v2.0"))),
        frozenset(),
        "access.bearer.issuer",
    ),
    "no issuer": (_bearer(token(_roles("writer", iss=None))), frozenset(), "access.bearer.issuer"),
    "other algorithm": (
        _bearer(token(_WRITER, _RSA, alg="RS512")),
        frozenset(),
        "token.jws.algorithm",
    ),
    **{
        f"alg {name}": (
            _bearer(token(_WRITER, alg=name, sign=lambda _: b"")),
            frozenset(),
            "token.jws.unsecured" if name == "none" else "token.jws.algorithm",
        )
        for name in ("none", "None", "NONE", "nOnE", "none ")
    },
    "alg none signed": (
        _bearer(token(_WRITER, alg="none")),
        frozenset(),
        "token.jws.unsecured",
    ),
    **{
        f"{name} with the public key": (
            _bearer(token(_WRITER, _RSA, alg=name, sign=_hs256(_RSA.spki_pem))),
            frozenset(),
            "token.jws.algorithm",
        )
        for name in ("HS256", "hs256")
    },
    "RS256 over an EC key": (
        _bearer(token(_WRITER, alg="RS256")),
        frozenset(),
        "token.jws.key_mismatch",
    ),
    "unknown key": (_bearer(token(_WRITER, _STRANGER)), frozenset(), "token.jws.key_unknown"),
    "no key name": (_bearer(token(_WRITER, kid=None)), frozenset(), "token.jws.key_unknown"),
    "other key": (
        _bearer(token(_WRITER, _STRANGER, kid=issuer_key().kid)),
        frozenset(),
        "token.jws.token_signature",
    ),
    "no signature": (
        _bearer(token(_WRITER, sign=lambda _: b"")),
        frozenset(),
        "token.jws.token_signature",
    ),
    "no role": (_bearer(token(claims())), frozenset(), "access.rights.missing"),
    "odd role": (_bearer(token(_roles("Writer", "*"))), frozenset(), "access.rights.missing"),
    "reader": (
        _bearer(token(_roles("reader"))),
        frozenset({Right.READ}),
        "access.rights.missing",
    ),
    "writer": (_bearer(token(_WRITER)), _ALL, ""),
    "writer by RSA": (_bearer(token(_WRITER, _RSA)), _ALL, ""),
    "writer of another instance": (
        _bearer(token(_roles("writer-b"))),
        frozenset(),
        "access.rights.missing",
    ),
    "reader who writes elsewhere": (
        _bearer(token(_roles("reader", "writer-b"))),
        frozenset({Right.READ}),
        "access.rights.missing",
    ),
    "API token to read": (
        _bearer(_READER_TOKEN.text),
        frozenset({Right.READ}),
        "access.rights.missing",
    ),
    "API token to write": (_bearer(_WRITER_TOKEN.text), _ALL, ""),
    "API token of another instance": (
        _bearer(_OTHER_TOKEN.text),
        frozenset(),
        "access.rights.missing",
    ),
    "API token that ended": (
        _bearer(_EXPIRED_TOKEN.text),
        frozenset(),
        "access.api_token.expired",
    ),
    "API token that was revoked": (
        _bearer(_REVOKED_TOKEN.text),
        frozenset(),
        "access.api_token.unknown",
    ),
    "API token mistyped": (
        _bearer(_WRITER_TOKEN.text[:-1]),
        frozenset(),
        "access.api_token.token_format",
    ),
    "certificate": (
        _scope(certificate=_CERTIFICATE),
        frozenset({Right.READ, Right.WRITE}),
        "access.rights.missing",
    ),
    "other certificate of the same key": (
        _scope(certificate=_OTHER_CERTIFICATE),
        frozenset(),
        "access.certificate.unknown",
    ),
    "two headers": (
        _scope(*[f"Bearer {token(_WRITER)}"] * 2),
        frozenset(),
        "access.credential.ambiguous",
    ),
    "token and certificate": (
        _scope(f"Bearer {token(_WRITER)}", certificate=_CERTIFICATE),
        frozenset(),
        "access.credential.ambiguous",
    ),
}

_REFUSED: Final = [who for who, (_, rights, _) in _MATRIX.items() if rights != _ALL]
"""Those who may not do everything."""


@pytest.mark.parametrize("right", Right)
@pytest.mark.parametrize("who", _MATRIX)
def test_the_authorisation_matrix(who: str, right: Right) -> None:
    """TK-01, TK-02, TK-04, ST-04, ST-05, CH-18."""
    scope, rights, check = _MATRIX[who]

    if right in rights:
        assert _run(_authorizer(), scope, right).may(right, "a")
    else:
        assert _refusal(scope, right) == check


@pytest.mark.parametrize("who", _MATRIX)
def test_whoever_has_a_right_somewhere_or_none_can_be_recognised(who: str) -> None:
    """All that the protocol asks of who attests a TPM."""
    scope, rights, check = _MATRIX[who]

    if rights or check == "access.rights.missing":
        assert _run(_authorizer(), scope, None).kind is not CallerKind.ANONYMOUS
    else:
        assert _refusal(scope, None) == check


@pytest.mark.parametrize("right", Right)
def test_what_concerns_the_server_needs_a_right_for_all_of_it(right: Right) -> None:
    authorizer = _authorizer()
    everywhere = Caller(kind=CallerKind.BEARER, grants=Grants.of([right], [ALL_INSTANCES]))
    somewhere = Caller(kind=CallerKind.BEARER, grants=Grants.of(Right, ["a", "b"]))

    authorizer.check_right(everywhere, right, None)
    with pytest.raises(UnauthorizedError):
        authorizer.check_right(somewhere, right, None)


@pytest.mark.parametrize("who", _REFUSED)
def test_every_refusal_says_how_to_authenticate(who: str) -> None:
    with pytest.raises(UnauthorizedError) as caught:
        _run(_authorizer(), _MATRIX[who][0], Right.DELETE)

    assert caught.value.challenge == (
        'Bearer authorization_uri="https://login.example/tenant/v2.0", resource_id="api://assay"'
    )


# What is not set up


@pytest.mark.parametrize("who", _MATRIX)
@pytest.mark.parametrize("right", Right)
def test_what_is_not_set_up_gives_nothing(who: str, right: Right) -> None:
    authorizer = _authorizer(AuthSettings(), store=None)

    assert _refusal(_MATRIX[who][0], right, authorizer).startswith("access.credential")


@pytest.mark.parametrize("right", Right)
def test_without_administration_nobody_has_a_right(right: Right) -> None:
    authorizer = _authorizer(_settings(administration=False))

    check = _refusal(_bearer(token(_WRITER)), right, authorizer)

    assert check == "access.rights.administration_off"


def test_without_client_certificates_one_that_is_there_does_not_count() -> None:
    settings = _settings(client_certificates=ClientCertificateSettings())
    scope = _scope(f"Bearer {token(_WRITER)}", certificate=_CERTIFICATE)

    assert _run(_authorizer(settings), scope, Right.WRITE).kind is CallerKind.BEARER
    assert (
        _refusal(_scope(certificate=_CERTIFICATE), authorizer=_authorizer(settings))
        == "access.credential.missing"
    )


def test_tokens_that_cannot_be_read_are_no_refusal() -> None:
    with pytest.raises(StoreUnavailableError):
        _run(_authorizer(store=BrokenTokens()), _bearer(_WRITER_TOKEN.text), Right.WRITE)


# Development mode


@pytest.mark.parametrize("who", _MATRIX)
def test_in_development_mode_everybody_is_a_developer(who: str) -> None:
    authorizer = _authorizer(AuthSettings(), dev=True)

    assert _run(authorizer, _MATRIX[who][0], Right.DELETE) == DEVELOPER


@pytest.mark.parametrize("client", [None, ("192.0.2.1", 1), ("", 1), ("testclient", 1)])
def test_in_development_mode_nobody_elsewhere_is_one(client: tuple[str, int] | None) -> None:
    authorizer = _authorizer(AuthSettings(), dev=True)

    check = _refusal({**_scope(), "client": client}, Right.READ, authorizer)

    assert check == "access.credential.not_local"


def test_development_mode_does_not_switch_off_what_is_set_up() -> None:
    """KR-07."""
    assert _refusal(_scope(), authorizer=_authorizer(dev=True)) == "access.credential.missing"


# Secrets


@pytest.mark.parametrize("name", ["iss", "aud", "exp", "nbf"])
def test_what_came_is_for_the_operator_and_what_was_expected_for_the_caller(name: str) -> None:
    scope = _bearer(token(claims(**{name: "what came"})))

    with pytest.raises(UnauthorizedError) as caught:
        _run(_authorizer(), scope, Right.READ)

    (finding,) = caught.value.findings
    assert "what came" in finding.actual
    assert finding.expected in caught.value.message
    assert "what came" not in caught.value.message


def _secrets(scope: Scope) -> list[str]:
    """The parts of a request's credentials that are long enough to be of use."""
    return [
        part
        for name, value in scope["headers"]
        if name == b"authorization"
        for part in value.decode().removeprefix("Bearer ").replace("_", ".").split(".")
        if len(part) > 16
    ]


@pytest.mark.parametrize("who", _REFUSED)
def test_no_refusal_shows_a_credential(who: str, caplog: pytest.LogCaptureFixture) -> None:
    """KR-05: in no form that errors have."""
    scope, _, _ = _MATRIX[who]

    with caplog.at_level(logging.DEBUG), pytest.raises(UnauthorizedError) as caught:
        _run(_authorizer(), scope, Right.DELETE)

    error = caught.value
    shown = [repr(error), str(error), error.challenge, caplog.text]
    shown += [str(finding) for finding in error.findings]
    assert [part for part in _secrets(scope) for text in shown if part in text] == []
    assert error.__cause__ is None


@pytest.mark.parametrize("who", [who for who in _MATRIX if who not in _REFUSED])
def test_no_caller_shows_a_credential(who: str, caplog: pytest.LogCaptureFixture) -> None:
    """KR-05: what is recorded and logged of callers is not what they prove themselves with."""
    scope, _, _ = _MATRIX[who]

    with caplog.at_level(logging.DEBUG):
        caller = _run(_authorizer(), scope, Right.DELETE)

    assert _secrets(scope)
    assert [part for part in _secrets(scope) if part in repr(caller) + caplog.text] == []


def test_an_issuer_that_is_away_makes_no_token_known(caplog: pytest.LogCaptureFixture) -> None:
    """KR-05."""
    scope = _bearer(token(_WRITER))
    authorizer = _authorizer(server=FakeIssuer(fault=served(b"", status=500)))

    with caplog.at_level(logging.DEBUG), pytest.raises(IssuerUnavailableError) as caught:
        _run(authorizer, scope, Right.WRITE)

    shown = repr(caught.value) + caplog.text
    assert "status 500" in caplog.text
    assert [part for part in _secrets(scope) if part in shown] == []
