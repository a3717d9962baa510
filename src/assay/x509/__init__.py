"""Chains, CRLs and vendors' extensions on top of `cryptography`."""

from assay.x509.anchor import TrustAnchor, subject_public_key
from assay.x509.chain import (
    CertificateChain,
    ChainProfile,
    common_name,
    read_pem_chain,
    verify_chain,
)
from assay.x509.crl import VerifiedCrl, verify_crl
from assay.x509.sgx_extensions import SgxExtensions, read_sgx_extensions
from assay.x509.validity import Validity, ValidityPeriod, rfc3339

__all__ = [
    "CertificateChain",
    "ChainProfile",
    "SgxExtensions",
    "TrustAnchor",
    "Validity",
    "ValidityPeriod",
    "VerifiedCrl",
    "common_name",
    "read_pem_chain",
    "read_sgx_extensions",
    "rfc3339",
    "subject_public_key",
    "verify_chain",
    "verify_crl",
]
