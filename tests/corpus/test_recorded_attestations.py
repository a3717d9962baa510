"""Every recorded attestation of the real service, appraised again: same request, same claims.

What differs, and why: `iss`, `jku`, `iat`, `nbf`, `exp` and `jti` are of the moment and the
instance; of `x-ms-sgx-collateral` and its twin only `quotehash` is about the request, the other
six are about Intel's documents of July 2021, which nobody kept.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from assay.appraisal import (
    AppraisalContext,
    AppraisalRequest,
    AppraisalSettings,
    Compatibility,
    HeldData,
    HeldDataType,
    Verdict,
    appraise,
)
from assay.encoding import decode_base64url
from assay.endorsements.anchors import intel_sgx_anchors
from assay.endorsements.tcb import TcbStatus
from assay.evidence.dcap.memory import DcapMemory
from assay.policy import compile_policy, default_policy
from tests.corpus.dcap import read_collateral
from tests.corpus.recordings import (
    COLLATERAL,
    PERMIT_ALL,
    RECORDED_ATTESTATIONS,
    RecordedAttestation,
    read_recording,
    verification_time,
)
from tests.vectors import vector_params

OF_THE_MOMENT = {"iss", "iat", "nbf", "exp", "jti"}
COLLATERAL_CLAIMS = ("x-ms-sgx-collateral", "maa-attestationcollateral")


def _held(body: dict[str, Any]) -> HeldData | None:
    sent = body.get("runtimeData")
    if sent is None:
        return None
    return HeldData(decode_base64url(sent["data"], "runtimeData"), HeldDataType(sent["dataType"]))


def _policy(recorded: RecordedAttestation) -> str:
    if recorded.draft_policy is not None:
        return recorded.draft_policy
    if recorded.of_shared_instance:
        default = default_policy("SgxEnclave", "2021")
        assert default is not None
        return default
    return PERMIT_ALL


def _comparable(claims: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in claims.items() if name not in OF_THE_MOMENT}
    for name in COLLATERAL_CLAIMS:
        collateral = kept[name]
        assert sorted(collateral) == list(collateral)
        assert all(len(bytes.fromhex(value)) == 32 for value in collateral.values())
        kept[name] = {"members": set(collateral), "quotehash": collateral["quotehash"]}
    return kept


@pytest.mark.parametrize("path", vector_params(RECORDED_ATTESTATIONS))
def test_the_same_request_gives_the_claims_that_were_recorded(path: Path, vectors: Path) -> None:
    roots = intel_sgx_anchors()
    attestations = list(read_recording(path))
    assert attestations

    for recorded in attestations:
        context = AppraisalContext(
            collateral=read_collateral(vectors / COLLATERAL / "collateral.json"),
            policy=compile_policy(_policy(recorded)),
            policy_signer=recorded.claims.get("x-ms-policy-signer"),
            at=datetime.fromtimestamp(verification_time(vectors), UTC),
            roots=roots,
            settings=AppraisalSettings(
                accepted_tcb=frozenset(TcbStatus), compatibility=Compatibility.Y2021
            ),
            memory=DcapMemory(roots),
        )

        result = appraise(
            AppraisalRequest(
                evidence_type=recorded.kind,
                evidence=recorded.evidence,
                runtime_data=_held(recorded.body),
            ),
            context,
        )

        assert result.verdict is Verdict.PERMIT, result.findings
        assert _comparable(dict(result.token_claims)) == _comparable(recorded.claims)
