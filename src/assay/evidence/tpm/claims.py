"""What verified TPM evidence says to policies.

Source: Microsoft Azure Attestation, claim sets (TPM and VBS attestation).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from assay.claims import Claim
from assay.encoding import encode_base64url
from assay.evidence.tpm.boot_claims import boot_claims
from assay.evidence.tpm.documents import events_document, pcrs_document
from assay.evidence.tpm.enclave_verify import VerifiedEnclave
from assay.evidence.tpm.evidence_verify import VerifiedTpmEvidence
from assay.evidence.tpm.signature import PublicKey

_TPM_VERSION: Final = 2
_REPORT_PRESENT: Final = ("vbsReportPresent", "vsmReportPresent")
"""Documentation says the first, a sample policy the second."""


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
    return (*claims, *_boot_claims(evidence), *_enclave_claims(evidence.enclave))


def _boot_claims(evidence: VerifiedTpmEvidence) -> Iterator[Claim]:
    current = evidence.current
    yield from boot_claims(current.log)
    yield Claim("events", events_document(current.log))
    yield Claim("pcrs", pcrs_document(current.quote.pcrs), read_only=True)
    if evidence.boot is not None:
        yield Claim("bootEvents", events_document(evidence.boot.log))


def _enclave_claims(enclave: VerifiedEnclave | None) -> Iterator[Claim]:
    for name in _REPORT_PRESENT:
        yield Claim(name, enclave is not None)
    if enclave is None:
        return
    report = enclave.report
    yield Claim("enclaveAuthorId", encode_base64url(report.author_id))
    yield Claim("enclaveFamilyId", encode_base64url(report.family_id))
    yield Claim("enclaveFlags", report.flags)
    yield Claim("enclaveImageId", encode_base64url(report.image_id))
    yield Claim("enclaveOwnerId", encode_base64url(report.owner_id))
    yield Claim("enclavePlatformSvn", report.platform_svn)
    yield Claim("x-assay-enclave-secure-kernel-svn", report.secure_kernel_svn)
    yield Claim("enclaveSvn", report.enclave_svn)
    yield Claim("enclaveUniqueId", encode_base64url(report.unique_id))


def _key_hash(key: PublicKey) -> str:
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(spki).digest()).decode("ascii")
