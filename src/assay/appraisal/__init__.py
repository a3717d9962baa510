"""The whole of one verification as a pure function: `appraise`."""

from assay.appraisal.bindings import HeldData, HeldDataType
from assay.appraisal.nonce import check_nonce
from assay.appraisal.pipeline import (
    AppraisalContext,
    ParsedRequest,
    appraise,
    appraise_parsed,
    baseline,
    parse_request,
    unverified_result,
)
from assay.appraisal.result import (
    MAA_ACCEPTED_TCB,
    AppraisalRequest,
    AppraisalResult,
    AppraisalSettings,
    CheckOutcome,
    Compatibility,
    PolicyOutcome,
    Verdict,
)

__all__ = [
    "MAA_ACCEPTED_TCB",
    "AppraisalContext",
    "AppraisalRequest",
    "AppraisalResult",
    "AppraisalSettings",
    "CheckOutcome",
    "Compatibility",
    "HeldData",
    "HeldDataType",
    "ParsedRequest",
    "PolicyOutcome",
    "Verdict",
    "appraise",
    "appraise_parsed",
    "baseline",
    "check_nonce",
    "parse_request",
    "unverified_result",
]
