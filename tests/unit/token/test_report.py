from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest

from assay.encoding import encode_base64url, encode_json
from assay.keys import SigningAlgorithm
from assay.token import (
    ReportSigner,
    TokenExpectations,
    parse_key_set,
    read_unverified,
    report_claims,
    sign_report,
    signing_certificate,
    verify_token,
)
from assay.token.jwks import jwks
from tests.conftest import AT
from tests.serving import ISSUER, signing_key


def _signed(*, by_thumbprint: bool = False) -> tuple[str, bytes]:
    key = signing_key()
    certificate = signing_certificate(key, issuer=ISSUER)
    claims = report_claims(
        {"b": 1, "a": {"d": 1, "c": 2}, "iss": "forged"},
        issuer=ISSUER,
        issued_at=AT,
        jti="ab" * 20,
        validity=timedelta(minutes=1),
    )
    signer = ReportSigner(key=key, certificates=(certificate,), by_thumbprint=by_thumbprint)
    return sign_report(claims, signer), certificate


def test_a_report_verifies_as_a_token_does() -> None:
    report, certificate = _signed()
    keys = parse_key_set(encode_json(jwks([(signing_key(), certificate)])))

    verified = verify_token(report, keys, at=AT, expect=TokenExpectations(issuer=ISSUER))

    assert verified.claims["iss"] == ISSUER
    assert verified.claims["a"] == {"c": 2, "d": 1}


def test_the_thumbprint_is_the_certificates() -> None:
    report, certificate = _signed(by_thumbprint=True)

    header = read_unverified(report).header

    thumbprint = hashlib.sha1(certificate, usedforsecurity=False).digest()
    assert header["x5t"] == encode_base64url(thumbprint)
    assert "x5c" not in header


@pytest.mark.parametrize("algorithm", [SigningAlgorithm.ES256])
def test_other_algorithms_sign_too(algorithm: SigningAlgorithm) -> None:
    key = signing_key(algorithm)
    signer = ReportSigner(
        key=key, certificates=(signing_certificate(key, issuer=ISSUER),), by_thumbprint=False
    )

    assert read_unverified(sign_report({}, signer)).header["alg"] == "ES256"
