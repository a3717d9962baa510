"""DCAP vectors as the verifier takes them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assay.endorsements.anchors import Anchors, intel_sgx_anchors, read_anchors
from assay.endorsements.collateral import DcapCollateral
from assay.evidence.dcap.memory import DcapMemory
from assay.evidence.dcap.verify import DcapVerification


@dataclass(frozen=True)
class Vector:
    """One folder of `dcap/real` or `dcap/made`."""

    evidence: bytes
    sidecar: dict[str, Any]
    collateral: DcapCollateral
    context: DcapVerification


def read_vector(folder: Path) -> Vector:
    sidecar = read_sidecar(folder)
    roots = _read_roots(folder, sidecar)
    collateral = read_collateral(folder / "collateral.json")
    return Vector(
        evidence=(folder / "quote.bin").read_bytes(),
        sidecar=sidecar,
        collateral=collateral,
        context=DcapVerification(
            collateral=collateral,
            at=datetime.fromtimestamp(sidecar["verification_time"], UTC),
            roots=roots,
            memory=DcapMemory(roots),
        ),
    )


def read_sidecar(folder: Path) -> dict[str, Any]:
    name = "case.json" if (folder / "case.json").exists() else "vector.json"
    sidecar: dict[str, Any] = json.loads((folder / name).read_text())
    return sidecar


def read_collateral(path: Path) -> DcapCollateral:
    stored = json.loads(path.read_text())
    text = ("tcb_info", "tcb_info_issuer_chain", "qe_identity", "qe_identity_issuer_chain")
    return DcapCollateral(
        **{name: stored[name].encode() for name in (*text, "pck_crl_issuer_chain")},
        **{
            name: bytes.fromhex(stored[name])
            for name in (
                "tcb_info_signature",
                "qe_identity_signature",
                "root_ca_crl",
                "pck_crl",
            )
        },
    )


def _read_roots(folder: Path, sidecar: dict[str, Any]) -> Anchors:
    root = folder / str(sidecar.get("root", ""))
    return read_anchors([root.read_bytes()]) if root.is_file() else intel_sgx_anchors()
