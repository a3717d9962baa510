"""Errors as they go over the wire: the only place that knows statuses and codes.

Codes and the shape are those of MAA, the messages are ours: one sentence that names the check,
and in `details` every finding. The codes of the management plane are in
`assay.server.arm.errors`.

Source: MAA protocol, section 11; Azure REST API guidelines, "Error condition responses".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from assay.encoding import JsonValue, encode_json
from assay.errors import (
    AssayError,
    CollateralUnavailableError,
    Finding,
    IssuerUnavailableError,
    MalformedEvidenceError,
    OperationRefusedError,
    PolicyDeniedError,
    PolicyError,
    RequestError,
    SettingsError,
    SigningUnavailableError,
    StoreUnavailableError,
    TokenError,
    UnauthorizedError,
    UnknownInstanceError,
    UntrustedEvidenceError,
    UntrustedSignerError,
)
from assay.policy import PolicyProblem, PolicySyntaxError, RuleRecord
from assay.server.evidence_words import evidence_word
from assay.service.attestation import PolicyRefusalError
from assay.service.instance_options import PolicyExplanations
from assay.service.tpm_attestation import NoTpmPolicyError

_MAX_MESSAGE: Final = 2000
_MAX_DETAILS: Final = 32
_MAX_REASONS: Final = 8
"""Rules of a refusal, conditions of a rule."""

# What MAA says, recorded and documented; what it says of a function that fails is not known.
_BARE_REFUSALS: Final = {
    "deny": "Policy Engine Exception: A Deny claim was issued, authorization failed.",
    "no-permit": "Policy Engine Exception: No Permit claim was issued in the authorizationrules "
    "section, authorization failed.",
    "error": "Policy Evaluation Error has occurred",
}

_COLLATERAL_RETRY_SECONDS: Final = 5
"""Clients sleep this long up to three times, so no longer than somebody waits."""

_BUSY_RETRY_SECONDS: Final = 1


class Refusal(Enum):
    """A request that no use case has seen, with its status, code and inner code."""

    API_VERSION_AMBIGUOUS = (400, "AmbiguousApiVersion", None)
    API_VERSION_MISSING = (400, "ApiVersionUnspecified", None)
    API_VERSION_UNKNOWN = (400, "UnsupportedApiVersion", None)
    INSTANCE_AMBIGUOUS = (400, "InvalidParameter", "AmbiguousInstance")
    ATTESTATION_TYPE = (400, "InvalidParameter", "UnsupportedAttestationType")
    NOT_FOUND = (404, "NotFound", None)
    METHOD = (405, "MethodNotAllowed", None)
    TIMEOUT = (408, "RequestTimeout", None)
    BODY_SIZE = (413, "RequestTooLarge", None)
    MEDIA_TYPE = (415, "UnsupportedMediaType", None)
    HEADER_SIZE = (431, "RequestHeaderTooLarge", None)
    INTERNAL = (500, "InternalError", None)
    HTTP = (400, "BadRequest", None)
    BUSY = (503, "ServerBusy", None)


class RefusedRequestError(RequestError):
    """A request that is refused before any use case sees it."""

    def __init__(
        self,
        refusal: Refusal,
        message: str,
        *,
        target: str | None = None,
        allow: str = "",
    ) -> None:
        super().__init__(message)
        self.refusal = refusal
        self.target = target
        self.allow = allow
        """The methods that are allowed, for the header of that name."""


class AnsweredError(RequestError):
    """An error whose answer is there already, in the codes of another interface."""

    def __init__(self, answer: ErrorAnswer, error: AssayError) -> None:
        super().__init__(error.message, findings=error.findings)
        self.answer = answer


class StoredPolicyError(RequestError):
    """A text that was to be stored as a policy, and is none."""

    def __init__(self, problems: Sequence[PolicyProblem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """One reason, as a member of `details`."""

    code: str
    message: str
    target: str
    details: tuple[Detail, ...] = ()

    def members(self) -> dict[str, JsonValue]:
        """As JSON."""
        members: dict[str, JsonValue] = {
            "code": self.code,
            "message": _text(self.message),
            "target": _text(self.target),
        }
        if self.details:
            members["details"] = [detail.members() for detail in self.details]
        return members


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorAnswer:
    """An error as it is sent."""

    status: int
    code: str
    message: str
    inner_code: str | None = None
    target: str | None = None
    details: tuple[Detail, ...] = ()
    retry_seconds: int | None = None
    allow: str = ""
    challenge: str = ""
    """How to authenticate, for the header `WWW-Authenticate`."""

    more_headers: tuple[tuple[bytes, bytes], ...] = ()
    close: bool = False
    """Whether the connection ends with it: what is left of the request is not read."""

    @property
    def body(self) -> bytes:
        """JSON, compact."""
        error: dict[str, JsonValue] = {"code": self.code, "message": _text(self.message)}
        if self.target is not None:
            error["target"] = _text(self.target)
        if self.details:
            error["details"] = [detail.members() for detail in self.details[:_MAX_DETAILS]]
        if self.inner_code is not None:
            error["innererror"] = {"code": self.inner_code}
        return encode_json({"error": error})

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Beside those that every answer has."""
        headers = [(b"x-ms-error-code", self.code.encode("ascii")), *self.more_headers]
        if self.retry_seconds is not None:
            headers.append((b"retry-after", str(self.retry_seconds).encode("ascii")))
        if self.allow:
            headers.append((b"allow", self.allow.encode("ascii")))
        if self.challenge:
            headers.append((b"www-authenticate", self.challenge.encode("ascii")))
        if self.close:
            headers.append((b"connection", b"close"))
        return headers


def error_answer(error: AssayError) -> ErrorAnswer:
    """The answer to a request that ended with `error`.

    Raises:
        LookupError: No request causes an error of this family.
    """
    for family, answer in _ANSWERS:
        if isinstance(error, family):
            return answer(error)
    raise LookupError(f"{type(error).__name__} answers no request")


def internal_answer(request_id: str) -> ErrorAnswer:
    """The answer to a request that ended with a defect of this program."""
    status, code, _ = Refusal.INTERNAL.value
    return ErrorAnswer(
        status=status,
        code=code,
        message=f"the service failed on this request; its operator finds it as {request_id}",
    )


def _refused(error: AssayError) -> ErrorAnswer:
    assert isinstance(error, RefusedRequestError)  # noqa: S101  the table says so
    status, code, inner_code = error.refusal.value
    return ErrorAnswer(
        status=status,
        code=code,
        inner_code=inner_code,
        message=error.message,
        target=error.target,
        retry_seconds=_BUSY_RETRY_SECONDS if error.refusal is Refusal.BUSY else None,
        allow=error.allow,
        close=error.refusal in _CLOSING,
    )


def _answered(error: AssayError) -> ErrorAnswer:
    assert isinstance(error, AnsweredError)  # noqa: S101  the table says so
    return error.answer


def _malformed_request(error: AssayError) -> ErrorAnswer:
    return ErrorAnswer(
        status=400,
        code="InvalidParameter",
        inner_code="InvalidRequest",
        message=error.message,
        details=_details(error.findings),
    )


def _no_tpm_policy(error: AssayError) -> ErrorAnswer:
    # Code and message are recorded, space and all.
    return ErrorAnswer(status=400, code="Bad request", message=error.message)


def _bad_evidence(error: AssayError) -> ErrorAnswer:
    return ErrorAnswer(
        status=400,
        code="InvalidParameter",
        inner_code=evidence_word(error.findings),
        message=f"the evidence is not accepted: {error.message}",
        details=_details(error.findings),
    )


def _no_collateral(error: AssayError) -> ErrorAnswer:
    return ErrorAnswer(
        status=503,
        code="CollateralUnavailable",
        message=f"the evidence cannot be judged now: {error.message}",
        details=_details(error.findings),
        retry_seconds=_COLLATERAL_RETRY_SECONDS,
    )


def _denied(error: AssayError) -> ErrorAnswer:
    return ErrorAnswer(
        status=400,
        code="PolicyEvaluationError",
        message=f"the policy does not permit this evidence: {error.message}",
        details=_details(error.findings),
    )


def _refused_by_policy(error: AssayError) -> ErrorAnswer:
    assert isinstance(error, PolicyRefusalError)  # noqa: S101  the table says so
    if error.explanations is PolicyExplanations.MINIMAL:
        message = _BARE_REFUSALS[error.decision]
        return ErrorAnswer(status=400, code="PolicyEvaluationError", message=message)
    rules = tuple(_rule_detail(record) for record in error.reasons[:_MAX_REASONS])
    answer = _denied(error)
    return replace(
        answer, details=tuple(replace(detail, details=rules) for detail in answer.details)
    )


def _rule_detail(record: RuleRecord) -> Detail:
    """A rule with the conditions that decided: all where it fired, else those that failed."""
    conditions = [item for item in record.conditions if item.held is record.fired]
    return Detail(
        code="policy.rule.fired" if record.fired else "policy.rule.unmet",
        message=record.rule.text,
        target=f"line {record.rule.line}, column {record.rule.column}",
        details=tuple(
            Detail(
                code="policy.condition.held" if item.held else "policy.condition.failed",
                message=f"expected {item.expected}, {item.actual}",
                target=item.claim_type or "claims",
            )
            for item in conditions[:_MAX_REASONS]
        ),
    )


def _not_a_policy(error: AssayError) -> ErrorAnswer:
    assert isinstance(error, PolicySyntaxError)  # noqa: S101  the table says so
    return _parsing_answer("the draft policy", error.problems, target="draftPolicyForAttestation")


def _not_a_policy_to_store(error: AssayError) -> ErrorAnswer:
    assert isinstance(error, StoredPolicyError)  # noqa: S101  the table says so
    return _parsing_answer("the policy", error.problems, target="AttestationPolicy")


def _parsing_answer(what: str, problems: Sequence[PolicyProblem], *, target: str) -> ErrorAnswer:
    details = tuple(
        Detail(
            code="policy.syntax",
            message=problem.message,
            target=f"line {problem.line}, column {problem.column}",
        )
        for problem in problems
    )
    return ErrorAnswer(
        status=400,
        code="PolicyParsingError",
        message=f"{what} is not a policy: {details[0].target}: {details[0].message}",
        target=target,
        details=details,
    )


def _failed_policy(error: AssayError) -> ErrorAnswer:
    return ErrorAnswer(
        status=400,
        code="PolicyEvaluationError",
        message=f"the policy failed: {error.message}",
        details=_details(error.findings),
    )


def _refused_operation(error: AssayError) -> ErrorAnswer:
    return ErrorAnswer(
        status=400,
        code="InvalidOperation",
        message=error.message,
        details=_details(error.findings),
    )


def _untrusted_signer(error: AssayError) -> ErrorAnswer:
    return ErrorAnswer(
        status=400,
        code="InvalidParameter",
        inner_code="UntrustedSigner",
        message=error.message,
        details=_details(error.findings),
    )


def _unknown_instance(error: AssayError) -> ErrorAnswer:
    status, code, _ = Refusal.NOT_FOUND.value
    return ErrorAnswer(status=status, code=code, message=error.message, target="instance")


def _unusable_instance(_error: AssayError) -> ErrorAnswer:
    # What is wrong with it is for the log, and its operator.
    return ErrorAnswer(
        status=503,
        code="InstanceUnavailable",
        message="the instance cannot be served as it is set up; its operator must act",
    )


def _store(_error: AssayError) -> ErrorAnswer:
    # What the database said is for the log.
    return ErrorAnswer(
        status=503,
        code="StoreUnavailable",
        message="the service's database cannot be used at the moment; try again",
        retry_seconds=_COLLATERAL_RETRY_SECONDS,
    )


def _signing(_error: AssayError) -> ErrorAnswer:
    # Which token it is, and what it said, is for the log.
    return ErrorAnswer(
        status=503,
        code="SigningUnavailable",
        message="the service's signing key cannot be used at the moment; try again",
        retry_seconds=_COLLATERAL_RETRY_SECONDS,
    )


def _unauthorized(error: AssayError) -> ErrorAnswer:
    """One answer for callers who are not known and for those who lack a right.

    It tells what was expected, and repeats nothing of what came.

    Source: MAA protocol, sections 4 and 11.
    """
    assert isinstance(error, UnauthorizedError)  # noqa: S101  the table says so
    return ErrorAnswer(
        status=401,
        code="Unauthorized",
        message=error.message,
        details=tuple(
            Detail(
                code=finding.check,
                message=f"expected {finding.expected}",
                target=finding.check.rpartition(".")[0],
            )
            for finding in error.findings
        ),
        challenge=error.challenge,
    )


def _issuer(_error: AssayError) -> ErrorAnswer:
    # Where the issuer's keys are is for the log.
    return ErrorAnswer(
        status=503,
        code="IssuerUnavailable",
        message="the keys of the token's issuer cannot be had at the moment; try again",
        retry_seconds=_COLLATERAL_RETRY_SECONDS,
    )


def _details(findings: Iterable[Finding]) -> tuple[Detail, ...]:
    return tuple(
        Detail(
            code=finding.check,
            message=f"expected {finding.expected}, got {finding.actual}"
            + (f" ({finding.hint})" if finding.hint else ""),
            target=finding.check.rpartition(".")[0],
        )
        for finding in findings
    )


def _text(text: str) -> str:
    shown = text if len(text) <= _MAX_MESSAGE else text[:_MAX_MESSAGE] + "..."
    # Names out of a request may hold what UTF-8 cannot carry.
    return shown.encode("utf-8", "replace").decode("utf-8")


_CLOSING: Final = frozenset(
    {
        Refusal.HTTP,
        Refusal.TIMEOUT,
        Refusal.BODY_SIZE,
        Refusal.HEADER_SIZE,
        Refusal.BUSY,
        Refusal.MEDIA_TYPE,
    }
)

# Subclasses stand before their families.
_ANSWERS: Final[tuple[tuple[type[AssayError], Callable[[AssayError], ErrorAnswer]], ...]] = (
    (AnsweredError, _answered),
    (RefusedRequestError, _refused),
    (StoredPolicyError, _not_a_policy_to_store),
    (UnauthorizedError, _unauthorized),
    (IssuerUnavailableError, _issuer),
    (RequestError, _malformed_request),
    (MalformedEvidenceError, _bad_evidence),
    (UntrustedEvidenceError, _bad_evidence),
    (CollateralUnavailableError, _no_collateral),
    (PolicyRefusalError, _refused_by_policy),
    (PolicyDeniedError, _denied),
    (PolicySyntaxError, _not_a_policy),
    (PolicyError, _failed_policy),
    (TokenError, _refused_operation),
    (UntrustedSignerError, _untrusted_signer),
    (NoTpmPolicyError, _no_tpm_policy),
    (OperationRefusedError, _refused_operation),
    (UnknownInstanceError, _unknown_instance),
    (SettingsError, _unusable_instance),
    (SigningUnavailableError, _signing),
    (StoreUnavailableError, _store),
)
