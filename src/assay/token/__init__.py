"""Attestation results as signed tokens, and the documents that let others check them."""

from __future__ import annotations

from assay.token.attestation import ATTESTATION_LIFETIME, attestation_claims
from assay.token.certificates import signing_certificate
from assay.token.jwks import jwks, openid_configuration
from assay.token.jws import sign_token, unsecured_token
from assay.token.key_set import KeySet, VerificationKey, parse_key_set
from assay.token.verify import (
    TokenExpectations,
    UnverifiedToken,
    VerifiedToken,
    read_unverified,
    verify_token,
)

__all__ = [
    "ATTESTATION_LIFETIME",
    "KeySet",
    "TokenExpectations",
    "UnverifiedToken",
    "VerificationKey",
    "VerifiedToken",
    "attestation_claims",
    "jwks",
    "openid_configuration",
    "parse_key_set",
    "read_unverified",
    "sign_token",
    "signing_certificate",
    "unsecured_token",
    "verify_token",
]
