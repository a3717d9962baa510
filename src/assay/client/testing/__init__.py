"""What tests of programs that use the client need: a service in memory, and results of all types.

No network and no server is involved, and nothing of this package judges evidence.
"""

from __future__ import annotations

from assay.client.testing.factories import (
    make_attestation_response,
    make_attestation_result,
    make_attestation_signer,
    make_attestation_token,
    make_certificates_modification_result,
    make_openid_metadata,
    make_policy_result,
    make_signing_key,
)
from assay.client.testing.fake_service import FakeService, refusal
from assay.client.testing.fake_transport import AsyncFakeTransport, FakeTransport

__all__ = [
    "AsyncFakeTransport",
    "FakeService",
    "FakeTransport",
    "make_attestation_response",
    "make_attestation_result",
    "make_attestation_signer",
    "make_attestation_token",
    "make_certificates_modification_result",
    "make_openid_metadata",
    "make_policy_result",
    "make_signing_key",
    "refusal",
]
