"""The attest operations of the protocol as pure functions: requests out, answers in.

Source: MAA data plane, API version 2022-08-01: "Attest Sgx Enclave", "Attest Open Enclave", and
the metadata operations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from assay.appraisal import HeldData
from assay.client.errors import ErrorDetail, ServiceError
from assay.client.transport import HttpRequest, HttpResponse
from assay.encoding import (
    EncodingError,
    JsonValue,
    encode_base64url,
    encode_json,
    parse_json_object,
)
from assay.evidence.format import AttestationType

API_VERSION: Final = "2022-08-01"
"""The latest that every deployment of the original service knows."""

_OK: Final = 200
_EVIDENCE_MEMBERS: Final = {
    AttestationType.SGX_ENCLAVE: "quote",
    AttestationType.OPEN_ENCLAVE: "report",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestRequest:
    """Evidence and what goes with it."""

    evidence_type: AttestationType
    evidence: bytes
    runtime_data: HeldData | None = None
    init_time_data: HeldData | None = None
    draft_policy: str | None = None
    """A policy to try instead of the instance's own; the token is then unsecured."""

    nonce: str | None = None


def attest_request(url: str, request: AttestRequest) -> HttpRequest:
    """The request that asks the instance at `url` for a token."""
    body: dict[str, JsonValue] = {
        _EVIDENCE_MEMBERS[request.evidence_type]: encode_base64url(request.evidence)
    }
    if request.runtime_data is not None:
        body["runtimeData"] = _held_data(request.runtime_data)
    if request.init_time_data is not None:
        body["initTimeData"] = _held_data(request.init_time_data)
    if request.draft_policy is not None:
        body["draftPolicyForAttestation"] = request.draft_policy
    if request.nonce is not None:
        body["nonce"] = request.nonce
    return HttpRequest(
        method="POST",
        url=f"{url}/attest/{request.evidence_type.value}?api-version={API_VERSION}",
        headers={"accept": "application/json", "content-type": "application/json"},
        body=encode_json(body),
    )


def read_token(response: HttpResponse) -> str:
    """The token of an answer.

    Raises:
        ServiceError: The answer is an error, or has no token.
    """
    token = _object(response).get("token")
    if not isinstance(token, str):
        raise ServiceError(
            "the service answered without a token; check that the address is an instance's",
            status=response.status,
        )
    return token


def certificates_request(url: str) -> HttpRequest:
    """The request for the keys that the instance at `url` signs with."""
    return HttpRequest(method="GET", url=f"{url}/certs", headers={"accept": "application/json"})


def read_document(response: HttpResponse) -> bytes:
    """The body of an answer that is a JSON object.

    Raises:
        ServiceError: The answer is an error, or no JSON object.
    """
    _object(response)
    return response.body


def _held_data(held: HeldData) -> dict[str, JsonValue]:
    return {"data": encode_base64url(held.data), "dataType": held.data_type.value}


def _object(response: HttpResponse) -> dict[str, JsonValue]:
    try:
        answer = parse_json_object(response.body, "answer")
    except EncodingError as error:
        raise ServiceError(
            f"the service answered with status {response.status} and no JSON object; "
            "check that the address is an attestation service's",
            status=response.status,
        ) from error
    if response.status != _OK:
        raise _service_error(response.status, answer)
    return answer


def _service_error(status: int, answer: dict[str, JsonValue]) -> ServiceError:
    error = answer.get("error")
    members = error if isinstance(error, dict) else {}
    inner = members.get("innererror")
    code = _text(members.get("code"))
    message = _text(members.get("message")) or "it gives no reason"
    return ServiceError(
        f"the service refused with status {status}{f' ({code})' if code else ''}: {message}",
        status=status,
        code=code,
        inner_code=_text(inner.get("code")) if isinstance(inner, dict) else "",
        details=_details(members.get("details")),
    )


def _details(value: JsonValue) -> tuple[ErrorDetail, ...]:
    items = value if isinstance(value, list) else []
    return tuple(
        ErrorDetail(code=_text(item.get("code")), message=_text(item.get("message")))
        for item in items
        if isinstance(item, dict)
    )


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else ""
