"""An appraisal as the one JSON object that `assay appraise --json` prints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from assay.appraisal import AppraisalResult, PolicyOutcome, Verdict
from assay.claims import Claim
from assay.encoding import JsonValue
from assay.errors import Finding
from assay.evidence.dcap.tcb import TcbAppraisal
from assay.x509 import rfc3339


def appraisal_report(result: AppraisalResult) -> dict[str, JsonValue]:
    """The members in the order of the documentation."""
    return {
        "verdict": result.verdict.value,
        "evidence_type": result.evidence_type.value,
        "tcb": None if result.tcb is None else _tcb(result.tcb),
        "claims": claims_by_name(result.incoming),
        "issued_claims": dict(result.issued),
        "findings": findings_report(result.findings),
        "policy": _policy(result.policy),
        "at": rfc3339(int(result.at.timestamp())),
    }


def refusal_report(
    verdict: Verdict, findings: Sequence[Finding], at: datetime
) -> dict[str, JsonValue]:
    """The same members for a file that holds no evidence of any kind."""
    return {
        "verdict": verdict.value,
        "evidence_type": None,
        "tcb": None,
        "claims": {},
        "issued_claims": {},
        "findings": findings_report(findings),
        "policy": _policy(None),
        "at": rfc3339(int(at.timestamp())),
    }


def claims_by_name(claims: Iterable[Claim]) -> dict[str, JsonValue]:
    """Claims as an object: one value as it is, several as an array in their order."""
    values: dict[str, list[JsonValue]] = {}
    for claim in claims:
        values.setdefault(claim.type, []).append(claim.value)
    return {name: found[0] if len(found) == 1 else found for name, found in values.items()}


def findings_report(findings: Iterable[Finding]) -> list[JsonValue]:
    """Findings as objects, in their order."""
    return [
        {
            "check": finding.check,
            "expected": finding.expected,
            "actual": finding.actual,
            "hint": finding.hint,
        }
        for finding in findings
    ]


def _tcb(tcb: TcbAppraisal) -> JsonValue:
    return {
        "status": tcb.status.value,
        "advisory_ids": list(tcb.advisory_ids),
        "date": tcb.tcb_date_text,
        "evaluation_numbers": {
            "tcb_info": tcb.tcb_info_number,
            "qe_identity": tcb.qe_identity_number,
        },
    }


def _policy(policy: PolicyOutcome | None) -> JsonValue:
    if policy is None:
        return {"hash": None, "decision": None, "rule": None}
    return {"hash": policy.hash, "decision": policy.decision, "rule": policy.rule}
