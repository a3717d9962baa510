"""What can come back instead of a result. Each says whether trying again may help.

| class | what happened | who acts |
|---|---|---|
| `TransportError` | no answer came | nobody, or whoever keeps the network |
| `ServiceError` | the service refused, or its answer is none | whoever sent the request |
| `AuthenticationError` | it does not let the caller do it (a `ServiceError`) | the caller |
| `CredentialError` | the credential gives no access token | the caller |
| `TokenValidationError` | the service's token is not what it must be | nobody may go on |

Arguments that no request can be made of are a `RequestError`, before anything is sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from assay.errors import AssayError, Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorDetail:
    """One reason that the service gives."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorAnswer:
    """What an answer says about its failure, beside its message."""

    status: int
    code: str = ""
    inner_code: str = ""
    details: tuple[ErrorDetail, ...] = ()
    request_id: str = ""
    retry_after_seconds: float | None = None


_NO_ANSWER: Final = ErrorAnswer(status=0)


class AttestationError(AssayError):
    """Root of the client's errors."""

    def __init__(
        self,
        message: str,
        *,
        answer: ErrorAnswer | None = None,
        retryable: bool = False,
        findings: Sequence[Finding] = (),
    ) -> None:
        super().__init__(message, findings=findings)
        known = answer or _NO_ANSWER
        self.status: int | None = known.status or None
        """Of the HTTP answer, if there was one."""
        self.code = known.code
        """The protocol's code, for example `InvalidParameter`; empty where there was none."""
        self.inner_code = known.inner_code
        self.details = known.details
        self.request_id = known.request_id
        """What the service's log has this request under, else what the client sent for that."""
        self.retryable = retryable
        """Whether the same request may succeed later, with nothing changed by anybody."""
        self.retry_after_seconds = known.retry_after_seconds
        """How long the service asks callers to wait."""


class TransportError(AttestationError):
    """No answer came: no connection, no trust in it, or no end of it in time."""

    def __init__(self, message: str, *, retryable: bool = False, sent: bool = True) -> None:
        super().__init__(message, retryable=retryable)
        self.sent = sent
        """Whether the service may have seen the request."""


class ServiceError(AttestationError):
    """The service answered with an error, or with something that is not an answer."""


class AuthenticationError(ServiceError):
    """The service does not know the caller, or the caller has no right to what was asked."""


class CredentialError(AttestationError):
    """The credential gives no access token."""


class TokenValidationError(AttestationError):
    """The service's token fails a check; the findings say which."""
