from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from assay.errors import AssayError
from assay.server.arm.body import (
    decode_connection,
    decode_group,
    decode_patch,
    decode_provider,
)
from assay.service.providers import WantedProvider
from assay.service.signer_chain import check_signer_certificate
from tests.administration import PrivateKey, certify, ec_key, owner, rsa_key
from tests.management import provider_body

_DECODERS: Final[tuple[Callable[[bytes], object], ...]] = (
    lambda body: decode_provider(body, ()),
    decode_patch,
    lambda body: decode_connection(body, "link"),
    decode_group,
)
_NAMES: Final = (
    *("location", "tags", "properties", "policySigningCertificates", "keys", "kty", "x5c", "d"),
    *("publicNetworkAccess", "tpmAttestationAuthentication", "trustModel", "attestUri"),
    *("privateLinkServiceConnectionState", "status", "description", "privateEndpoint", "id"),
)
_LEAVES: Final = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(1 << 70), 1 << 70),
    st.floats(allow_nan=True),
    st.text(max_size=12),
    st.sampled_from(["Enabled", "Disabled", "Approved", "RSA", "AAAA", "Isolated", "westus"]),
)
_DOCUMENTS: Final = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.sampled_from(_NAMES), st.text(max_size=5)), inner, max_size=5),
    ),
    max_leaves=12,
)


def _is_read_or_refused(body: bytes) -> None:
    """Anything that is raised and is no refusal fails the test."""
    for decode in _DECODERS:
        with contextlib.suppress(AssayError):
            decode(body)


@pytest.mark.property
@given(st.binary(max_size=64))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    _is_read_or_refused(body)


@pytest.mark.property
@given(_DOCUMENTS)
def test_any_document_is_read_or_refused(document: object) -> None:
    _is_read_or_refused(json.dumps(document).encode())


@pytest.mark.property
@given(st.lists(st.sampled_from(["location", "tags", "properties"]), max_size=3), _DOCUMENTS)
def test_a_provider_with_other_members_is_read_or_refused(
    names: list[str], document: object
) -> None:
    body: dict[str, Any] = {**provider_body(tags={"a": "b"}), **dict.fromkeys(names, document)}

    _is_read_or_refused(json.dumps(body).encode())


def test_what_is_not_said_is_not_there() -> None:
    body = b'{"location":"West US","tags":null,"properties":{"policySigningCertificates":null}}'

    assert decode_provider(body, ()) == WantedProvider(location="westus")
    assert decode_patch(b"{}") == (None, {})
    assert decode_patch(b'{"tags":{},"properties":null}') == ({}, {})


def test_the_first_certificate_of_a_key_counts() -> None:
    body = provider_body(owner())
    keys: Any = body["properties"]["policySigningCertificates"]["keys"]  # type: ignore[index,call-overload]
    keys[0]["x5c"].append("nonsense")

    wanted = decode_provider(json.dumps(body).encode(), ())

    assert wanted.signers == (owner(),)


def test_a_certificate_of_which_a_field_does_not_parse_is_refused() -> None:
    name = b"\x0c\x05owner"
    der = owner().public_bytes(Encoding.DER).replace(name, b"\x03" + name[1:])
    body = provider_body()
    body["properties"] = {
        "policySigningCertificates": {
            "keys": [{"kty": "RSA", "x5c": [base64.b64encode(der).decode()]}]
        }
    }

    with pytest.raises(AssayError, match="certificates in x5c"):
        decode_provider(json.dumps(body).encode(), ())


@pytest.mark.property
@given(
    st.sampled_from([rsa_key(), ec_key()]),
    st.dictionaries(st.integers(0, 2000), st.integers(0, 255), min_size=1, max_size=3),
)
def test_a_damaged_certificate_is_read_or_refused(key: PrivateKey, damage: dict[int, int]) -> None:
    der = bytearray(_certificate(key).public_bytes(Encoding.DER))
    for position, value in damage.items():
        der[position % len(der)] = value
    body = provider_body()
    body["properties"] = {
        "policySigningCertificates": {
            "keys": [{"kty": "RSA", "x5c": [base64.b64encode(der).decode()]}]
        }
    }

    with contextlib.suppress(AssayError):
        for certificate in decode_provider(json.dumps(body).encode(), ()).signers:
            check_signer_certificate(certificate)


@cache
def _certificate(key: PrivateKey) -> x509.Certificate:
    return certify(key)
