"""Answers of the protocol, read: errors, tokens, documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar

from assay.client.attestation_token import AttestationToken
from assay.client.errors import (
    AuthenticationError,
    ErrorAnswer,
    ErrorDetail,
    ServiceError,
    TokenValidationError,
)
from assay.client.http import HttpResponse
from assay.encoding import (
    EncodingError,
    JsonValue,
    decode_base64url,
    parse_json_object,
)

T = TypeVar("T")

_OK: Final = 200
_REDIRECTS: Final = range(300, 400)
_UNAUTHENTICATED: Final = frozenset({401, 403})
_TRANSIENT: Final = frozenset({408, 429, 500, 502, 503, 504})


def check_answer(response: HttpResponse) -> HttpResponse:
    """An answer that is not an error, as it came.

    Raises:
        AuthenticationError: The caller is not known, or may not.
        ServiceError: Another error, or a redirection.
    """
    if response.status == _OK:
        return response
    if response.status in _REDIRECTS:
        raise ServiceError(
            f"the service answers with status {response.status} and another address, which is not "
            "followed: evidence and access tokens go where they were sent; use the final address",
            answer=ErrorAnswer(status=response.status, request_id=_request_id(response)),
        )
    raise _service_error(response)


def read_object(response: HttpResponse) -> dict[str, JsonValue]:
    """The JSON object of an answer.

    Raises:
        ServiceError: It has none.
    """
    try:
        return parse_json_object(response.body, "answer")
    except EncodingError as error:
        raise strange(
            response,
            f"the service answered with status {response.status} and no JSON object; "
            "check that the address is an attestation service's",
        ) from error


def read_token(response: HttpResponse) -> AttestationToken:
    """The token of an answer, unchecked.

    Raises:
        ServiceError: It has none.
    """
    text = _text(read_object(response).get("token"))
    try:
        return AttestationToken.decode(text)
    except TokenValidationError as error:
        raise strange(
            response,
            "the service answered without a token; check that the address is an instance's",
        ) from error


def read_data(response: HttpResponse, member: str) -> bytes:
    """The bytes that an answer has in base64url.

    Raises:
        ServiceError: It has none.
    """
    data = read_object(response).get(member)
    message = f"the service answered without {member!r} in base64url"
    if not isinstance(data, str):
        raise strange(response, message)
    try:
        return decode_base64url(data, member)
    except EncodingError as error:
        raise strange(response, message) from error


def strange(response: HttpResponse, message: str) -> ServiceError:
    """The error for an answer that is none."""
    return ServiceError(
        message, answer=ErrorAnswer(status=response.status, request_id=_request_id(response))
    )


def _service_error(response: HttpResponse) -> ServiceError:
    members = _error_members(response)
    code = _text(members.get("code"))
    message = _text(members.get("message")) or "it gives no reason"
    inner = members.get("innererror")
    answer = ErrorAnswer(
        status=response.status,
        code=code,
        inner_code=_text(inner.get("code")) if isinstance(inner, dict) else "",
        details=_details(members.get("details")),
        request_id=_request_id(response),
        retry_after_seconds=_seconds(response.headers.get("retry-after")),
    )
    known = AuthenticationError if response.status in _UNAUTHENTICATED else ServiceError
    return known(
        f"the service refused with status {response.status}{f' ({code})' if code else ''}: "
        f"{message}",
        answer=answer,
        retryable=response.status in _TRANSIENT,
    )


def _error_members(response: HttpResponse) -> Mapping[str, JsonValue]:
    try:
        error = parse_json_object(response.body, "answer").get("error")
    except EncodingError:
        return {
            "message": "the answer is no JSON object; check that the address is an attestation "
            "service's"
        }
    return error if isinstance(error, dict) else {}


def _details(value: JsonValue) -> tuple[ErrorDetail, ...]:
    items = value if isinstance(value, list) else []
    return tuple(
        ErrorDetail(code=_text(item.get("code")), message=_text(item.get("message")))
        for item in items
        if isinstance(item, dict)
    )


def _seconds(text: str | None) -> float | None:
    """`Retry-After` in seconds. Its other form, a date, depends on two clocks and is ignored."""
    return float(text) if text is not None and text.isascii() and text.isdigit() else None


def _request_id(response: HttpResponse) -> str:
    return response.headers.get("x-ms-request-id", "")


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else ""
