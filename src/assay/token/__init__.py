"""Attestation results as signed tokens, and the documents that let others check them."""

from __future__ import annotations

from assay.token.answers import (
    ANSWER_LIFETIME,
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
from assay.token.attestation import ATTESTATION_LIFETIME, attestation_claims
from assay.token.certificates import signing_certificate
from assay.token.delegation import SigningAuthority, names_issuer
from assay.token.jwks import jwks, openid_configuration
from assay.token.jws import sign_token, unsecured_token
from assay.token.key_evidence import key_evidence_extension, key_report_data
from assay.token.key_set import KeySet, VerificationKey, parse_key_set
from assay.token.owner import (
    MAX_OWNER_TOKEN_CHARACTERS,
    OwnerToken,
    read_certificate,
    read_owner_token,
    read_policy_text,
    signer_jwk,
)
from assay.token.owner_signing import (
    RESET_PAYLOAD,
    certificate_payload,
    policy_payload,
    sign_owner_token,
    unsecured_owner_token,
)
from assay.token.report import (
    REPORT_JTI_BYTES,
    REPORT_VALIDITY,
    ReportSigner,
    report_claims,
    sign_report,
)
from assay.token.sealed_context import (
    CONTEXT_LIFETIME,
    ContextKey,
    ContextScope,
    Purpose,
    open_context,
    seal_context,
)
from assay.token.verify import (
    TokenExpectations,
    UnverifiedToken,
    VerifiedToken,
    read_key_id,
    read_unverified,
    verify_signature,
    verify_token,
)

__all__ = [
    "ANSWER_LIFETIME",
    "ATTESTATION_LIFETIME",
    "CONTEXT_LIFETIME",
    "MAX_OWNER_TOKEN_CHARACTERS",
    "REPORT_JTI_BYTES",
    "REPORT_VALIDITY",
    "RESET_PAYLOAD",
    "UNSET_POLICY",
    "ContextKey",
    "ContextScope",
    "KeySet",
    "OwnerToken",
    "Purpose",
    "ReportSigner",
    "SigningAuthority",
    "TokenExpectations",
    "UnverifiedToken",
    "VerificationKey",
    "VerifiedToken",
    "answer_claims",
    "attestation_claims",
    "certificate_payload",
    "jwks",
    "key_evidence_extension",
    "key_report_data",
    "names_issuer",
    "open_context",
    "openid_configuration",
    "parse_key_set",
    "policy_answer",
    "policy_payload",
    "policy_removed",
    "policy_updated",
    "read_certificate",
    "read_key_id",
    "read_owner_token",
    "read_policy_text",
    "read_unverified",
    "report_claims",
    "seal_context",
    "sign_owner_token",
    "sign_report",
    "sign_token",
    "signer_changed",
    "signer_jwk",
    "signers_answer",
    "signing_certificate",
    "thumbprint",
    "unsecured_owner_token",
    "unsecured_policy",
    "unsecured_token",
    "verify_signature",
    "verify_token",
]
