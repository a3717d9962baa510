from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from assay.encoding import encode_base64url
from assay.token.answers import (
    UNSET_POLICY,
    answer_claims,
    policy_answer,
    policy_removed,
    policy_updated,
    signer_changed,
    signers_answer,
    thumbprint,
    unsecured_policy,
)
from assay.token.owner import read_owner_token, read_policy_text, signer_jwk
from tests.administration import owner
from tests.conftest import AT


def test_an_answer_lasts_an_hour_and_has_no_identifier() -> None:
    claims = answer_claims({"x": 1}, issuer="https://a.example", issued_at=AT)

    second = int(AT.timestamp())
    assert claims == {
        "x": 1,
        "iss": "https://a.example",
        "iat": second,
        "nbf": second,
        "exp": second + 3600,
    }


def test_a_policy_that_was_set_is_known_by_the_hash_of_what_was_sent() -> None:
    digest = encode_base64url(hashlib.sha256(b"a.b.c").digest())

    assert policy_updated("a.b.c", ()) == {
        "x-ms-policy-result": "Updated",
        "x-ms-policy-token-hash": digest,
    }
    assert policy_updated("a.b.c", (owner(),))["x-ms-policy-signer"] == signer_jwk((owner(),))


def test_a_reset_tells_its_result_only() -> None:
    assert policy_removed() == {"x-ms-policy-result": "Removed"}


def test_signers_are_a_key_set() -> None:
    assert signers_answer([]) == {"x-ms-policy-certificates": {"keys": []}}
    assert signers_answer([owner()]) == {
        "x-ms-policy-certificates": {"keys": [signer_jwk((owner(),))]}
    }


@pytest.mark.parametrize(("present", "result"), [(True, "IsPresent"), (False, "IsAbsent")])
def test_a_changed_signer_is_known_by_its_thumbprint(
    present: bool,  # noqa: FBT001
    result: str,
) -> None:
    der = owner().public_bytes(Encoding.DER)
    expected = hashlib.sha1(der, usedforsecurity=False).hexdigest().upper()

    assert thumbprint(owner()) == expected
    assert signer_changed(owner(), present=present) == {
        "x-ms-certificate-thumbprint": expected,
        "x-ms-policycertificates-result": result,
    }


def test_a_default_is_shown_as_an_unsecured_policy() -> None:
    jws = unsecured_policy("version= 1.0;")

    assert jws == "eyJhbGciOiJub25lIn0.eyJBdHRlc3RhdGlvblBvbGljeSI6ImRtVnljMmx2YmowZ01TNHdPdyJ9."
    assert read_policy_text(read_owner_token(jws)) == "version= 1.0;"
    assert policy_answer(jws) == {"x-ms-policy": jws}


def test_no_policy_is_shown_as_an_empty_one() -> None:
    assert unsecured_policy(None) == UNSET_POLICY == "eyJhbGciOiJub25lIn0.."
