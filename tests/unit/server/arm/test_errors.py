from __future__ import annotations

import pytest
from starlette.exceptions import HTTPException

from assay.errors import (
    AssayError,
    AuditError,
    Finding,
    IssuerUnavailableError,
    OperationRefusedError,
    RequestError,
    StoreUnavailableError,
    UnauthorizedError,
    UnknownInstanceError,
    UntrustedSignerError,
)
from assay.server.arm.errors import ArmRefusal, ArmRefusedError, arm_answer, routing_refusal
from assay.server.errors import AnsweredError, Refusal, RefusedRequestError, error_answer


def _finding(check: str) -> Finding:
    return Finding(check=check, expected="one", actual="SECRET")


def _unauthorized(check: str) -> UnauthorizedError:
    return UnauthorizedError("why", findings=[_finding(check)], challenge="Bearer x")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (_unauthorized("access.credential.missing"), 401, "AuthenticationFailed"),
        (_unauthorized("access.credential.unsupported"), 401, "InvalidAuthenticationToken"),
        (_unauthorized("token.claims.expired"), 401, "InvalidAuthenticationToken"),
        (_unauthorized("access.rights.missing"), 403, "AuthorizationFailed"),
        (_unauthorized("access.rights.administration_off"), 403, "AuthorizationFailed"),
        (RequestError("x"), 400, "InvalidRequestContent"),
        (UntrustedSignerError("x"), 400, "InvalidParameter"),
        (OperationRefusedError("x"), 409, "Conflict"),
        (
            OperationRefusedError("x", findings=[_finding("management.provider.location")]),
            409,
            "InvalidResourceLocation",
        ),
        (
            OperationRefusedError("x", findings=[_finding("management.provider.kept")]),
            409,
            "OperationNotAllowed",
        ),
        (UnknownInstanceError("x"), 404, "ResourceNotFound"),
        (StoreUnavailableError("x"), 503, "StoreUnavailable"),
        (IssuerUnavailableError("x"), 503, "IssuerUnavailable"),
        (RefusedRequestError(Refusal.BODY_SIZE, "x"), 413, "RequestTooLarge"),
        (RefusedRequestError(Refusal.MEDIA_TYPE, "x"), 415, "UnsupportedMediaType"),
    ],
)
def test_each_family_has_its_status_and_code(error: AssayError, status: int, code: str) -> None:
    answer = arm_answer(error)

    assert (answer.status, answer.code) == (status, code)
    assert bool(answer.challenge) is (status == 401)


@pytest.mark.parametrize("refusal", ArmRefusal)
def test_each_refusal_has_its_status_and_code(refusal: ArmRefusal) -> None:
    answer = arm_answer(ArmRefusedError(refusal, "why", target="there", allow="GET"))

    assert (answer.status, answer.code) == refusal.value
    assert (answer.message, answer.target, answer.allow) == ("why", "there", "GET")


def test_no_request_causes_another_family() -> None:
    with pytest.raises(LookupError):
        arm_answer(AuditError("x"))


def test_what_a_caller_without_rights_sent_is_not_repeated() -> None:
    assert b"SECRET" not in arm_answer(_unauthorized("access.rights.missing")).body


def test_an_answer_that_is_there_is_given() -> None:
    answer = arm_answer(UnknownInstanceError("x"))

    assert error_answer(AnsweredError(answer, UnknownInstanceError("x"))) is answer


@pytest.mark.parametrize(
    ("error", "path", "refusal"),
    [
        (HTTPException(405, headers={"Allow": "GET"}), "/providers/x", ArmRefusal.METHOD),
        (HTTPException(405), "/providers/x", ArmRefusal.METHOD),
        (HTTPException(404), "/providers/microsoft.compute/x", ArmRefusal.NAMESPACE),
        (HTTPException(404), "/providers/microsoft.attestation/x", ArmRefusal.RESOURCE_TYPE),
        (HTTPException(404), "/subscriptions/x", ArmRefusal.RESOURCE_TYPE),
    ],
)
def test_what_has_no_route_has_its_code(
    error: HTTPException, path: str, refusal: ArmRefusal
) -> None:
    assert routing_refusal(error, "PUT", path).refusal is refusal
