"""Secret key release: a secret for an enclave that attests, and for nobody else.

The enclave's side is here, and what both sides share. The broker and its HTTP application are in
`broker` and `app`, which needs the extra `server`; the enclave's HTTP client is in `client`.
"""

from __future__ import annotations

from assay.keyrelease.attested_key import AttestedKey, attested_key
from assay.keyrelease.context import ReleaseContext
from assay.keyrelease.enclave import ReleaseKey
from assay.keyrelease.envelope import MAX_SECRET_BYTES, WrapAlgorithm, wrap

__all__ = [
    "MAX_SECRET_BYTES",
    "AttestedKey",
    "ReleaseContext",
    "ReleaseKey",
    "WrapAlgorithm",
    "attested_key",
    "wrap",
]
