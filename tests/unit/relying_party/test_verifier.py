"""The verifier of threads and that of event loops, in the same tests."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from assay.encoding import JsonValue, encode_base64url, encode_json
from assay.errors import TokenError
from assay.keys import SigningAlgorithm
from assay.relying_party import Requirements, TokenDemands, TokenVerifier, VerifiedToken, require
from assay.relying_party.aio import AsyncTokenVerifier
from assay.relying_party.issuer_documents import HttpKeySource
from assay.token import unsecured_token
from tests import issuers
from tests.attestation_tokens import (
    ISSUER,
    MR_SIGNER,
    FakeService,
    claims,
    key_document,
    key_set,
    service_key,
    token,
)
from tests.conftest import AT
from tests.unit.relying_party.token_refusals import Verify, refusal_of

Make = Callable[..., Verify]

RSA: Final = SigningAlgorithm.RS256


def _blocking(requirements: Requirements | None = None, **options: Any) -> Verify:  # noqa: ANN401  of the verifier
    chosen: dict[str, Any] = {"keys": key_set(), "now": lambda: AT, **options}
    return TokenVerifier(ISSUER, requirements, **chosen).verify


def _async(requirements: Requirements | None = None, **options: Any) -> Verify:  # noqa: ANN401  as above
    chosen: dict[str, Any] = {"keys": key_set(), "now": lambda: AT, **options}
    verifier = AsyncTokenVerifier(ISSUER, requirements, **chosen)

    def verify(text: str, **more: Any) -> VerifiedToken:  # noqa: ANN401  as above
        return asyncio.run(verifier.verify(text, **more))

    return verify


@pytest.fixture(params=[_blocking, _async], ids=["threads", "event loop"])
def make(request: pytest.FixtureRequest) -> Make:
    made: Make = request.param
    return made


def test_a_token_that_is_as_required_is_verified(make: Make) -> None:
    verify = make(require(mrsigner=MR_SIGNER, svn__ge=3, debuggable=False))

    verified = verify(token())

    assert verified.signed
    assert verified.claims["x-ms-sgx-svn"] == 3


@pytest.mark.parametrize("algorithm", list(SigningAlgorithm))
def test_every_algorithm_that_a_service_signs_with_is_verified(
    make: Make, algorithm: SigningAlgorithm
) -> None:
    key = service_key(0, algorithm)

    assert make(keys=key_set(key))(token(key=key)).kid == key.kid


def test_a_token_that_is_not_as_required_is_refused_for_every_reason(make: Make) -> None:
    verify = make(
        require(svn__ge=4, debuggable=False), demands=TokenDemands(policy_hashes=frozenset({"x"}))
    )

    assert refusal_of(verify, token(x_ms_sgx_is_debuggable=True), nonce="n") == [
        "token.claims.requirement",
        "token.claims.requirement",
        "token.claims.policy_hash",
        "token.claims.nonce",
    ]


def test_the_content_of_a_token_is_what_was_signed(make: Make) -> None:
    verified = make()(token())

    assert verified.claims == claims()


def test_a_key_is_judged_by_what_the_reader_gives(make: Make) -> None:
    seen: list[str] = []

    class Signer:
        def check(self, key: Any, *, at: Any) -> None:  # noqa: ANN401  as the protocol has them
            seen.append(key.kid)
            assert at == AT
            if len(seen) > 1:
                raise TokenError("no longer")

    verify = make(signer=Signer())

    assert verify(token()).signed
    with pytest.raises(TokenError, match="no longer"):
        verify(token())
    assert seen == [service_key().kid] * 2


# What the field has learned; the numbers are those of the catalogue of attacks.


@pytest.mark.parametrize("name", ["HS256", "HS384", "HS512"])
def test_a_public_key_is_no_hmac_secret(make: Make, name: str) -> None:
    """TK-01."""
    for algorithm in (RSA, SigningAlgorithm.ES256):
        key = service_key(0, algorithm)
        der = key.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        for secret in (key.spki_pem, der):
            forged = issuers.token(
                claims(),
                key,
                sign=lambda data, secret=secret: hmac.digest(secret, data, "sha256"),  # type: ignore[misc]
                alg=name,
            )

            assert refusal_of(make(keys=key_set(key)), forged) == ["token.jws.algorithm"]


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", "", " none", "none "])
@pytest.mark.parametrize("signature", ["empty", "kept"])
def test_a_token_without_algorithm_is_refused_however_it_is_spelled(
    make: Make, name: str, signature: str
) -> None:
    """TK-01."""
    forged = issuers.token(
        claims(), service_key(), sign=(lambda _: b"") if signature == "empty" else None, alg=name
    )

    assert refusal_of(make(), forged) in (["token.jws.unsecured"], ["token.jws.algorithm"])


def test_the_result_of_a_draft_policy_is_refused(make: Make) -> None:
    """TK-01."""
    draft = unsecured_token(claims(), kid=service_key().kid, issuer=ISSUER)

    assert refusal_of(make(), draft) == ["token.jws.unsecured"]


@pytest.mark.parametrize(
    ("algorithm", "named"), [(RSA, "PS256"), (RSA, "ES256"), (SigningAlgorithm.ES256, "ES384")]
)
def test_an_algorithm_of_another_key_is_refused(
    make: Make, algorithm: SigningAlgorithm, named: str
) -> None:
    """TK-01."""
    key = service_key(0, algorithm)
    forged = issuers.token(claims(), key, alg=named)

    assert refusal_of(make(keys=key_set(key)), forged) in (
        ["token.jws.key_mismatch"],
        ["token.jws.token_signature"],
    )


def test_an_algorithm_that_is_not_allowed_is_refused(make: Make) -> None:
    """TK-01."""
    verify = make(demands=TokenDemands(algorithms=frozenset({RSA})))

    assert refusal_of(verify, token()) == ["token.jws.algorithm"]


def test_a_flood_of_dots_and_a_huge_token_are_refused_unread(make: Make) -> None:
    """TK-02, PA-06."""
    assert refusal_of(make(), "." * 200_000) == ["token.jws.token_format"]
    assert refusal_of(make(), "a" * (1 << 18)) == ["token.jws.token_format"]
    assert refusal_of(make(), "a" * ((1 << 18) + 1)) == ["token.jws.size"]


def test_deep_json_is_refused(make: Make) -> None:
    """PA-10."""
    deep = b'{"a":' * 20_000 + b"1" + b"}" * 20_000

    assert refusal_of(make(), issuers.token(deep, service_key())) == ["token.jws.token_format"]


@pytest.mark.parametrize("aud", [ISSUER, [ISSUER], "https://reader.example.evil", ["a", "b"], 1])
def test_a_token_for_others_is_refused(make: Make, aud: JsonValue) -> None:
    """TK-04."""
    verify = make(demands=TokenDemands(audiences=frozenset({"https://reader.example"})))

    assert refusal_of(verify, token(aud=aud)) == ["token.claims.audience"]
    assert refusal_of(make(), token(aud=aud)) == ["token.claims.audience"]
    assert refusal_of(verify, token()) == ["token.claims.audience"]
    assert verify(token(aud=["b", "https://reader.example"])).signed


@pytest.mark.parametrize("name", ["jku", "x5u", "jwk", "x5c"])
def test_a_key_that_the_token_brings_or_names_is_never_used(name: str) -> None:
    """TK-06."""
    service = FakeService()
    stranger = service_key(1)
    certificate = json.loads(key_document([stranger]))["keys"][0]["x5c"][0]
    members: dict[str, Any] = {
        "jku": "https://evil.example/certs",
        "x5u": "https://evil.example/certificate",
        "jwk": issuers.jwk(stranger),
        "x5c": [certificate],
    }
    forged = issuers.token(claims(), stranger, **{name: members[name]})
    as_known = issuers.token(claims(), stranger, kid=service_key().kid, **{name: members[name]})

    source = HttpKeySource(ISSUER, transport=service.transport)
    verify = TokenVerifier(ISSUER, keys=source, now=lambda: AT).verify

    assert refusal_of(verify, forged) == ["token.jws.key_unknown"]
    assert refusal_of(verify, as_known) == ["token.jws.token_signature"]
    assert {url.split("/")[2] for url in service.asked} == {"attest.example"}


def test_an_edited_payload_is_refused(make: Make) -> None:
    header, payload, signature = token(x_ms_sgx_svn=1).split(".")
    edited = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)).replace(
        b'"x-ms-sgx-svn":1', b'"x-ms-sgx-svn":9'
    )

    forged = f"{header}.{encode_base64url(edited)}.{signature}"

    assert refusal_of(make(), forged) == ["token.jws.token_signature"]


def test_the_kid_of_another_key_is_refused(make: Make) -> None:
    keys = key_set(service_key(0), service_key(1))
    forged = issuers.token(claims(), service_key(0), kid=service_key(1).kid)

    assert refusal_of(make(keys=keys), forged) == ["token.jws.token_signature"]


@pytest.mark.parametrize("kid", [None, "unknown", 1, ["x"], ""])
def test_a_kid_that_names_no_key_is_refused(make: Make, kid: JsonValue) -> None:
    forged = issuers.token(claims(), service_key(), kid=kid)

    assert refusal_of(make(), forged) == ["token.jws.key_unknown"]


@pytest.mark.parametrize(
    "payload",
    [
        b'{"iss":"https://attest.example","iss":"https://attest.example"}',
        b'{"x-ms-sgx-svn":1,"x-ms-sgx-svn":9}',
        b'{"x":{"a":1,"\\u0061":2}}',
    ],
)
def test_duplicate_claims_are_refused(make: Make, payload: bytes) -> None:
    assert refusal_of(make(), issuers.token(payload, service_key())) == ["token.jws.token_format"]


def test_a_header_with_duplicate_members_is_refused(make: Make) -> None:
    head = f'{{"alg":"ES256","kid":"{service_key().kid}","alg":"ES256"}}'.encode()
    signing_input = f"{encode_base64url(head)}.{encode_base64url(encode_json(claims()))}"
    signature = encode_base64url(service_key().sign(signing_input.encode()))

    assert refusal_of(make(), f"{signing_input}.{signature}") == ["token.jws.token_format"]


def test_several_signatures_are_refused(make: Make) -> None:
    """TK-07: neither in the compact form nor as JSON."""
    header, payload, signature = token().split(".")
    entry = {"protected": header, "signature": signature}
    general = json.dumps({"payload": payload, "signatures": [entry, entry]})

    assert refusal_of(make(), f"{token()}.{signature}") == ["token.jws.token_format"]
    assert refusal_of(make(), general) == ["token.jws.token_format"]


def test_header_extensions_are_refused(make: Make) -> None:
    members: tuple[dict[str, Any], ...] = (
        {"crit": ["exp"]},
        {"b64": False, "crit": ["b64"]},
        {"crit": []},
    )
    for member in members:
        forged = issuers.token(claims(), service_key(), **member)

        assert refusal_of(make(), forged) == ["token.jws.critical_header"]


@pytest.mark.parametrize("exp", [None, "9999999999", True, {"a": 1}])
def test_a_token_without_an_end_is_refused(make: Make, exp: JsonValue) -> None:
    """ST-12."""
    assert refusal_of(make(), token(exp=exp)) == ["token.claims.claims_format"]


def test_a_token_of_another_time_is_refused(make: Make) -> None:
    late = make(now=lambda: AT + timedelta(hours=8))
    early = make(now=lambda: AT - timedelta(seconds=1))

    assert refusal_of(late, token()) == ["token.claims.token_expired"]
    assert refusal_of(early, token()) == ["token.claims.token_not_yet_valid"] * 2


def test_the_clock_skew_is_granted_and_no_more(make: Make) -> None:
    demands = TokenDemands(clock_skew=timedelta(seconds=5))

    assert make(demands=demands, now=lambda: AT - timedelta(seconds=5))(token()).signed
    verify = make(demands=demands, now=lambda: AT - timedelta(seconds=6))
    assert refusal_of(verify, token()) == ["token.claims.token_not_yet_valid"] * 2


def test_a_token_older_than_the_reader_wants_is_refused(make: Make) -> None:
    demands = TokenDemands(max_age=timedelta(minutes=5), clock_skew=timedelta(seconds=1))

    assert make(demands=demands, now=lambda: AT + timedelta(seconds=301))(token()).signed
    verify = make(demands=demands, now=lambda: AT + timedelta(seconds=302))
    assert refusal_of(verify, token()) == ["token.claims.token_age"]


@pytest.mark.parametrize("iss", [None, ISSUER + "/", ISSUER.upper(), "https://other.example", 1])
def test_another_issuer_is_refused(make: Make, iss: JsonValue) -> None:
    assert refusal_of(make(), token(iss=iss)) == ["token.claims.issuer"]


@pytest.mark.parametrize("nonce", [None, "another", 7, "nonc", "nonceé"])
def test_another_nonce_is_refused(make: Make, nonce: JsonValue) -> None:
    """BI-04, BI-08."""
    assert make()(token(nonce="nonce"), nonce="nonce").signed
    assert refusal_of(make(), token(nonce=nonce), nonce="nonce") == ["token.claims.nonce"]


@pytest.mark.parametrize("policy", [None, "Hash-Of-A-Policy", 1, "x", ["x"], {"x": 1}])
def test_the_verdict_of_another_policy_is_refused(make: Make, policy: JsonValue) -> None:
    verify = make(demands=TokenDemands(policy_hashes=frozenset({"hash-of-a-policy"})))

    assert verify(token()).signed
    assert refusal_of(verify, token(x_ms_policy_hash=policy)) == ["token.claims.policy_hash"]


@pytest.mark.parametrize("claim", ["x_assay_simulated", "x_assay_verified_at"])
@pytest.mark.parametrize("value", [True, False, "2026-01-01"])
def test_a_token_of_simulated_hardware_is_refused_unless_it_is_allowed(
    make: Make,
    claim: str,
    value: Any,  # noqa: ANN401  of a claim
) -> None:
    """KR-07."""
    simulated = token(**{claim: value})

    assert refusal_of(make(), simulated) == ["token.claims.simulated"]
    assert make(demands=TokenDemands(allow_simulated=True))(simulated).signed
