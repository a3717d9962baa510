"""Policies and signers as the clients for .NET, Java and C++ and `az attestation` speak of them.

A test's name is that of the clients' own tests.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, Final

import httpx2
import pytest

from assay.encoding import decode_base64url, encode_base64url, parse_json_object
from tests.administration import PERMIT
from tests.conformance.dialects import AZ, AZ_OLD, CPP, DOTNET, DOTNET_2025, JAVA, OWNERS, Dialect
from tests.conformance.wire_client import WireClient, wire_client
from tests.servers.three_instances import MODELS, Signer, ThreeInstances

_TYPES: Final = ("SgxEnclave", "OpenEnclave", "Tpm")
_ALL_TYPES: Final = (*_TYPES, "SevSnpVm", "TdxVm", "AzureGuest")

Opened = Callable[[str], AbstractContextManager[WireClient]]


@pytest.fixture(params=OWNERS, ids=lambda dialect: dialect.name)
def opened(request: pytest.FixtureRequest, server: ThreeInstances) -> Opened:
    return partial(wire_client, server, request.param)


@pytest.fixture
def aad(opened: Opened) -> Iterator[WireClient]:
    with opened("aad") as client:
        yield client


@pytest.fixture
def isolated(opened: Opened) -> Iterator[WireClient]:
    with opened("isolated") as client:
        yield client


def _policy_text(jws: str) -> str | None:
    """The policy in a stored JWS, as the clients read it; nothing where the payload is empty."""
    payload = decode_base64url(jws.split(".")[1], "payload")
    if not payload:
        return None
    document = parse_json_object(payload, "payload")
    assert list(document) == ["AttestationPolicy"]
    return decode_base64url(str(document["AttestationPolicy"]), "policy").decode()


def _error_code(answer: httpx2.Response, status: int = 400) -> str:
    """The error's code, from the members that all clients read, as strings."""
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    error = answer.json()["error"]
    assert isinstance(error["message"], str)
    assert error["message"]
    code: str = error["code"]
    return code


@pytest.mark.parametrize("instance", MODELS)
def test_get_policy(opened: Opened, instance: str) -> None:
    with opened(instance) as client:
        policies = {kind: client.policy_jws(kind) for kind in _ALL_TYPES}

    for kind, jws in policies.items():
        header, _, signature = jws.split(".")
        text = _policy_text(jws)
        # Java demands that the inner JWS says nothing of an issuer or of times.
        assert (header, signature) == ("eyJhbGciOiJub25lIn0", "")
        assert text is None or text.startswith("version")
        assert text is not None or kind not in {"SgxEnclave", "OpenEnclave"}


def test_get_policy_with_empty_policy_token_is_null(aad: WireClient) -> None:
    jws = aad.policy_jws("Tpm")

    assert jws == "eyJhbGciOiJub25lIn0.."
    assert _policy_text(jws) is None


def _check_updated(client: WireClient, kind: str, answer: httpx2.Response, sent: str) -> None:
    token = client.read(answer)
    digest = encode_base64url(hashlib.sha256(sent.encode()).digest())
    assert token.claims["x-ms-policy-result"] == "Updated"
    assert token.claims["x-ms-policy-token-hash"] == digest
    assert client.policy_jws(kind) == sent
    assert _policy_text(sent) == PERMIT


def _check_reset(client: WireClient, kind: str, answer: httpx2.Response, original: str) -> None:
    claims = client.read(answer).claims
    assert claims["x-ms-policy-result"] == "Removed"
    assert "x-ms-policy-token-hash" not in claims
    assert "x-ms-policy-signer" not in claims
    assert client.policy_jws(kind) == original


@pytest.mark.parametrize("kind", _TYPES)
def test_set_policy_unsecured_aad(aad: WireClient, kind: str) -> None:
    original = aad.policy_jws(kind)
    sent = aad.dialect.jws(aad.dialect.policy_payload(PERMIT), None)

    answer = aad.set_policy_jws(kind, sent)

    _check_updated(aad, kind, answer, sent)
    assert "x-ms-policy-signer" not in aad.read(answer).claims
    _check_reset(aad, kind, aad.reset_policy(kind, None), original)


def test_set_policy_unsecured_isolated(isolated: WireClient) -> None:
    assert _error_code(isolated.set_policy("SgxEnclave", PERMIT, None)) == "InvalidOperation"
    assert _error_code(isolated.reset_policy("SgxEnclave", None)) == "InvalidOperation"


def _check_set_and_reset_signed(client: WireClient, kind: str, signer: Signer) -> None:
    original = client.policy_jws(kind)
    sent = client.dialect.jws(client.dialect.policy_payload(PERMIT), signer)

    answer = client.set_policy_jws(kind, sent)

    _check_updated(client, kind, answer, sent)
    shown = client.read(answer).claims["x-ms-policy-signer"]
    assert (shown["alg"], shown["kty"], shown["use"]) == ("RS256", "RSA", "sig")
    assert shown["x5c"] == [signer.x5c]
    _check_reset(client, kind, client.reset_policy(kind, signer), original)


@pytest.mark.parametrize("kind", _TYPES)
def test_set_policy_secured_aad(aad: WireClient, server: ThreeInstances, kind: str) -> None:
    _check_set_and_reset_signed(aad, kind, server.owner)


@pytest.mark.parametrize("signer", ["stranger", "weak"])
def test_set_policy_secured_aad_with_any_rsa_key(
    aad: WireClient, server: ThreeInstances, signer: str
) -> None:
    _check_set_and_reset_signed(aad, "SgxEnclave", getattr(server, signer))


@pytest.mark.parametrize("dialect", [DOTNET, DOTNET_2025, CPP], ids=lambda dialect: dialect.name)
def test_set_policy_secured_aad_with_an_ec_key(server: ThreeInstances, dialect: Dialect) -> None:
    with wire_client(server, dialect, "aad") as client:
        result = client.read(client.set_policy("SgxEnclave", PERMIT, server.ec_stranger))
        client.read(client.reset_policy("SgxEnclave", server.ec_stranger))

    assert result.claims["x-ms-policy-signer"]["x5c"] == [server.ec_stranger.x5c]


@pytest.mark.parametrize("kind", _TYPES)
def test_set_policy_secured_isolated(
    isolated: WireClient, server: ThreeInstances, kind: str
) -> None:
    _check_set_and_reset_signed(isolated, kind, server.owner)


def test_set_policy_secured_isolated_by_a_stranger(
    isolated: WireClient, server: ThreeInstances
) -> None:
    answer = isolated.set_policy("SgxEnclave", PERMIT, server.stranger)

    assert _error_code(answer) == "InvalidParameter"


def test_set_policy_shared(opened: Opened, server: ThreeInstances) -> None:
    with opened("shared") as client:
        answers = [
            client.set_policy("SgxEnclave", PERMIT, None),
            client.set_policy("SgxEnclave", PERMIT, server.owner),
            client.reset_policy("SgxEnclave", None),
        ]

    assert {_error_code(answer) for answer in answers} == {"InvalidOperation"}


def test_set_policy_that_cannot_be_parsed(aad: WireClient) -> None:
    answer = aad.set_policy("SgxEnclave", "version= 1.0;authorizationrules{[", None)

    assert _error_code(answer) == "PolicyParsingError"


@pytest.mark.parametrize(("instance", "count"), [("isolated", 1), ("shared", 0), ("aad", 0)])
def test_get_policy_management_certificates(
    opened: Opened, server: ThreeInstances, instance: str, count: int
) -> None:
    with opened(instance) as client:
        keys = client.signers()

    key = {"alg": "RS256", "kty": "RSA", "use": "sig", "x5c": [server.owner.x5c]}
    assert keys == [key] * count


def test_add_remove_policy_management_certificate(
    isolated: WireClient, server: ThreeInstances
) -> None:
    owner, added = server.owner, server.successor

    present = [isolated.read(isolated.add_certificate(added, owner)) for _ in range(2)]
    listed = isolated.signers()
    absent = [isolated.read(isolated.remove_certificate(added, owner)) for _ in range(2)]
    left = isolated.signers()

    expected = [("IsPresent", present), ("IsAbsent", absent)]
    for resolution, tokens in expected:
        for token in tokens:
            assert token.claims["x-ms-policycertificates-result"] == resolution
            assert token.claims["x-ms-certificate-thumbprint"] == added.thumbprint
    assert {key["x5c"][0] for key in listed} == {owner.x5c, added.x5c}
    assert [key["x5c"] for key in left] == [[owner.x5c]]


def test_add_and_remove_take_the_same_request(server: ThreeInstances) -> None:
    # Java's own test sends what it added with to remove it again.
    with wire_client(server, JAVA, "isolated") as client:
        payload = JAVA.certificate_payload(server.successor)
        jws = JAVA.jws(payload, server.owner)
        added = client.read(client.change_certificates("add", jws))
        removed = client.read(client.change_certificates("remove", jws))

    assert added.claims["x-ms-policycertificates-result"] == "IsPresent"
    assert removed.claims["x-ms-policycertificates-result"] == "IsAbsent"


@pytest.mark.parametrize("instance", ["aad", "shared"])
def test_verify_failed_add_and_remove_certificate(
    opened: Opened, server: ThreeInstances, instance: str
) -> None:
    with opened(instance) as client:
        added = client.add_certificate(server.successor, server.owner)
        removed = client.remove_certificate(server.successor, server.owner)

    assert _error_code(added) == "InvalidOperation"
    assert _error_code(removed) == "InvalidOperation"


def test_the_last_certificate_is_not_removed(isolated: WireClient, server: ThreeInstances) -> None:
    answer = isolated.remove_certificate(server.owner, server.owner)

    assert _error_code(answer) == "InvalidOperation"


@pytest.mark.parametrize("dialect", [AZ, AZ_OLD], ids=lambda dialect: dialect.name)
@pytest.mark.parametrize(
    "header",
    [{"typ": "JWT", "alg": "none"}, {"alg": "none", "typ": "JWT"}],
    ids=["typ first", "alg first"],
)
def test_policy_set_from_text(
    server: ThreeInstances, dialect: Dialect, header: dict[str, Any]
) -> None:
    # As each version of PyJWT, which `az` encodes with, orders the header.
    payload = dialect.policy_payload(PERMIT)
    jws = ".".join(
        [*(encode_base64url(one.encode()) for one in (dialect.dumps(header), payload)), ""]
    )

    with wire_client(server, dialect, "aad") as client:
        client.read(client.set_policy_jws("SgxEnclave", jws))
        shown = client.policy_jws("SgxEnclave")
        client.read(client.reset_policy("SgxEnclave", None))

    assert _az_text(shown) == PERMIT
    assert shown == jws


@pytest.mark.parametrize("kind", ["SgxEnclave", "OpenEnclave", "SevSnpVm", "TPM"])
def test_policy_set_show_and_reset(server: ThreeInstances, kind: str) -> None:
    # The names that the command takes; it puts them into the path as they are.
    with wire_client(server, AZ, "aad") as client:
        original = client.policy_jws(kind)
        updated = client.read(client.set_policy(kind, PERMIT, None))
        shown = client.policy_jws(kind)
        client.read(client.reset_policy(kind, None))
        after = client.policy_jws(kind)

    assert updated.claims["x-ms-policy-result"] == "Updated"
    assert _az_text(shown) == PERMIT
    assert after == original


def _az_text(jws: str) -> str:
    """The text that `az attestation policy show` prints: padded, standard base64, ASCII."""
    document = parse_json_object(decode_base64url(jws.split(".")[1], "payload"), "payload")
    text = str(document["AttestationPolicy"]).replace("-", "+").replace("_", "/")
    return base64.b64decode(text + "=" * (-len(text) % 4)).decode("ascii")


def test_signer_add_and_remove_show_no_legacy_list(server: ThreeInstances) -> None:
    with wire_client(server, AZ, "isolated") as client:
        added = client.read(client.add_certificate(server.successor, server.owner))
        client.read(client.remove_certificate(server.successor, server.owner))

    # `az` prints the keys of this claim, and none where it is absent.
    assert added.claims.get("aas-policyCertificates", {}).get("keys", []) == []
    assert added.header["alg"] == "RS256"
    assert added.header["jku"] == f"{server.url('isolated')}/certs"
