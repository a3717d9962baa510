from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from assay.access import Caller, CallerKind, Grants
from assay.encoding import JsonValue
from assay.errors import IssuerUnavailableError, UnauthorizedError
from assay.keys import SigningAlgorithm
from assay.relying_party.issuer_keys import IssuerKeys
from assay.server.auth.bearer import BearerAuthenticator, TrustedIssuer
from assay.server.auth.issuer_documents import IssuerDocuments
from assay.server.auth.settings import IssuerSettings
from tests.conftest import AT
from tests.issuers import (
    AUDIENCE,
    ISSUER,
    FakeIssuer,
    claims,
    issuer_key,
    issuer_settings,
    jwk,
    served,
    token,
)

_NOW = int(AT.timestamp())
_ALL = tuple(SigningAlgorithm)


def _authenticate(
    text: str, *settings: IssuerSettings, server: FakeIssuer | None = None, skew: float = 60
) -> Caller:
    chosen = server or FakeIssuer()

    async def main() -> Caller:
        issuers = {
            one.issuer: TrustedIssuer(
                settings=one,
                keys=IssuerKeys(
                    IssuerDocuments(one.issuer, transport=chosen.transport), now=lambda: AT
                ),
            )
            for one in settings or (issuer_settings(),)
        }
        bearer = BearerAuthenticator(issuers, clock_skew=timedelta(seconds=skew))
        try:
            return await bearer.authenticate(text, at=AT)
        finally:
            await bearer.close()

    return asyncio.run(main())


def _refusal(text: str, *settings: IssuerSettings, server: FakeIssuer | None = None) -> list[str]:
    with pytest.raises(UnauthorizedError) as caught:
        _authenticate(text, *settings, server=server)
    return [finding.check for finding in caught.value.findings]


def test_a_token_of_the_issuer_names_its_caller_and_their_rights() -> None:
    caller = _authenticate(token(claims(roles=["reader"])))

    assert caller == Caller(
        kind=CallerKind.BEARER,
        name="somebody",
        authority=ISSUER,
        grants=Grants.parse(["read@*"]),
    )


def test_a_token_without_roles_names_a_caller_without_rights() -> None:
    assert _authenticate(token(claims())).grants == Grants()


@pytest.mark.parametrize("algorithm", _ALL)
def test_every_allowed_algorithm_is_verified(algorithm: SigningAlgorithm) -> None:
    key = issuer_key(9, algorithm)

    assert _authenticate(token(claims(), key), server=FakeIssuer(keys=[jwk(key)])).name


@pytest.mark.parametrize("typ", ["JWT", "at+jwt", "application/at+jwt", None])
def test_access_tokens_and_plain_ones_are_accepted(typ: str | None) -> None:
    assert _authenticate(token(claims(), typ=typ)).name == "somebody"


@pytest.mark.parametrize("typ", ["dpop+jwt", "logout+jwt", "secevent+jwt", "", 1])
def test_tokens_for_another_purpose_are_refused(typ: JsonValue) -> None:
    assert _refusal(token(claims(), typ=typ)) == ["token.jws.token_type"]


def test_nbf_may_be_left_out() -> None:
    """Keycloak and Dex have none."""
    assert _authenticate(token(claims(nbf=None))).name == "somebody"


@pytest.mark.parametrize("audience", [AUDIENCE, [AUDIENCE], ["other", "0000-1111"]])
def test_a_token_for_any_of_the_names_of_the_service_is_accepted(audience: JsonValue) -> None:
    settings = issuer_settings(audiences=(AUDIENCE, "0000-1111"))

    assert _authenticate(token(claims(aud=audience)), settings).name == "somebody"


# Entra ID


@pytest.mark.parametrize(
    "issuer", ["https://login.microsoftonline.com/t/v2.0", "https://sts.windows.net/t/"]
)
def test_both_forms_of_entra_id_are_compared_character_for_character(issuer: str) -> None:
    server = FakeIssuer(metadata={"issuer": issuer, "jwks_uri": "https://keys.example/jwks"})
    settings = issuer_settings(issuer=issuer)

    assert _authenticate(token(claims(iss=issuer)), settings, server=server).authority == issuer
    other = issuer.replace("/t/", "/another/")
    assert _refusal(token(claims(iss=other)), settings, server=server) == ["access.bearer.issuer"]


def test_another_tenant_of_the_same_directory_is_refused() -> None:
    """ST-13: another account with the same role name. The directory signs all with one key."""
    other = ISSUER.replace("tenant", "another")
    text = token(claims(iss=other, tid="tenant", roles=["writer"]))

    assert _refusal(text) == ["access.bearer.issuer"]


def test_the_key_of_one_issuer_signs_nothing_of_another() -> None:
    other = "https://other.example"
    settings = (issuer_settings(), issuer_settings(issuer=other))
    server = FakeIssuer()
    mine = FakeIssuer(
        keys=[jwk(issuer_key(1))],
        metadata={"issuer": other, "jwks_uri": "https://keys.example/jwks"},
    )

    # The documents that are served are those of the issuer that the token names.
    assert _refusal(token(claims(), issuer_key(1)), *settings, server=server) == [
        "token.jws.key_unknown"
    ]
    assert _refusal(token(claims(iss=other)), *settings, server=mine) == ["token.jws.key_unknown"]


@pytest.mark.parametrize("issuer", [None, "", 1, [ISSUER], ISSUER + "/", ISSUER.upper()])
def test_an_issuer_that_is_not_configured_is_asked_nothing(issuer: JsonValue) -> None:
    """TK-06: nobody is asked for keys because a token says so."""
    server = FakeIssuer()

    assert _refusal(token(claims(iss=issuer)), server=server) == ["access.bearer.issuer"]
    assert server.asked == []


def test_keys_that_a_token_brings_or_points_to_are_not_used() -> None:
    """TK-06, CH-10."""
    server, stranger = FakeIssuer(), issuer_key(5)
    text = token(
        claims(roles=["writer"]),
        stranger,
        jku="https://attacker.example/jwks",
        x5u="https://attacker.example/x5u",
        jwk=jwk(stranger),
    )

    assert _refusal(text, server=server) == ["token.jws.key_unknown"]
    assert {url.split("/")[2] for url in server.asked} == {"login.example", "keys.example"}


def test_a_key_that_a_token_brings_is_not_used_for_a_known_name() -> None:
    stranger = issuer_key(5)
    text = token(claims(), stranger, kid=issuer_key().kid, jwk=jwk(stranger))

    assert _refusal(text) == ["token.jws.token_signature"]


def test_header_extensions_are_refused() -> None:
    for text in (
        token(claims(), crit=["exp"]),
        token(claims(), crit=[]),
        token(claims(), b64=False),
    ):
        assert _refusal(text) == ["token.jws.critical_header"]


def test_a_member_that_is_there_twice_is_refused() -> None:
    payload = b'{"iss":"' + ISSUER.encode() + b'","sub":"a","sub":"b"}'

    assert _refusal(token(payload)) == ["token.jws.token_format"]


@pytest.mark.parametrize(
    "times",
    [
        {"exp": None},
        {"iat": None},
        {"exp": str(_NOW + 60)},
        {"exp": True},
        {"iat": "now"},
        {"nbf": "now"},
    ],
)
def test_times_that_are_absent_or_no_numbers_are_refused(times: dict[str, JsonValue]) -> None:
    """ST-12."""
    assert _refusal(token(claims(**times))) == ["token.claims.claims_format"]


@pytest.mark.parametrize(("iat", "exp"), [(0, 48 * 3600 + 1), (-(10**6), 60), (0, 10**18)])
def test_a_token_that_lives_too_long_is_refused(iat: int, exp: int) -> None:
    """ST-12, KR-09."""
    text = token(claims(iat=_NOW + iat, exp=_NOW + exp))

    assert _refusal(text) == ["access.bearer.lifetime"]


def test_how_long_a_token_may_live_can_be_set() -> None:
    text = token(claims(exp=_NOW + 100 * 3600))

    assert _authenticate(text, issuer_settings(max_lifetime_hours=100)).name == "somebody"


@pytest.mark.parametrize(
    ("times", "accepted"),
    [
        ({"exp": _NOW - 59}, True),
        ({"exp": _NOW - 60}, False),
        ({"nbf": _NOW + 60}, True),
        ({"nbf": _NOW + 61}, False),
        ({"iat": _NOW + 60}, True),
        ({"iat": _NOW + 61}, False),
    ],
)
def test_clocks_may_differ_by_the_slack_and_no_more(
    times: dict[str, JsonValue], *, accepted: bool
) -> None:
    if accepted:
        assert _authenticate(token(claims(**times))).name == "somebody"
    else:
        assert len(_refusal(token(claims(**times)))) == 1


@pytest.mark.parametrize("confirmation", [{"jkt": "x"}, {}, None, "x"])
def test_a_token_that_is_bound_to_a_key_is_no_bearers(confirmation: JsonValue) -> None:
    text = token({**claims(), "cnf": confirmation})

    assert _refusal(text) == ["access.bearer.bound"]


@pytest.mark.parametrize("name", [None, "", 1, ["a"], "a\nb", "x" * 257])
def test_a_caller_without_a_name_for_the_record_is_refused(name: JsonValue) -> None:
    assert _refusal(token(claims(sub=name))) == ["access.bearer.name"]


def test_the_claim_that_names_a_caller_can_be_set() -> None:
    caller = _authenticate(token(claims(oid="1234")), issuer_settings(name_claim="oid"))

    assert caller.name == "1234"


def test_an_algorithm_that_the_settings_leave_out_is_refused() -> None:
    settings = issuer_settings(algorithms=frozenset({SigningAlgorithm.RS256}))

    assert _refusal(token(claims()), settings) == ["token.jws.algorithm"]


def test_an_issuer_that_is_away_is_nobodys_fault() -> None:
    with pytest.raises(IssuerUnavailableError):
        _authenticate(token(claims()), server=FakeIssuer(fault=served(b"", status=500)))


@pytest.mark.parametrize("position", range(3))
def test_a_token_that_was_cut_is_refused(position: int) -> None:
    parts = token(claims()).split(".")
    parts[position] = parts[position][:-1]

    assert _refusal(".".join(parts))[0].startswith("token.jws.")
