"""Every recorded attestation of the real service, appraised again: same request, same claims.

What differs, and why: `iss`, `jku`, `iat`, `nbf`, `exp` and `jti` are of the moment and the
instance; of `x-ms-sgx-collateral` and its twin only `quotehash` is about the request, the other
six are about Intel's documents of July 2021, which nobody kept.
"""

from __future__ import annotations

import json
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
from assay.evidence.format import AttestationType
from assay.policy import compile_policy, default_policy
from tests.corpus.dcap import read_collateral
from tests.vectors import vector_params

COLLATERAL = "dcap/real/sgx-v3-00906ed50000-SWHardeningNeeded-2"
PERMIT_ALL = "version=1.0; authorizationrules{=> permit();}; issuancerules{};"
OF_THE_MOMENT = {"iss", "iat", "nbf", "exp", "jti"}
COLLATERAL_CLAIMS = ("x-ms-sgx-collateral", "maa-attestationcollateral")


def _attestations(path: Path) -> list[dict[str, Any]]:
    interactions: list[dict[str, Any]] = json.loads(path.read_text())["interactions"]
    return [
        interaction
        for interaction in interactions
        if "/attest/SgxEnclave" in interaction["uri"] or "/attest/OpenEnclave" in interaction["uri"]
    ]


def _held(body: dict[str, Any]) -> HeldData | None:
    sent = body.get("runtimeData")
    if sent is None:
        return None
    return HeldData(decode_base64url(sent["data"], "runtimeData"), HeldDataType(sent["dataType"]))


def _policy(interaction: dict[str, Any]) -> str:
    """The instance's: the shared one keeps its default, the others permit everything."""
    draft = interaction["request_body"].get("draftPolicyForAttestation")
    if draft is not None:
        return str(draft)
    if "shared" in interaction["response_token"]["claims"]["iss"]:
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


@pytest.mark.parametrize("path", vector_params("maa/python/*attest_*_enclave.json"))
def test_the_same_request_gives_the_claims_that_were_recorded(path: Path, vectors: Path) -> None:
    folder = vectors / COLLATERAL
    seconds = json.loads((folder / "vector.json").read_text())["verification_time"]
    roots = intel_sgx_anchors()
    attestations = _attestations(path)
    assert attestations

    for interaction in attestations:
        body = interaction["request_body"]
        kind = AttestationType.SGX_ENCLAVE if "quote" in body else AttestationType.OPEN_ENCLAVE
        name = str(body.get("quote") or body["report"]).removeprefix("<see ").removesuffix(">")
        evidence = decode_base64url((vectors / "maa" / name).read_text().strip(), "evidence")
        recorded = interaction["response_token"]["claims"]
        context = AppraisalContext(
            collateral=read_collateral(folder / "collateral.json"),
            policy=compile_policy(_policy(interaction)),
            policy_signer=recorded.get("x-ms-policy-signer"),
            at=datetime.fromtimestamp(seconds, UTC),
            roots=roots,
            settings=AppraisalSettings(
                accepted_tcb=frozenset(TcbStatus), compatibility=Compatibility.Y2021
            ),
            memory=DcapMemory(roots),
        )

        result = appraise(
            AppraisalRequest(evidence_type=kind, evidence=evidence, runtime_data=_held(body)),
            context,
        )

        assert result.verdict is Verdict.PERMIT, result.findings
        assert _comparable(dict(result.token_claims)) == _comparable(recorded)
