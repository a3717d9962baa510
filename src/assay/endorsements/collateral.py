"""DCAP collateral as it was served: gathered beforehand, verified by nobody yet.

Source: Intel SGX PCS API v4; reference `sgx_ql_qve_collateral_t`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class DcapCollateral:
    """The nine documents that one DCAP verification needs, byte for byte as served.

    Nothing in it may be trusted: `assay.endorsements.intel.verify_collateral` turns it into
    `VerifiedCollateral`, which is another type.
    """

    tcb_info: bytes
    """JSON text of the inner `tcbInfo` object: exactly the bytes that are signed."""

    tcb_info_signature: bytes
    """Raw r‖s; of whatever length was served."""

    tcb_info_issuer_chain: bytes
    """PEM, signer first, then root."""

    qe_identity: bytes
    """JSON text of the inner `enclaveIdentity` object: exactly the bytes that are signed."""

    qe_identity_signature: bytes
    """Raw r‖s; of whatever length was served."""

    qe_identity_issuer_chain: bytes
    """PEM, signer first, then root."""

    root_ca_crl: bytes
    """DER."""

    pck_crl: bytes
    """DER."""

    pck_crl_issuer_chain: bytes
    """PEM, PCK CA first, then root."""

    digest: bytes = field(init=False, repr=False)
    """SHA-256 over all documents with their lengths: the identity of this set."""

    def __post_init__(self) -> None:
        digest = hashlib.sha256()
        for document in fields(self)[:-1]:
            data: bytes = getattr(self, document.name)
            digest.update(len(data).to_bytes(8, "big"))
            digest.update(data)
        object.__setattr__(self, "digest", digest.digest())
