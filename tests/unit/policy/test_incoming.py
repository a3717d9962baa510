from __future__ import annotations

import pytest

from assay.claims import Claim, ClaimIssuer
from assay.encoding import EncodingError, JsonValue
from assay.policy.incoming import (
    claims_from_token,
    doubtful_claims,
    read_incoming_claims,
    token_attestation_type,
)


def read(**members: JsonValue) -> tuple[Claim, ...]:
    return read_incoming_claims(members, "claims.json")


@pytest.mark.parametrize(
    ("member", "claims"),
    [
        ("x", (Claim("a", "x"),)),
        (3, (Claim("a", 3),)),
        (True, (Claim("a", value=True),)),
        ([1, "1", True], (Claim("a", 1), Claim("a", "1"), Claim("a", value=True))),
        ([], ()),
        ({"value": 3}, (Claim("a", 3),)),
        ({"value": "x", "issuer": "CustomClaim"}, (Claim("a", "x", ClaimIssuer.CUSTOM),)),
        (
            [1, {"value": 1, "issuer": "CustomClaim"}],
            (Claim("a", 1), Claim("a", 1, ClaimIssuer.CUSTOM)),
        ),
        (
            {"json": {"b": [1, None], "c": "é"}, "readonly": True},
            (Claim("a", '{"b":[1,null],"c":"é"}', read_only=True),),
        ),
        ({"json": None, "issuer": "CustomClaim"}, (Claim("a", "null", ClaimIssuer.CUSTOM),)),
    ],
)
def test_a_member_stands_for_its_claims(member: JsonValue, claims: tuple[Claim, ...]) -> None:
    assert read(a=member) == claims


def test_claims_come_in_the_order_of_the_file() -> None:
    assert [claim.type for claim in read(b=1, a=2)] == ["b", "a"]


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (None, "expected a string, an integer or a boolean, got null"),
        (1.5, "got a number with a fraction"),
        ([[1]], 'got an array; a string that holds JSON is written {"json": ...}'),
        (2**63, "expected an integer of 64 bits with sign, got 9223372036854775808"),
        ({"value": 1, "json": 1}, "expected one of `value` and `json`"),
        ({"issuer": "CustomClaim"}, "expected one of `value` and `json`"),
        ({"value": {"a": 1}}, "got an object"),
        ({"valeu": 1}, "expected the members value, json, issuer, readonly, got 'valeu'; did you"),
        ({"value": 1, "x": 1}, "expected the members value, json, issuer, readonly, got 'x'"),
        ({"value": 1, "issuer": "Me"}, "expected an issuer, one of AttestationService, "),
        ({"value": 1, "issuer": 1}, "CustomClaim, got a number"),
        ({"value": 1, "readonly": 1}, "expected `readonly` as true or false, got a number"),
    ],
)
def test_another_member_is_refused_with_its_name(member: JsonValue, message: str) -> None:
    with pytest.raises(EncodingError) as caught:
        read(a=member)

    assert caught.value.message.startswith("claims.json: a: ")
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("name", "attestation_type"),
    [
        *[("sgx", "SgxEnclave"), ("sevsnpvm", "SevSnpVm"), ("tdxvm", "TdxVm")],
        *[("azurevm", "AzureGuest"), ("tpm", "Tpm")],
    ],
)
def test_a_token_names_its_type(name: str, attestation_type: str) -> None:
    assert token_attestation_type({"x-ms-attestation-type": name}) == attestation_type


@pytest.mark.parametrize(
    ("members", "got"),
    [
        ({}, "got none"),
        ({"x-ms-attestation-type": "pluton"}, "got 'pluton'"),
        ({"x-ms-attestation-type": ["sgx"]}, "got an array"),
    ],
)
def test_a_token_of_no_known_type_is_refused(members: dict[str, JsonValue], got: str) -> None:
    with pytest.raises(EncodingError, match="expected one of sgx, ") as caught:
        token_attestation_type(members)

    assert caught.value.message.endswith(got)


def test_a_token_gives_back_what_its_evidence_said() -> None:
    members: dict[str, JsonValue] = {
        "iss": "https://example.com",
        "exp": 1,
        "x-ms-attestation-type": "sgx",
        "x-ms-sgx-svn": 3,
        "x-ms-sgx-is-debuggable": False,
        "x-ms-sgx-collateral": {"quotehash": "00"},
        "x-assay-advisory-ids": ["INTEL-SA-1", "INTEL-SA-2"],
        "x-ms-sgx-product-id": 2**64,
        "x-ms-sgx-mrsigner": None,
        "svn": 3,
        "of-the-policy": "x",
        "x-ms-policy": {"of-the-policy": "x"},
    }

    claims = claims_from_token(members, "SgxEnclave")

    assert set(claims) == {
        Claim("x-ms-attestation-type", "sgx"),
        Claim("$tee", "sgx"),
        Claim("x-ms-sgx-svn", 3),
        Claim("$svn", 3),
        Claim("x-ms-sgx-is-debuggable", value=False),
        Claim("$is-debuggable", value=False),
        Claim("x-assay-advisory-ids", "INTEL-SA-1"),
        Claim("x-assay-advisory-ids", "INTEL-SA-2"),
    }


def test_deprecated_names_belong_to_sgx_alone() -> None:
    claims = claims_from_token({"x-ms-attestation-type": "tdxvm"}, "TdxVm")

    assert claims == (Claim("x-ms-attestation-type", "tdxvm"),)


def test_what_a_policy_issued_under_a_name_of_the_service_does_not_come_back() -> None:
    members: dict[str, JsonValue] = {"x-ms-attestation-type": "tpm", "secureBootEnabled": True}

    assert claims_from_token(members, "Tpm") == (Claim("x-ms-attestation-type", "tpm"),)


def test_a_token_of_a_type_without_catalogue_gives_nothing() -> None:
    assert claims_from_token({"x-ms-attestation-type": "sgx"}, "Unheard") == ()


def test_claims_that_no_evidence_has_are_pointed_out() -> None:
    claims = (
        Claim("x-ms-sgx-svn", "3"),
        Claim("role", "a", ClaimIssuer.CUSTOM),
        Claim("x-ms-sgx-mrsinger", "a"),
        Claim("x-ms-sgx-product-id", 1),
        Claim("iss", "x"),
    )

    assert list(doubtful_claims(claims, "SgxEnclave")) == [
        "x-ms-sgx-svn is of type Integer, this is of type String",
        "no SgxEnclave evidence has the claim x-ms-sgx-mrsinger; did you mean `x-ms-sgx-mrsigner`?",
        "no SgxEnclave evidence has the claim iss",
    ]
    assert list(doubtful_claims(claims, None)) == []
