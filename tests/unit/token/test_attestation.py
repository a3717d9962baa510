from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from assay.token import ATTESTATION_LIFETIME, attestation_claims

JTI = "0123456789abcdef" * 4
ISSUER = "https://assay.example"


def test_an_attestation_token_has_issuer_times_and_identifier() -> None:
    issued_at = datetime(2021, 7, 1, 20, 13, 13, tzinfo=UTC)

    claims = attestation_claims({"x-ms-ver": "1.0"}, issuer=ISSUER, issued_at=issued_at, jti=JTI)

    assert claims == {
        "x-ms-ver": "1.0",
        "iss": ISSUER,
        "iat": 1625170393,
        "nbf": 1625170393,
        "exp": 1625199193,
        "jti": JTI,
    }


def test_the_lifetime_is_eight_hours() -> None:
    assert timedelta(seconds=28_800) == ATTESTATION_LIFETIME


def test_times_are_rounded_down(at: datetime) -> None:
    issued_at = at + timedelta(microseconds=999_999)

    claims = attestation_claims({}, issuer=ISSUER, issued_at=issued_at, jti=JTI)

    assert claims["iat"] == claims["nbf"] == int(at.timestamp())


def test_another_lifetime_moves_only_the_end(at: datetime) -> None:
    claims = attestation_claims(
        {}, issuer=ISSUER, issued_at=at, jti=JTI, lifetime=timedelta(minutes=5)
    )

    start = int(at.timestamp())
    assert (claims["iat"], claims["nbf"], claims["exp"]) == (start, start, start + 300)


@pytest.mark.parametrize("jti", ["", JTI[:-1], JTI + "0", JTI.upper(), JTI + "\n"])
def test_an_identifier_of_another_form_is_a_mistake(jti: str, at: datetime) -> None:
    with pytest.raises(ValueError, match="jti"):
        attestation_claims({}, issuer=ISSUER, issued_at=at, jti=jti)


@pytest.mark.parametrize("issuer", ["", ISSUER + "/"])
def test_an_issuer_with_a_trailing_slash_is_a_mistake(issuer: str, at: datetime) -> None:
    with pytest.raises(ValueError, match="issuer"):
        attestation_claims({}, issuer=issuer, issued_at=at, jti=JTI)


def test_a_local_time_is_a_mistake(at: datetime) -> None:
    with pytest.raises(ValueError, match="time zone"):
        attestation_claims({}, issuer=ISSUER, issued_at=at.replace(tzinfo=None), jti=JTI)


@pytest.mark.parametrize("name", ["iss", "iat", "nbf", "exp", "jti"])
def test_a_claim_of_the_token_itself_is_never_taken_from_elsewhere(name: str, at: datetime) -> None:
    with pytest.raises(ValueError, match=name):
        attestation_claims({name: 1}, issuer=ISSUER, issued_at=at, jti=JTI)
