"""Who may do what: rights, the callers that hold them, and the tokens that carry them."""

from __future__ import annotations

from assay.access.api_token import (
    MAX_LIFETIME,
    TOKEN_PREFIX,
    ApiToken,
    IssuedApiToken,
    issue_api_token,
    token_digest,
    token_id,
)
from assay.access.caller import ANONYMOUS, Caller, CallerKind, check_caller_name
from assay.access.rights import ALL_INSTANCES, Grants, Right

__all__ = [
    "ALL_INSTANCES",
    "ANONYMOUS",
    "MAX_LIFETIME",
    "TOKEN_PREFIX",
    "ApiToken",
    "Caller",
    "CallerKind",
    "Grants",
    "IssuedApiToken",
    "Right",
    "check_caller_name",
    "issue_api_token",
    "token_digest",
    "token_id",
]
