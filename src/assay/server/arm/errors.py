"""Errors of the management plane: its statuses and codes.

Codes are those that Azure Resource Manager uses, the messages are ours. What has no code there
keeps the one that it has elsewhere.

Source: Azure Resource Manager, "Common API details" and "Troubleshoot common deployment errors".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from typing import Final

from starlette.exceptions import HTTPException

from assay.errors import (
    AssayError,
    OperationRefusedError,
    RequestError,
    UnauthorizedError,
    UnknownInstanceError,
    UntrustedSignerError,
)
from assay.server.errors import ErrorAnswer, Refusal, RefusedRequestError, error_answer

_LACKS_RIGHT: Final = "access.rights."
_NO_CREDENTIAL: Final = "access.credential.missing"

# The finding that decided, where the code is not the common one of its kind.
_CONFLICTS: Final = {
    "management.provider.kept": "OperationNotAllowed",
    "management.provider.location": "InvalidResourceLocation",
}


class ArmRefusal(Enum):
    """A request that no use case has seen, with its status and code."""

    API_VERSION_MISSING = (400, "MissingApiVersionParameter")
    API_VERSION_INVALID = (400, "InvalidApiVersionParameter")
    API_VERSION_UNSUPPORTED = (400, "NoRegisteredProviderFound")
    CONTENT = (400, "InvalidRequestContent")
    LOCATION = (400, "LocationNotAvailableForResourceType")
    LOCATION_MISSING = (400, "LocationRequired")
    NOT_SUPPORTED = (400, "NotSupported")
    RESOURCE_GROUP = (400, "InvalidResourceGroupName")
    RESOURCE_NAME = (400, "InvalidResourceName")
    SUBSCRIPTION = (400, "InvalidSubscriptionId")
    NAMESPACE = (404, "InvalidResourceNamespace")
    RESOURCE_TYPE = (404, "InvalidResourceType")
    METHOD = (405, "MethodNotAllowed")


class ArmRefusedError(RequestError):
    """A request that is refused before any use case sees it."""

    def __init__(
        self, refusal: ArmRefusal, message: str, *, target: str | None = None, allow: str = ""
    ) -> None:
        super().__init__(message)
        self.refusal = refusal
        self.target = target
        self.allow = allow
        """The methods that are allowed, for the header of that name."""


def arm_answer(error: AssayError) -> ErrorAnswer:
    """The answer to a request that ended with `error`.

    Raises:
        LookupError: No request causes an error of this family.
    """
    for family, answer in _ANSWERS:
        if isinstance(error, family):
            return answer(error)
    return error_answer(error)


def routing_refusal(error: HTTPException, method: str, path: str) -> ArmRefusedError:
    """What the router found no route for.

    Args:
        error: What it raised.
        method: The request's.
        path: The request's, in lower case.
    """
    if error.status_code == Refusal.METHOD.value[0]:
        allowed = (error.headers or {}).get("Allow", "")
        return ArmRefusedError(
            ArmRefusal.METHOD, f"this resource answers {allowed}, not {method[:16]}", allow=allowed
        )
    if "/providers/" in path and "/providers/microsoft.attestation" not in path:
        return ArmRefusedError(
            ArmRefusal.NAMESPACE,
            "the resource namespace is not here; there is Microsoft.Attestation",
        )
    return ArmRefusedError(
        ArmRefusal.RESOURCE_TYPE,
        "there is no such resource type here; docs/management.md lists those that there are",
    )


def _refused(error: AssayError) -> ErrorAnswer:
    assert isinstance(error, ArmRefusedError)  # noqa: S101  the table says so
    status, code = error.refusal.value
    return ErrorAnswer(
        status=status, code=code, message=error.message, target=error.target, allow=error.allow
    )


def _unauthorized(error: AssayError) -> ErrorAnswer:
    """Other than on the data plane, who is known and lacks a right learns that it is so."""
    answer = error_answer(error)
    checks = [finding.check for finding in error.findings]
    if any(check.startswith(_LACKS_RIGHT) for check in checks):
        return replace(answer, status=403, code="AuthorizationFailed", challenge="")
    if _NO_CREDENTIAL in checks:
        return replace(answer, code="AuthenticationFailed")
    return replace(answer, code="InvalidAuthenticationToken")


def _malformed(error: AssayError) -> ErrorAnswer:
    status, code = ArmRefusal.CONTENT.value
    return replace(error_answer(error), status=status, code=code, inner_code=None)


def _conflict(error: AssayError) -> ErrorAnswer:
    checks = [finding.check for finding in error.findings]
    code = next((_CONFLICTS[check] for check in checks if check in _CONFLICTS), "Conflict")
    return replace(error_answer(error), status=409, code=code)


def _unknown(error: AssayError) -> ErrorAnswer:
    return replace(error_answer(error), code="ResourceNotFound", target=None)


# Subclasses stand before their families.
_ANSWERS: Final[tuple[tuple[type[AssayError], Callable[[AssayError], ErrorAnswer]], ...]] = (
    (ArmRefusedError, _refused),
    (RefusedRequestError, error_answer),
    (UnauthorizedError, _unauthorized),
    (RequestError, _malformed),
    (UntrustedSignerError, error_answer),
    (OperationRefusedError, _conflict),
    (UnknownInstanceError, _unknown),
)
