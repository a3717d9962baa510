"""The original service's client from npm, unmodified, over TLS.

A test's name is that of the client's own test, where there is one.
"""

from __future__ import annotations

import base64
import json
from typing import Any, Final

import pytest

from assay.token import OwnerToken, read_owner_token
from tests.administration import PERMIT
from tests.conformance.javascript_client import Rows, run_rows
from tests.servers.three_instances import MODELS, RUNTIME_DATA, Signer, ThreeInstances

_OPERATIONS: Final = ("attestSgxEnclave", "attestOpenEnclave")
_CALLERS: Final = ("anonymous", "authenticated")
_TYPES: Final = ("SgxEnclave", "OpenEnclave", "Tpm")
_NO_TPM_POLICY: Final = "A VBS attestation policy has not been set on the attestation provider."
_ALGORITHMS: Final = {
    "binary": "RS256",
    "binary draft": "none",
    "json": "RS256",
    "json draft": "none",
}


@pytest.fixture(scope="module")
def rows(server: ThreeInstances) -> Rows:
    return run_rows(server)


@pytest.mark.parametrize("instance", MODELS)
def test_get_attestation_signers(rows: Rows, server: ThreeInstances, instance: str) -> None:
    signers = rows.value(f"getAttestationSigners {instance}")

    assert signers
    for signer in signers:
        assert signer["keyId"]
        assert signer["subject"] == f"CN={server.url(instance)}"


@pytest.mark.parametrize("instance", MODELS)
def test_get_open_id_metadata(rows: Rows, server: ThreeInstances, instance: str) -> None:
    metadata = rows.value(f"getOpenIdMetadata {instance}")

    assert metadata["issuer"] == server.url(instance)
    assert metadata["jwks_uri"] == f"{server.url(instance)}/certs"
    assert metadata["response_types_supported"] == ["token", "none"]


def _held_data(result: dict[str, Any]) -> bytes:
    return base64.b64decode(result["enclaveHeldData"])


@pytest.mark.parametrize("instance", MODELS)
@pytest.mark.parametrize("operation", _OPERATIONS)
@pytest.mark.parametrize("caller", _CALLERS)
@pytest.mark.parametrize("way", ["binary", "binary draft"])
def test_attest_with_binary_runtime_data(
    rows: Rows, server: ThreeInstances, instance: str, operation: str, caller: str, way: str
) -> None:
    result = rows.value(f"{operation} {instance} {caller} {way}")

    assert result["algorithm"] == _ALGORITHMS[way]
    assert result["issuer"] == server.url(instance)
    assert result["verifierType"] == "sgx"
    assert _held_data(result) == RUNTIME_DATA
    assert "runTimeClaims" not in result
    assert set(result["sgxCollateral"]) == {
        "qeidcertshash",
        "qeidcrlhash",
        "qeidhash",
        "quotehash",
        "tcbinfocertshash",
        "tcbinfocrlhash",
        "tcbinfohash",
    }


@pytest.mark.parametrize("instance", MODELS)
@pytest.mark.parametrize("operation", _OPERATIONS)
@pytest.mark.parametrize("caller", _CALLERS)
@pytest.mark.parametrize("way", ["json", "json draft"])
def test_attest_with_json_runtime_data(
    rows: Rows, instance: str, operation: str, caller: str, way: str
) -> None:
    result = rows.value(f"{operation} {instance} {caller} {way}")

    assert result["algorithm"] == _ALGORITHMS[way]
    assert result["runTimeClaims"]["jwk"]["crv"] == "P-256"
    assert result["runTimeClaims"] == json.loads(RUNTIME_DATA)
    assert "enclaveHeldData" not in result
    assert result["sgxCollateral"]["quotehash"]


@pytest.mark.parametrize("instance", MODELS)
@pytest.mark.parametrize("operation", _OPERATIONS)
@pytest.mark.parametrize("caller", _CALLERS)
def test_attest_with_a_draft_policy_that_denies(
    rows: Rows, instance: str, operation: str, caller: str
) -> None:
    error = rows.error(f"{operation} {instance} {caller} denied")

    assert _refusal(error) == ("RestError", 400, "PolicyEvaluationError")


def _refusal(error: dict[str, Any]) -> tuple[str, int, str]:
    return error["kind"], error["statusCode"], error["code"]


def test_the_validation_callback_sees_the_token_and_its_signer(
    rows: Rows, server: ThreeInstances
) -> None:
    assert rows.value("validation callback") == [
        {"issuer": server.url("aad"), "expires": True, "signed": True}
    ]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("validation callback that rejects", "not this one"),
        ("validation of another issuer", "expected issuer"),
    ],
)
def test_the_client_rejects_a_token_that_it_does_not_want(
    rows: Rows, row: str, message: str
) -> None:
    assert message in rows.error(row)["message"]


@pytest.mark.parametrize("instance", MODELS)
@pytest.mark.parametrize("kind", ["SgxEnclave", "OpenEnclave"])
def test_get_policy(rows: Rows, instance: str, kind: str) -> None:
    found = rows.value(f"getPolicy {instance} {kind}")

    assert found["policy"].startswith("version=")
    assert found["algorithm"] == "RS256"


@pytest.mark.parametrize("instance", MODELS)
def test_get_policy_of_tpm_is_where_the_client_fails_as_with_the_original_service(
    rows: Rows, instance: str
) -> None:
    # It reads the policy of an empty JWS without looking whether there is one.
    error = rows.error(f"getPolicy {instance} Tpm")

    assert error["kind"] == "TypeError"
    assert "attestationPolicy" in error["message"]


def _changed(rows: Rows, server: ThreeInstances, name: str, signer: Signer | None) -> None:
    shown = {"signer": [signer.x5c]} if signer else {}
    updated = rows.value(f"setPolicy {name}")
    expected_hash = updated.pop("expectedHash")
    assert updated == {
        "algorithm": "RS256",
        "resolution": "Updated",
        "hash": updated["hash"],
        **shown,
    }
    if signer is not server.ec_stranger:  # who signs differently each time
        assert updated["hash"] == expected_hash
    assert rows.value(f"getPolicy after setPolicy {name}") == PERMIT
    assert rows.value(f"resetPolicy {name}") == {"algorithm": "RS256", "resolution": "Removed"}


def _reset_to_default(rows: Rows, name: str) -> bool:
    row = f"getPolicy after resetPolicy {name}"
    if name.endswith("Tpm"):
        return bool(rows.error(row)["kind"] == "TypeError")
    policy: str = rows.value(row)
    return policy.startswith("version=") and policy != PERMIT


@pytest.mark.parametrize("kind", _TYPES)
def test_set_and_reset_policy_unsecured_aad(rows: Rows, server: ThreeInstances, kind: str) -> None:
    name = f"aad unsigned {kind}"

    _changed(rows, server, name, None)
    assert _reset_to_default(rows, name)


@pytest.mark.parametrize("kind", _TYPES)
def test_set_and_reset_policy_secured_aad(rows: Rows, server: ThreeInstances, kind: str) -> None:
    name = f"aad stranger {kind}"

    _changed(rows, server, name, server.stranger)
    assert _reset_to_default(rows, name)


def test_set_and_reset_policy_secured_aad_by_an_ec_key(rows: Rows, server: ThreeInstances) -> None:
    name = "aad ec SgxEnclave"

    _changed(rows, server, name, server.ec_stranger)
    assert _reset_to_default(rows, name)


@pytest.mark.parametrize("kind", _TYPES)
def test_set_and_reset_policy_secured_isolated(
    rows: Rows, server: ThreeInstances, kind: str
) -> None:
    name = f"isolated owner {kind}"

    _changed(rows, server, name, server.owner)
    assert _reset_to_default(rows, name)


@pytest.mark.parametrize("change", ["setPolicy", "resetPolicy"])
@pytest.mark.parametrize(
    ("who", "code"),
    [
        ("isolated stranger", "InvalidParameter"),
        ("isolated unsigned", "InvalidOperation"),
        ("shared owner", "InvalidOperation"),
        ("shared unsigned", "InvalidOperation"),
    ],
)
def test_a_change_that_the_instance_does_not_take_is_refused(
    rows: Rows, change: str, who: str, code: str
) -> None:
    name = f"{who} SgxEnclave"

    assert _refusal(rows.error(f"{change} {name}")) == ("RestError", 400, code)
    assert _reset_to_default(rows, name)


@pytest.mark.parametrize("change", ["setPolicy", "resetPolicy"])
@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("key of another certificate", "Key does not match Certificate"),
        ("key without certificate", "certificate must also be provided"),
        ("certificate without key", "certificate must also be provided"),
    ],
)
def test_set_policy_failure_conditions(rows: Rows, change: str, what: str, message: str) -> None:
    assert message in rows.error(f"{change} {what}")["message"]


def test_set_policy_that_is_none(rows: Rows) -> None:
    error = rows.error("setPolicy that is none")

    assert _refusal(error) == ("RestError", 400, "PolicyParsingError")


def test_get_policy_without_the_right(rows: Rows) -> None:
    error = rows.error("getPolicy with a stranger's token")

    assert _refusal(error) == ("RestError", 401, "Unauthorized")


@pytest.mark.parametrize(("instance", "count"), [("aad", 0), ("isolated", 1), ("shared", 0)])
def test_get_policy_management_certificates(
    rows: Rows, server: ThreeInstances, instance: str, count: int
) -> None:
    found = rows.value(f"getPolicyManagementCertificates {instance}")

    assert found == [server.owner.x5c] * count


def test_add_and_remove_policy_management_certificate(rows: Rows, server: ThreeInstances) -> None:
    listed = rows.value("getPolicyManagementCertificates after adding isolated")
    left = rows.value("getPolicyManagementCertificates after removing isolated")

    for change, resolution in (("add", "IsPresent"), ("remove", "IsAbsent")):
        for again in ("", " again"):
            assert rows.value(f"{change}PolicyManagementCertificate{again} isolated") == {
                "resolution": resolution,
                "thumbprint": server.successor.thumbprint,
            }
    assert sorted(listed) == sorted([server.owner.x5c, server.successor.x5c])
    assert left == [server.owner.x5c]


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("addPolicyManagementCertificate aad", "InvalidOperation"),
        ("removePolicyManagementCertificate aad", "InvalidOperation"),
        ("addPolicyManagementCertificate shared", "InvalidOperation"),
        ("removePolicyManagementCertificate shared", "InvalidOperation"),
        ("addPolicyManagementCertificate by a stranger isolated", "InvalidParameter"),
    ],
)
def test_add_and_remove_policy_management_certificate_refused(
    rows: Rows, row: str, code: str
) -> None:
    assert _refusal(rows.error(row)) == ("RestError", 400, code)


def test_attest_tpm(rows: Rows) -> None:
    payload = rows.value("attestTpm")["payload"]

    assert payload["challenge"]
    assert payload["service_context"]


def test_attest_tpm_without_a_policy(rows: Rows) -> None:
    error = rows.error("attestTpm without a policy")

    assert _refusal(error) == ("RestError", 400, "Bad request")
    assert _NO_TPM_POLICY in error["message"]


def _read_without_problems(rows: Rows, name: str) -> OwnerToken:
    """A token that the client made and found nothing wrong with, as this server reads it."""
    found = rows.value(f"token {name}")
    assert found["problems"] == []
    token = read_owner_token(found["text"])
    assert found["body"] == (json.loads(token.payload) if token.payload else None)
    return token


def test_create_unsecured_attestation_token(rows: Rows) -> None:
    token = _read_without_problems(rows, "unsecured")

    assert not token.signed
    assert token.payload == b'{"a":"b"}'


def test_create_unsecured_empty_attestation_token(rows: Rows) -> None:
    token = _read_without_problems(rows, "unsecured empty")

    assert rows.value("token unsecured empty")["text"] == "eyJhbGciOiJub25lIn0.."
    assert token.payload == b""


@pytest.mark.parametrize("key", ["owner", "ec"])
def test_create_secured_attestation_token(rows: Rows, server: ThreeInstances, key: str) -> None:
    signer = {"owner": server.owner, "ec": server.ec_stranger}[key]

    token = _read_without_problems(rows, f"secured by {key}")

    assert token.certificates == (signer.certificate,)
    assert token.payload == b'{"a":"b"}'


def test_create_empty_secured_attestation_token(rows: Rows, server: ThreeInstances) -> None:
    token = _read_without_problems(rows, "secured empty by owner")

    assert token.certificates == (server.owner.certificate,)
    assert token.payload == b""


@pytest.mark.parametrize(
    ("which", "problems"),
    [
        ("of now", []),
        ("expired within the slack", []),
        ("not yet valid within the slack", []),
        ("expired", ["AttestationToken has expired."]),
        ("not yet valid", ["AttestationToken is not yet valid."]),
        ("of another issuer", ["Found issuer: issuer; expected issuer: another"]),
        ("that the callback rejects", ["not this one"]),
        ("changed after it was signed", ["Attestation Token is not properly signed."]),
    ],
)
def test_verify_attestation_token(rows: Rows, which: str, problems: list[str]) -> None:
    assert rows.value(f"token {which}") == problems
