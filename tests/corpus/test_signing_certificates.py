"""The signing certificates of the original service: who vouches for its keys."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc.jwk import RSAKey

from assay.encoding import encode_json
from assay.endorsements.tcb import TcbStatus
from assay.errors import TokenError
from assay.evidence.openenclave import parse_certificate
from assay.keys import SigningAlgorithm, generate_key, key_id
from assay.relying_party import VerificationKey, read_key_set, require
from assay.relying_party.signer import SignerEvidence
from assay.token import jwks, signing_certificate
from tests.corpus.dcap import read_collateral
from tests.vectors import vector_params

COLLATERAL: Final = "dcap/real/sgx-v3-00906ed50000-OutOfDate-2"
"""Of the platform family that all of these come from, served in February 2025."""

MR_SIGNER: Final = "5e5410aaf99a32e32df2a97d579e65f8310f274816ec4f34cedeeb1be410a526"
_KEY_SETS: Final = vector_params("maa/jwks/*.json")
_CERTIFICATES: Final = vector_params("dcap/oe/maa-signing-cert-*.der")


@pytest.fixture(scope="module")
def collateral_at(vectors: Path) -> datetime:
    seconds = json.loads((vectors / COLLATERAL / "vector.json").read_text())["verification_time"]
    return datetime.fromtimestamp(seconds, UTC)


def _signer(
    vectors: Path, *, allow_debug: bool = True, mr_signer: str = MR_SIGNER
) -> SignerEvidence:
    collateral = read_collateral(vectors / COLLATERAL / "collateral.json")
    return SignerEvidence(
        require(mrsigner=mr_signer),
        collateral=lambda _platform: collateral,
        accepted_tcb=frozenset(TcbStatus),
        allow_debug=allow_debug,
    )


def _keys(recorded: Path) -> Iterator[VerificationKey]:
    """The keys with evidence, one of them too short to be used: its certificate is as real."""
    for member in json.loads(recorded.read_bytes())["jwks"]["keys"]:
        if len(member["x5c"]) == 1:
            yield _key(base64.b64decode(member["x5c"][0]))


def _key(der: bytes) -> VerificationKey:
    public_key = x509.load_der_x509_certificate(der).public_key()
    assert isinstance(public_key, rsa.RSAPublicKey)
    return VerificationKey(
        kid=key_id(public_key),
        kind="RSA",
        algorithm=None,
        key=RSAKey(public_key, public_key),
        public_key=public_key,
        certificate=der,
    )


@pytest.mark.parametrize("recorded", _KEY_SETS)
def test_the_keys_of_a_recorded_set_are_vouched_for_by_the_services_enclave(
    recorded: Path, vectors: Path, collateral_at: datetime
) -> None:
    keys = list(_keys(recorded))

    assert len(keys) == 2
    for key in keys:
        claims = _signer(vectors).claims(key, at=collateral_at)
        assert claims["x-ms-sgx-mrsigner"] == MR_SIGNER
        assert claims["x-ms-sgx-is-debuggable"] is True


@pytest.mark.parametrize("recorded", _KEY_SETS)
def test_keys_without_an_enclave_are_refused_where_evidence_is_mandatory(
    recorded: Path, vectors: Path, collateral_at: datetime
) -> None:
    document = json.loads(recorded.read_bytes())["jwks"]
    keys = read_key_set(document).keys
    bare = [key["kid"] for key in document["keys"] if len(key["x5c"]) > 1]

    assert len(bare) == 4
    for kid in bare:
        with pytest.raises(TokenError) as caught:
            _signer(vectors).check(keys[kid], at=collateral_at)
        assert [one.check for one in caught.value.findings] == ["token.signer.evidence_missing"]


@pytest.mark.parametrize("path", _CERTIFICATES)
def test_a_real_certificate_is_refused_without_leave_for_debug_enclaves(
    path: Path, vectors: Path, collateral_at: datetime
) -> None:
    key = _key(path.read_bytes())

    _signer(vectors).check(key, at=collateral_at)
    with pytest.raises(TokenError) as caught:
        _signer(vectors, allow_debug=False, mr_signer="00" * 32).check(key, at=collateral_at)
    assert [one.check for one in caught.value.findings] == [
        "token.claims.requirement",
        "token.signer.evidence_debug",
    ]


@pytest.mark.parametrize("path", _CERTIFICATES)
def test_real_evidence_in_the_certificate_of_another_key_is_refused(
    path: Path, vectors: Path, collateral_at: datetime
) -> None:
    report = parse_certificate(path.read_bytes()).certificate.extensions.get_extension_for_oid(
        x509.ObjectIdentifier("1.3.6.1.4.1.311.105.1")
    )
    key = generate_key(SigningAlgorithm.ES256, created_at=collateral_at)
    foreign = signing_certificate(
        key,
        issuer="https://attest.example",
        extensions=[(report.oid.dotted_string, report.value.public_bytes())],
    )
    keys = read_key_set(json.loads(encode_json(jwks([(key, foreign)]))))

    with pytest.raises(TokenError) as caught:
        _signer(vectors).check(keys.keys[key.kid], at=collateral_at)
    assert [one.check for one in caught.value.findings] == ["openenclave.certificate.binding"]
