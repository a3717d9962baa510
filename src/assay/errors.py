"""Every error that the package raises, and `Finding`, the record of one failed check.

Families are named by who has to act. Anything else that a caller may want to tell apart is the
`check` of a finding, not another class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One failed check."""

    check: str
    """Stable code, `<format>.<object>.<class>`; listed with its remedy in `docs/findings.md`."""

    expected: str
    """What the check requires, for a reader who knows the field."""

    actual: str
    """What came. Never evidence bytes at length, never a secret."""

    hint: str = ""
    """What to do about it, where there is something to do."""

    @property
    def error_class(self) -> str:
        """The last segment of the code in capitals, for example `QUOTE_SIGNATURE`."""
        return self.check.rpartition(".")[2].upper()

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.check}: expected {self.expected}, got {self.actual}{hint}"


class AssayError(Exception):
    """Root of the family; carries one sentence and, where checks failed, their findings."""

    def __init__(self, message: str, *, findings: Sequence[Finding] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.findings = tuple(findings)


class MalformedEvidenceError(AssayError):
    """The bytes do not follow their format. The attester must act."""


class UntrustedEvidenceError(AssayError):
    """Well formed, but a check failed. The attester must act."""


class CollateralUnavailableError(AssayError):
    """A check needs an endorsement that is missing, malformed or out of date."""


class PolicyError(AssayError):
    """The policy does not parse, does not type, or failed while it ran. Its author must act."""


class PolicyDeniedError(AssayError):
    """The policy refused the evidence, as designed."""


class RequestError(AssayError):
    """The request does not follow the protocol. The caller must act."""


class OperationRefusedError(AssayError):
    """The instance does not allow the change: its trust model, its signers, or its present state.

    Its owner must act.
    """


class UntrustedSignerError(OperationRefusedError):
    """A change is signed by a certificate that leads to none of the instance's signers."""


class UnknownInstanceError(AssayError):
    """There is no instance of that name. The caller must act."""


class TokenError(AssayError):
    """A token from outside is not its issuer's, or not valid now. Its bearer must act."""


class UnauthorizedError(AssayError):
    """The caller proved no right to what was asked. The caller must act.

    The message repeats nothing that the caller sent; what came is in the findings, which are for
    the operator.
    """

    def __init__(
        self, message: str, *, findings: Sequence[Finding] = (), challenge: str = ""
    ) -> None:
        super().__init__(message, findings=findings)
        self.challenge = challenge
        """How to authenticate, as HTTP's `WWW-Authenticate` says it."""


class IssuerUnavailableError(AssayError):
    """The keys of a bearer token's issuer cannot be had, so its token cannot be judged now.

    The operator must act; a caller may try again.
    """


class AuditError(AssayError):
    """The audit record was changed, cut or damaged. The operator must act."""


class SettingsError(AssayError):
    """The settings do not fit together or name what is not there. The operator must act."""


class BrokerUnavailableError(AssayError):
    """A key release broker gives no answer, or one that no broker gives.

    The operator must act; a caller may try again.
    """


class ReleaseRefusedError(AssayError):
    """A secret is not released, or what came is not the release that was asked for.

    Whoever asked must act.
    """


class RequirementError(SettingsError):
    """A requirement on a token's claims that no token could ever be judged by.

    Whoever wrote it must act.
    """


class SigningUnavailableError(AssayError):
    """The device that holds a signing key does not sign at the moment.

    The operator must act; a caller may try again.
    """


class StoreUnavailableError(AssayError):
    """The database cannot do what is asked: locked, read-only, full, broken, or of a newer schema.

    The operator must act; a caller may try again.
    """


class FindingCollector:
    """Gathers the findings of checks that do not depend on each other.

    Checks raise; this lets the next independent one run all the same, so that one refusal names
    every reason for it.
    """

    __slots__ = ("_findings",)

    def __init__(self) -> None:
        self._findings: list[Finding] = []

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What has been gathered, in the order of the checks."""
        return tuple(self._findings)

    def __enter__(self) -> None:
        """Run one check: `with collector: check()`."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        """Keep the findings of an `AssayError`; let everything else through."""
        if not isinstance(error, AssayError) or not error.findings:
            return False
        self._findings.extend(error.findings)
        return True
