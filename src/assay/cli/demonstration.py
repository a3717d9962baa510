"""The demonstration's steps, each as a function that returns what there is to show."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from assay import clock
from assay.appraisal import (
    AppraisalContext,
    AppraisalRequest,
    AppraisalResult,
    AppraisalSettings,
    HeldData,
    HeldDataType,
    appraise,
)
from assay.cli.offline_appraisal import read_policy
from assay.client import AttestationClient, AttestationData, AttestationToken, ServiceError
from assay.evidence.dcap.memory import DcapMemory
from assay.evidence.format import AttestationType
from assay.simulator import SimulatedPlatform

RUNTIME_DATA: Final = json.dumps({"greeting": "hello from the enclave"}).encode()
"""What the enclave vouches for: in earnest, a public key that secrets are encrypted to."""

DENYING_POLICY: Final = """\
version= 1.0;
authorizationrules
{
    [ type=="x-ms-sgx-is-debuggable", value==true ] => deny();
    => permit();
};
issuancerules{};
"""
"""Refuses enclaves whose memory the host can read."""

_MEASUREMENT_OFFSET: Final = 48 + 64
"""Of MRENCLAVE in a quote: behind the header, after CPUSVN, MISCSELECT and ATTRIBUTES."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demonstration:
    """A simulated platform and a service that trusts it."""

    platform: SimulatedPlatform
    client: AttestationClient

    def evidence(self, *, debug: bool = False) -> bytes:
        """A quote of an enclave that vouches for `RUNTIME_DATA`."""
        digest = sha256(RUNTIME_DATA).digest()
        return self.platform.quote(report_data=digest, isv_prod_id=1, isv_svn=3, debug=debug)

    def explain(self, evidence: bytes) -> AppraisalResult:
        """What the service concludes, by the function that it concludes with."""
        at = clock.now()
        roots = self.platform.anchors
        kind = AttestationType.SGX_ENCLAVE
        return appraise(
            AppraisalRequest(evidence_type=kind, evidence=evidence, runtime_data=_held_data()),
            AppraisalContext(
                collateral=self.platform.collateral(at),
                policy=read_policy(None, kind),
                at=at,
                roots=roots,
                settings=AppraisalSettings(),
                memory=DcapMemory(roots, platforms=1),
            ),
        )

    def attest(self, evidence: bytes) -> AttestationToken:
        """The service's token for evidence, verified with its published keys.

        Raises:
            ServiceError: The service refused.
            TransportError: It does not answer.
            TokenValidationError: The token is not its own.
        """
        response = self.client.attest_sgx_enclave(
            evidence, runtime_data=AttestationData.json(RUNTIME_DATA)
        )
        return response.token

    def refusal(self, evidence: bytes, policy: str | None = None) -> ServiceError:
        """How the service refuses evidence that must not pass.

        Raises:
            AssertionError: It did not.
            TransportError: It does not answer.
        """
        try:
            self.client.attest_sgx_enclave(
                evidence, runtime_data=AttestationData.json(RUNTIME_DATA), draft_policy=policy
            )
        except ServiceError as error:
            return error
        raise AssertionError("the service accepted what it must refuse")


def tampered(evidence: bytes) -> bytes:
    """The evidence with one bit of the enclave's measurement flipped."""
    changed = bytearray(evidence)
    changed[_MEASUREMENT_OFFSET] ^= 1
    return bytes(changed)


def _held_data() -> HeldData:
    return HeldData(RUNTIME_DATA, HeldDataType.JSON)
