"""What verified TPM evidence says to policies.

Source: Microsoft Azure Attestation, claim sets (TPM and VBS attestation).
"""

from __future__ import annotations

import base64
import hashlib
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from assay.claims import Claim
from assay.evidence.tpm.evidence_verify import VerifiedTpmEvidence
from assay.evidence.tpm.signature import PublicKey

_TPM_VERSION: Final = 2


def extract_tpm_claims(evidence: VerifiedTpmEvidence) -> tuple[Claim, ...]:
    """The claims of verified evidence."""
    verified = evidence.verified
    claims = [
        Claim("aikValidated", verified.aik_validated),
        Claim("aikPubHash", _key_hash(evidence.request.current.aik)),
        Claim("tpmVersion", _TPM_VERSION),
        Claim("x-assay-request-key-binding", evidence.binding.value),
        Claim("x-ms-tpm-request-key", evidence.request_key_text),
    ]
    if evidence.request.other_keys:
        claims.append(Claim("x-ms-tpm-other-keys", evidence.other_keys_text))
    return tuple(claims)


def _key_hash(key: PublicKey) -> str:
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(spki).digest()).decode("ascii")
