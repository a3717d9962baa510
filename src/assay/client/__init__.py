"""The client library: for Assay, and for whatever else speaks as Microsoft Azure Attestation does.

`assay.client.aio` has the same clients for asyncio, `assay.client.testing` what tests of programs
that use them need. What takes time to import is imported when it is first needed.
"""

from __future__ import annotations

from assay.client.administration import AttestationAdministrationClient
from assay.client.attest_calls import API_VERSION, SnpEvidence
from assay.client.attestation import AttestationClient
from assay.client.attestation_data import AttestationData, AttestationDataType
from assay.client.attestation_result import AttestationResult
from assay.client.attestation_token import AttestationToken
from assay.client.attestation_type import AttestationType
from assay.client.client_certificate import ClientCertificate
from assay.client.credentials import (
    AccessToken,
    AccessTokenInfo,
    ClientSecret,
    ClientSecretCredential,
    StaticTokenCredential,
    TokenCredential,
)
from assay.client.errors import (
    AttestationError,
    AuthenticationError,
    CredentialError,
    ErrorAnswer,
    ErrorDetail,
    ServiceError,
    TokenValidationError,
    TransportError,
)
from assay.client.http import HttpRequest, HttpResponse
from assay.client.openid_metadata import OpenIdMetadata
from assay.client.options import DEFAULT_SCOPE, ClientOptions, RetryPolicy
from assay.client.policy_result import (
    CertificateModification,
    PolicyCertificatesModificationResult,
    PolicyModification,
    PolicyResult,
)
from assay.client.response import AttestationResponse
from assay.client.sealed_token import SealedToken
from assay.client.signer import AttestationSigner
from assay.client.signing_key import AttestationSigningKey
from assay.client.tee_claims import AzureVmClaims, SgxClaims, SgxCollateral, SnpClaims, TdxClaims
from assay.client.token_validation import TokenValidationOptions
from assay.client.transport import HttpTransport, Transport
from assay.errors import RequestError

__all__ = [
    "API_VERSION",
    "DEFAULT_SCOPE",
    "AccessToken",
    "AccessTokenInfo",
    "AttestationAdministrationClient",
    "AttestationClient",
    "AttestationData",
    "AttestationDataType",
    "AttestationError",
    "AttestationResponse",
    "AttestationResult",
    "AttestationSigner",
    "AttestationSigningKey",
    "AttestationToken",
    "AttestationType",
    "AuthenticationError",
    "AzureVmClaims",
    "CertificateModification",
    "ClientCertificate",
    "ClientOptions",
    "ClientSecret",
    "ClientSecretCredential",
    "CredentialError",
    "ErrorAnswer",
    "ErrorDetail",
    "HttpRequest",
    "HttpResponse",
    "HttpTransport",
    "OpenIdMetadata",
    "PolicyCertificatesModificationResult",
    "PolicyModification",
    "PolicyResult",
    "RequestError",
    "RetryPolicy",
    "SealedToken",
    "ServiceError",
    "SgxClaims",
    "SgxCollateral",
    "SnpClaims",
    "SnpEvidence",
    "StaticTokenCredential",
    "TdxClaims",
    "TokenCredential",
    "TokenValidationError",
    "TokenValidationOptions",
    "Transport",
    "TransportError",
]
