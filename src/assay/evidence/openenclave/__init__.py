"""Open Enclave reports, evidence, endorsements and certificates."""

from assay.endorsements.openenclave import parse_endorsements, parse_tdx_endorsements
from assay.evidence.openenclave.certificate import (
    AttestedCertificate,
    parse_certificate,
    verify_certificate,
)
from assay.evidence.openenclave.evidence import (
    OpenEnclaveEvidence,
    OpenEnclaveFormat,
    parse_evidence,
)
from assay.evidence.openenclave.verify import OPEN_ENCLAVE_CHECKS, verify_evidence

__all__ = [
    "OPEN_ENCLAVE_CHECKS",
    "AttestedCertificate",
    "OpenEnclaveEvidence",
    "OpenEnclaveFormat",
    "parse_certificate",
    "parse_endorsements",
    "parse_evidence",
    "parse_tdx_endorsements",
    "verify_certificate",
    "verify_evidence",
]
