"""Whatever a service answers, the client has a result or an error of its own."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.client import AttestationError, AttestationToken, HttpResponse
from assay.client.answers import check_answer, read_data, read_object, read_token
from assay.client.attestation_result import read_attestation
from assay.client.openid_metadata import read_metadata
from assay.client.owner_answers import (
    read_certificate_change,
    read_certificates,
    read_policy,
    read_policy_change,
    read_signers,
)
from assay.client.sealed_token import read_sealed_token
from assay.client.signer import SignerSet
from assay.client.testing.example_claims import EXAMPLE_CLAIMS
from assay.encoding import JsonValue

pytestmark = pytest.mark.property

_MEMBERS: Final = (
    "token",
    "data",
    "keys",
    "kid",
    "x5c",
    "kty",
    "error",
    "code",
    "details",
    "innererror",
    "issuer",
    "jwks_uri",
    "iss",
    "exp",
    "iat",
    "x-ms-policy",
    "x-ms-policy-hash",
    "x-ms-policy-result",
    "x-ms-policy-signer",
    "x-ms-policy-token-hash",
    "x-ms-policy-certificates",
    "x-ms-certificate-thumbprint",
    "x-ms-policycertificates-result",
)
_CLAIMS: Final = sorted({name for claims in EXAMPLE_CLAIMS.values() for name in claims})
_LEAVES: Final = (
    st.none()
    | st.booleans()
    | st.integers(1 - 10**19, 10**20 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["e30", "eyJhbGciOiJub25lIn0..", "Updated", "IsPresent", "sgx", "?"])
)


def _documents(*names: str) -> st.SearchStrategy[dict[str, JsonValue]]:
    known = st.sampled_from(names)
    values: st.SearchStrategy[JsonValue] = st.recursive(
        _LEAVES,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(known, inner, max_size=3),
        max_leaves=8,
    )
    return st.dictionaries(known, values, max_size=6)


_READERS: Final[tuple[Callable[[HttpResponse], Any], ...]] = (
    check_answer,
    read_object,
    read_token,
    read_metadata,
    read_sealed_token,
    lambda response: read_data(response, "data"),
    lambda response: SignerSet.of(read_signers(read_object(response))),
)
_TOKEN_READERS: Final[tuple[Callable[[AttestationToken], Any], ...]] = (
    read_attestation,
    read_policy,
    read_policy_change,
    read_certificates,
    read_certificate_change,
)


def _read(read: Callable[[Any], Any], given: Any) -> None:  # noqa: ANN401  what the reader takes
    with contextlib.suppress(AttestationError):
        read(given)


@given(st.sampled_from([200, 302, 400, 401, 503]), _documents(*_MEMBERS))
def test_any_document_is_read_or_refused(status: int, document: dict[str, JsonValue]) -> None:
    response = HttpResponse(status=status, body=json.dumps(document).encode())

    for read in _READERS:
        _read(read, response)


@given(st.binary(max_size=64))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for status in (200, 500):
        for read in _READERS:
            _read(read, HttpResponse(status=status, body=body))


@given(_documents(*_MEMBERS))
def test_any_claims_are_read_or_refused(claims: dict[str, JsonValue]) -> None:
    token = AttestationToken.create(claims)

    for read in _TOKEN_READERS:
        _read(read, token)


@given(st.sampled_from(sorted(EXAMPLE_CLAIMS)), _documents("iss", "exp", "nbf", *_CLAIMS))
def test_changed_claims_of_a_platform_are_read_or_refused(
    kind: Any,  # noqa: ANN401  a type
    changes: dict[str, JsonValue],
) -> None:
    claims = {"iss": "https://x.test", **EXAMPLE_CLAIMS[kind], **changes}

    _read(read_attestation, AttestationToken.create(claims))
