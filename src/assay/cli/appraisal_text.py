"""An appraisal as people read it: the verdict first, then why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from assay.appraisal import AppraisalResult, CheckOutcome, PolicyOutcome, Verdict
from assay.cli.render import BAD, DIM, GOOD, WARNING, Answer, listed
from assay.evidence.dcap.tcb import TcbAppraisal
from assay.x509 import rfc3339

_STYLES: Final = {
    Verdict.PERMIT: GOOD,
    Verdict.DENY: BAD,
    Verdict.INVALID: BAD,
    Verdict.ERROR: WARNING,
}
_MEANINGS: Final = {
    Verdict.PERMIT: "the evidence verifies, and the policy permits it",
    Verdict.DENY: "the evidence verifies, but the policy does not permit it",
    Verdict.INVALID: "the evidence does not verify; no policy was asked",
    Verdict.ERROR: "no conclusion: what the checks need is missing or out of date",
}
_OUTCOMES: Final = {True: ("pass", GOOD), False: ("FAIL", BAD), None: ("not judged", DIM)}


def show_verdict(answer: Answer, verdict: Verdict) -> None:
    """The verdict in one line."""
    answer.line(
        ("verdict: ", "bold"), (verdict.value, _STYLES[verdict]), f" - {_MEANINGS[verdict]}"
    )


def show_appraisal(answer: Answer, result: AppraisalResult) -> None:
    """Everything that a reader needs in order to understand the verdict, without the verdict."""
    show_checks(answer, result.checks)
    if result.findings:
        answer.heading("failed checks")
        answer.findings(result.findings)
    answer.line()
    if result.tcb is not None:
        show_tcb(answer, result.tcb)
    show_policy(answer, result.policy)
    if result.simulated:
        answer.fact("root", ("a simulator's: this proves nothing about real hardware", WARNING))
    if result.earliest_expiration is not None:
        moment = rfc3339(int(result.earliest_expiration.timestamp()))
        answer.fact("expires", f"{moment}, when the first document behind this verdict does")


def show_checks(answer: Answer, checks: Sequence[CheckOutcome]) -> None:
    """The numbered steps of the verification, each with its outcome."""
    answer.heading("checks")
    for outcome in checks:
        word, style = _OUTCOMES[outcome.passed]
        answer.line(
            "  ", (f"{word:<10}", style), f"  {outcome.check.step:>2}  {outcome.check.title}"
        )


def show_tcb(answer: Answer, tcb: TcbAppraisal) -> None:
    """How up to date the platform is, and what it is short of."""
    answer.fact(
        "TCB",
        f"{tcb.status} as of {tcb.tcb_date_text[:10]}; platform {tcb.platform_status}, "
        f"quoting enclave {tcb.qe_status}",
    )
    answer.fact("", f"advisories: {listed(tcb.advisory_ids)}")
    for shortfall in tcb.shortfalls:
        answer.fact("", f"short of the best level: {shortfall}")
    answer.fact(
        "",
        f"evaluation data number {tcb.tcb_info_number} (TCB info), "
        f"{tcb.qe_identity_number} (QE identity)",
    )


def show_policy(answer: Answer, policy: PolicyOutcome) -> None:
    """What the policy decided and why."""
    if policy.decision is None:
        answer.fact("policy", "not asked")
        return
    answer.fact("policy", f"{policy.decision}: {policy.explanation}")
    if policy.rule is not None:
        answer.fact("", f"rule at {policy.rule}")
    answer.fact("", f"x-ms-policy-hash {policy.hash}")
