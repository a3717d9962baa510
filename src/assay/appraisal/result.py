"""What an appraisal takes and what it concludes, with the reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from assay.appraisal.bindings import HeldData
from assay.claims import Claim
from assay.encoding import JsonValue
from assay.endorsements.tcb import TcbStatus
from assay.errors import Finding
from assay.evidence.dcap.checks import Check
from assay.evidence.dcap.tcb import TcbAppraisal
from assay.evidence.format import AttestationType
from assay.policy import Evaluation

MAA_ACCEPTED_TCB = frozenset(
    {
        TcbStatus.UP_TO_DATE,
        TcbStatus.SW_HARDENING_NEEDED,
        TcbStatus.CONFIGURATION_NEEDED,
        TcbStatus.CONFIGURATION_AND_SW_HARDENING_NEEDED,
    }
)
"""What an instance accepts unless it is set otherwise: nothing below the baseline."""


class Verdict(StrEnum):
    """The conclusion."""

    PERMIT = "permit"
    DENY = "deny"
    """The evidence verifies; the policy refuses it or cannot be evaluated on it."""

    INVALID = "invalid"
    """The evidence, or what was sent beside it, does not verify."""

    ERROR = "error"
    """No conclusion: what the checks need is missing or out of date."""


class Compatibility(StrEnum):
    """The build of MAA that tokens look like."""

    CURRENT = "current"
    Y2021 = "2021"


class AppraisalRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of evidence and what was sent beside it."""

    evidence_type: AttestationType
    evidence: bytes
    runtime_data: HeldData | None = None
    init_time_data: HeldData | None = None
    nonce: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AppraisalSettings:
    """What the instance's owner decided."""

    accepted_tcb: frozenset[TcbStatus] = MAA_ACCEPTED_TCB
    compatibility: Compatibility = Compatibility.CURRENT
    tcb_claims_in_token: bool = False
    """Whether `x-assay-tcb-*` and the like go into the token as well as to the policy."""

    expired_collateral_grace: timedelta = timedelta(0)


class CheckOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """How one step of the verification ended."""

    check: Check
    passed: bool | None
    """`None`: not reached."""


class PolicyOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What the policy decided; the account of it is made when asked for."""

    hash: str
    """`x-ms-policy-hash` of the policy's text."""

    evaluation: Evaluation | None = None
    error: str | None = None
    """Why the policy could not be evaluated on these claims."""

    @property
    def decision(self) -> str | None:
        """`permit`, `deny`, `no-permit` or `error`; `None` where no policy was asked."""
        if self.error is not None:
            return "error"
        return None if self.evaluation is None else self.evaluation.decision.value

    @property
    def rule(self) -> str | None:
        """The rule that decided, with its place: `line 4: [...] => deny();`."""
        rule = None if self.evaluation is None else self.evaluation.rule
        return None if rule is None else f"line {rule.line}: {rule.text}"

    @property
    def explanation(self) -> str:
        """One sentence; empty where no policy was asked."""
        if self.error is not None:
            return f"the policy failed at {self.error}"
        return "" if self.evaluation is None else self.evaluation.explanation


class AppraisalResult(msgspec.Struct, frozen=True, kw_only=True):
    """The conclusion of one appraisal. It can be replayed from the same inputs."""

    verdict: Verdict
    evidence_type: AttestationType
    at: datetime
    policy: PolicyOutcome
    checks: tuple[CheckOutcome, ...]
    findings: tuple[Finding, ...] = ()
    tcb: TcbAppraisal | None = None
    simulated: bool = False
    """Whether the root was a simulator's."""

    stale: tuple[str, ...] = ()
    """What of the collateral has expired, where the settings allowed it."""

    earliest_expiration: datetime | None = None
    incoming: tuple[Claim, ...] = ()
    """What the policy saw."""

    issued: Mapping[str, JsonValue] = msgspec.field(default_factory=dict)
    """What the policy issued."""

    token_claims: Mapping[str, JsonValue] = msgspec.field(default_factory=dict)
    """Everything for the token but issuer, times and identifier; only with `PERMIT`."""
