"""What a user sees when a command fails: one sentence with cause and fix, and an exit code."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from typing import Final

from assay.cli.exit_code import ExitCode
from assay.encoding import EncodingError
from assay.errors import (
    AssayError,
    AuditError,
    CollateralUnavailableError,
    MalformedEvidenceError,
    OperationRefusedError,
    PolicyDeniedError,
    PolicyError,
    ReleaseRefusedError,
    RequestError,
    SettingsError,
    SigningUnavailableError,
    StoreUnavailableError,
    TokenError,
    UnknownInstanceError,
    UntrustedEvidenceError,
)

DEBUG_VARIABLE: Final = "ASSAY_DEBUG"

_CODES: Final[tuple[tuple[type[AssayError], ExitCode], ...]] = (
    (MalformedEvidenceError, ExitCode.INVALID),
    (UntrustedEvidenceError, ExitCode.INVALID),
    (TokenError, ExitCode.INVALID),
    (AuditError, ExitCode.INVALID),
    (PolicyDeniedError, ExitCode.DENIED),
    (ReleaseRefusedError, ExitCode.DENIED),
    (CollateralUnavailableError, ExitCode.COLLATERAL),
    (StoreUnavailableError, ExitCode.SERVICE),
    (SigningUnavailableError, ExitCode.SERVICE),
    (RequestError, ExitCode.USAGE),
    (OperationRefusedError, ExitCode.USAGE),
    (UnknownInstanceError, ExitCode.USAGE),
    (PolicyError, ExitCode.USAGE),
    (SettingsError, ExitCode.USAGE),
    (EncodingError, ExitCode.USAGE),
)
_REFUSED_REQUEST: Final = 400


def exit_code_of(error: BaseException) -> ExitCode:
    """Whose fault it is: the code that scripts see."""
    if not isinstance(error, AssayError):
        return ExitCode.INTERNAL
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code
    return _client_code(error)


def report_failure(error: BaseException) -> ExitCode:
    """Tell standard error what went wrong."""
    code = exit_code_of(error)
    if os.environ.get(DEBUG_VARIABLE):
        traceback.print_exception(error)
    elif code is ExitCode.INTERNAL:
        _say(
            f"internal error: {type(error).__name__}: {error}; this is a defect in assay, and "
            f"{DEBUG_VARIABLE}=1 shows where"
        )
    else:
        _say(_sentence(error))
    return code


def _client_code(error: AssayError) -> ExitCode:
    # Only here, because it brings the HTTP client with it.
    from assay.client import ServiceError, TokenValidationError

    if isinstance(error, TokenValidationError):
        return ExitCode.INVALID
    if not isinstance(error, ServiceError):
        return ExitCode.SERVICE
    if error.code == "PolicyEvaluationError":
        return ExitCode.DENIED
    if error.code == "CollateralUnavailable":
        return ExitCode.COLLATERAL
    if "InvalidQuote" in {error.code, error.inner_code}:
        return ExitCode.INVALID
    return ExitCode.USAGE if error.status == _REFUSED_REQUEST else ExitCode.SERVICE


def _say(text: str) -> None:
    from assay.cli.render import printable

    # Where standard error is closed, `print` would take standard output instead.
    if sys.stderr is None:
        return
    # Where it is full, the code is all that can be told.
    with contextlib.suppress(OSError):
        for line in f"assay: {text}".splitlines():
            print(printable(line), file=sys.stderr)


def _sentence(error: BaseException) -> str:
    findings = error.findings if isinstance(error, AssayError) else ()
    hints = dict.fromkeys(finding.hint for finding in findings if finding.hint)
    text = str(error)
    return "; ".join((text, *(hint for hint in hints if hint not in text)))
