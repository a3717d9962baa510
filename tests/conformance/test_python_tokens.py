"""Tokens between the original service's Python client and this server, without a network.

A test's name is that of the client's own test, where there is one.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import pytest
from azure.security.attestation import (
    AttestationPolicyToken,
    AttestationToken,
    AttestationTokenValidationException,
)

from assay import clock
from assay.token import OwnerToken, read_owner_token, read_policy_text, unsecured_token
from tests.administration import PERMIT, certify, rsa_key
from tests.conformance.python_clients import signing
from tests.servers.three_instances import Signer

_ISSUER: Final = "https://attest.example"
_MINUTE: Final = 60


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer(rsa_key(), certify(rsa_key(), at=clock.now()))


def _read(token: AttestationToken) -> OwnerToken:
    return read_owner_token(token.to_jwt_string())


def test_create_unsecured_token() -> None:
    token = _read(AttestationToken(body={"a": "b"}))

    assert not token.signed
    assert token.payload == b'{"a": "b"}'


def test_create_unsecured_empty_token() -> None:
    token = AttestationToken(body=None)

    assert token.to_jwt_string() == "eyJhbGciOiJub25lIn0.."
    assert _read(token).payload == b""


def test_create_signing_key_and_secured_token(signer: Signer) -> None:
    token = _read(AttestationToken(body={"a": "b"}, **signing(signer)))

    assert token.certificates == (signer.certificate,)
    assert token.payload == b'{"a": "b"}'


def test_create_secured_empty_token(signer: Signer) -> None:
    token = _read(AttestationToken(body=None, **signing(signer)))

    assert token.certificates == (signer.certificate,)
    assert token.payload == b""


def test_create_policy_token(signer: Signer) -> None:
    token = _read(AttestationPolicyToken(PERMIT, **signing(signer)))

    assert read_policy_text(token) == PERMIT


def _validate(*, starts: int, ends: int, **options: Any) -> None:  # noqa: ANN401
    """Have the client judge a token of this server."""
    now = clock.now()
    times = {
        name: int((now + timedelta(seconds=seconds)).timestamp())
        for name, seconds in {"nbf": starts, "iat": starts, "exp": ends}.items()
    }
    text = unsecured_token({"iss": _ISSUER, **times}, kid="a", issuer=_ISSUER)
    AttestationToken(token=text)._validate_token(**options)  # noqa: SLF001  as its clients do


def test_a_token_of_now_is_valid_and_the_callback_is_invoked() -> None:
    seen: list[str | None] = []

    _validate(
        starts=0,
        ends=_MINUTE,
        validate_issuer=True,
        issuer=_ISSUER,
        validation_callback=lambda token, _signer: seen.append(token.issuer),
    )

    assert seen == [_ISSUER]


@pytest.mark.parametrize(
    ("starts", "ends", "problem"),
    [(-2 * _MINUTE, -_MINUTE, "expired"), (_MINUTE, 2 * _MINUTE, "not yet valid")],
)
def test_expired_and_not_yet_valid_tokens_are_rejected(
    starts: int, ends: int, problem: str
) -> None:
    with pytest.raises(AttestationTokenValidationException, match=problem):
        _validate(starts=starts, ends=ends)


def test_the_slack_covers_what_clocks_differ_in() -> None:
    _validate(starts=_MINUTE, ends=2 * _MINUTE, validation_slack=2 * _MINUTE)

    with pytest.raises(AttestationTokenValidationException):
        _validate(starts=_MINUTE, ends=2 * _MINUTE, validation_slack=1)
