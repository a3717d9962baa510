"""The authorisation matrix, and what else a request can bring."""

from __future__ import annotations

import logging

import pytest
from starlette.types import Scope

from assay.access import ALL_INSTANCES, Caller, CallerKind, Grants, Right
from assay.errors import IssuerUnavailableError, StoreUnavailableError, UnauthorizedError
from assay.server.auth.authorizer import DEVELOPER
from assay.server.auth.settings import AuthSettings, ClientCertificateSettings
from tests.issuers import FakeIssuer, claims, served, token
from tests.unit.server.auth.callers import (
    CERTIFICATE,
    MATRIX,
    REFUSED,
    WRITER,
    WRITER_TOKEN,
    BrokenTokens,
    authorize,
    bearer_scope,
    make_authorizer,
    make_scope,
    make_settings,
    refusal_of,
)


@pytest.mark.parametrize("right", Right)
@pytest.mark.parametrize("who", MATRIX)
def test_the_authorisation_matrix(who: str, right: Right) -> None:
    """TK-01, TK-02, TK-04, ST-04, ST-05, CH-18."""
    scope, rights, check = MATRIX[who]

    if right in rights:
        assert authorize(make_authorizer(), scope, right).may(right, "a")
    else:
        assert refusal_of(scope, right) == check


@pytest.mark.parametrize("who", MATRIX)
def test_whoever_has_a_right_somewhere_or_none_can_be_recognised(who: str) -> None:
    """All that the protocol asks of who attests a TPM."""
    scope, rights, check = MATRIX[who]

    if rights or check == "access.rights.missing":
        assert authorize(make_authorizer(), scope, None).kind is not CallerKind.ANONYMOUS
    else:
        assert refusal_of(scope, None) == check


@pytest.mark.parametrize("right", Right)
def test_what_concerns_the_server_needs_a_right_for_all_of_it(right: Right) -> None:
    authorizer = make_authorizer()
    everywhere = Caller(kind=CallerKind.BEARER, grants=Grants.of([right], [ALL_INSTANCES]))
    somewhere = Caller(kind=CallerKind.BEARER, grants=Grants.of(Right, ["a", "b"]))

    authorizer.check_right(everywhere, right, None)
    with pytest.raises(UnauthorizedError):
        authorizer.check_right(somewhere, right, None)


@pytest.mark.parametrize("who", REFUSED)
def test_every_refusal_says_how_to_authenticate(who: str) -> None:
    with pytest.raises(UnauthorizedError) as caught:
        authorize(make_authorizer(), MATRIX[who][0], Right.DELETE)

    assert caught.value.challenge == (
        'Bearer authorization_uri="https://login.example/tenant/v2.0", resource_id="api://assay"'
    )


# What is not set up


@pytest.mark.parametrize("who", MATRIX)
@pytest.mark.parametrize("right", Right)
def test_what_is_not_set_up_gives_nothing(who: str, right: Right) -> None:
    authorizer = make_authorizer(AuthSettings(), store=None)

    assert refusal_of(MATRIX[who][0], right, authorizer).startswith("access.credential")


@pytest.mark.parametrize("right", Right)
def test_without_administration_nobody_has_a_right(right: Right) -> None:
    authorizer = make_authorizer(make_settings(administration=False))

    check = refusal_of(bearer_scope(token(WRITER)), right, authorizer)

    assert check == "access.rights.administration_off"


def test_without_client_certificates_one_that_is_there_does_not_count() -> None:
    settings = make_settings(client_certificates=ClientCertificateSettings())
    scope = make_scope(f"Bearer {token(WRITER)}", certificate=CERTIFICATE)

    assert authorize(make_authorizer(settings), scope, Right.WRITE).kind is CallerKind.BEARER
    assert (
        refusal_of(make_scope(certificate=CERTIFICATE), authorizer=make_authorizer(settings))
        == "access.credential.missing"
    )


def test_tokens_that_cannot_be_read_are_no_refusal() -> None:
    with pytest.raises(StoreUnavailableError):
        authorize(
            make_authorizer(store=BrokenTokens()), bearer_scope(WRITER_TOKEN.text), Right.WRITE
        )


# Development mode


@pytest.mark.parametrize("who", MATRIX)
def test_in_development_mode_everybody_is_a_developer(who: str) -> None:
    authorizer = make_authorizer(AuthSettings(), dev=True)

    assert authorize(authorizer, MATRIX[who][0], Right.DELETE) == DEVELOPER


@pytest.mark.parametrize("client", [None, ("192.0.2.1", 1), ("", 1), ("testclient", 1)])
def test_in_development_mode_nobody_elsewhere_is_one(client: tuple[str, int] | None) -> None:
    authorizer = make_authorizer(AuthSettings(), dev=True)

    check = refusal_of({**make_scope(), "client": client}, Right.READ, authorizer)

    assert check == "access.credential.not_local"


def test_development_mode_does_not_switch_off_what_is_set_up() -> None:
    """KR-07."""
    assert (
        refusal_of(make_scope(), authorizer=make_authorizer(dev=True))
        == "access.credential.missing"
    )


# Secrets


@pytest.mark.parametrize("name", ["iss", "aud", "exp", "nbf"])
def test_what_came_is_for_the_operator_and_what_was_expected_for_the_caller(name: str) -> None:
    scope = bearer_scope(token(claims(**{name: "what came"})))

    with pytest.raises(UnauthorizedError) as caught:
        authorize(make_authorizer(), scope, Right.READ)

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


@pytest.mark.parametrize("who", REFUSED)
def test_no_refusal_shows_a_credential(who: str, caplog: pytest.LogCaptureFixture) -> None:
    """KR-05: in no form that errors have."""
    scope, _, _ = MATRIX[who]

    with caplog.at_level(logging.DEBUG), pytest.raises(UnauthorizedError) as caught:
        authorize(make_authorizer(), scope, Right.DELETE)

    error = caught.value
    shown = [repr(error), str(error), error.challenge, caplog.text]
    shown += [str(finding) for finding in error.findings]
    assert [part for part in _secrets(scope) for text in shown if part in text] == []
    assert error.__cause__ is None


@pytest.mark.parametrize("who", [who for who in MATRIX if who not in REFUSED])
def test_no_caller_shows_a_credential(who: str, caplog: pytest.LogCaptureFixture) -> None:
    """KR-05: what is recorded and logged of callers is not what they prove themselves with."""
    scope, _, _ = MATRIX[who]

    with caplog.at_level(logging.DEBUG):
        caller = authorize(make_authorizer(), scope, Right.DELETE)

    assert _secrets(scope)
    assert [part for part in _secrets(scope) if part in repr(caller) + caplog.text] == []


def test_an_issuer_that_is_away_makes_no_token_known(caplog: pytest.LogCaptureFixture) -> None:
    """KR-05."""
    scope = bearer_scope(token(WRITER))
    authorizer = make_authorizer(server=FakeIssuer(fault=served(b"", status=500)))

    with caplog.at_level(logging.DEBUG), pytest.raises(IssuerUnavailableError) as caught:
        authorize(authorizer, scope, Right.WRITE)

    shown = repr(caught.value) + caplog.text
    assert "status 500" in caplog.text
    assert [part for part in _secrets(scope) if part in shown] == []
