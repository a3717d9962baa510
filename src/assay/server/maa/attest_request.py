"""The body of an attest request: strict about its form, lenient where real clients differ.

| lenient about | because |
|---|---|
| the case of member names and data types | the C++ library writes `inittimeData` |
| explicit nulls | some serialisers write every member |
| `initTimeData` without data | the Python library and the Go sidecar send it so |
| padded base64url | Go callers |
| `nonce` as a number | the Go sidecar |

Source: MAA protocol, section 9.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from assay.appraisal import AppraisalRequest, HeldData, HeldDataType, check_nonce
from assay.encoding import (
    EncodingError,
    JsonValue,
    decode_base64url,
    json_type,
    parse_json_object,
)
from assay.errors import RequestError
from assay.evidence.format import AttestationType

EVIDENCE_MEMBERS: Final[Mapping[AttestationType, str]] = {
    AttestationType.SGX_ENCLAVE: "quote",
    AttestationType.OPEN_ENCLAVE: "report",
}
"""The member that holds the evidence."""

MAX_DRAFT_POLICY: Final = 65_536
"""Characters: several times the largest policy known, and quick to compile for a stranger."""

_RUNTIME_DATA: Final = "runtimeData"
_INIT_TIME_DATA: Final = "initTimeData"
_DRAFT_POLICY: Final = "draftPolicyForAttestation"
_NONCE: Final = "nonce"
_COMMON: Final = (_RUNTIME_DATA, _INIT_TIME_DATA, _DRAFT_POLICY, _NONCE)
_HELD: Final = {"data": "data", "datatype": "dataType"}
_MEMBERS: Final = {
    kind: {name.lower(): name for name in (evidence, *_COMMON)}
    for kind, evidence in EVIDENCE_MEMBERS.items()
}
_DATA_TYPES: Final = {kind.value.lower(): kind for kind in HeldDataType}

_MAX_UINT64: Final = (1 << 64) - 1
_SHOWN_CHARACTERS: Final = 64


class AttestRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller asks for."""

    appraisal: AppraisalRequest
    draft_policy: str | None


def decode_attest_request(body: bytes, kind: AttestationType, *, max_depth: int) -> AttestRequest:
    """The request in a body.

    Raises:
        RequestError: The body is not strict JSON, or not of the form above.
    """
    try:
        return _decode(body, kind, max_depth)
    except EncodingError as error:
        raise RequestError(error.message) from error


def _decode(body: bytes, kind: AttestationType, max_depth: int) -> AttestRequest:
    document = parse_json_object(body, "body", max_depth=max_depth)
    members = _members(document, _MEMBERS[kind], "body")
    evidence_name = EVIDENCE_MEMBERS[kind]
    appraisal = AppraisalRequest(
        evidence_type=kind,
        evidence=_evidence(members.get(evidence_name), evidence_name),
        runtime_data=_held_data(members.get(_RUNTIME_DATA), _RUNTIME_DATA),
        init_time_data=_held_data(members.get(_INIT_TIME_DATA), _INIT_TIME_DATA),
        nonce=_nonce(members.get(_NONCE)),
    )
    return AttestRequest(
        appraisal=appraisal, draft_policy=_draft_policy(members.get(_DRAFT_POLICY))
    )


def _members(
    document: Mapping[str, JsonValue], known: Mapping[str, str], where: str
) -> dict[str, JsonValue]:
    """The members by the spelling of the protocol. An unknown one is a mistake, not a wish."""
    members: dict[str, JsonValue] = {}
    for given, value in document.items():
        name = known.get(given.lower())
        if name is None:
            raise RequestError(
                f"{where}: expected the members {', '.join(known.values())}, got "
                f"{given[:_SHOWN_CHARACTERS]!r}"
            )
        if name in members:
            raise RequestError(f"{where}: expected {name!r} once, got it in several spellings")
        members[name] = value
    return members


def _evidence(value: JsonValue, name: str) -> bytes:
    if not value:
        raise RequestError(f"{name}: expected evidence in base64url, got none")
    return _decoded(value, name)


def _held_data(value: JsonValue, name: str) -> HeldData | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise RequestError(f"{name}: expected an object, got {json_type(value)}")
    members = _members(value, _HELD, name)
    data, data_type = members.get("data"), members.get("dataType")
    if not data and (not data_type or name == _INIT_TIME_DATA):
        return None
    if data is None:
        raise RequestError(f"{name}.data: expected base64url, got none")
    return HeldData(_decoded(data, f"{name}.data"), _data_type(data_type, f"{name}.dataType"))


def _data_type(value: JsonValue, name: str) -> HeldDataType:
    kind = _DATA_TYPES.get(value.lower()) if isinstance(value, str) else None
    if kind is None:
        shown = repr(value[:_SHOWN_CHARACTERS]) if isinstance(value, str) else json_type(value)
        raise RequestError(f"{name}: expected 'Binary' or 'JSON', got {shown}")
    return kind


def _nonce(value: JsonValue) -> str | None:
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_UINT64:
        return str(value)
    if not isinstance(value, str):
        raise RequestError(
            f"{_NONCE}: expected a string or an unsigned 64-bit number, got {json_type(value)}"
            + (" outside that" if isinstance(value, int | float) else "")
        )
    check_nonce(value, _NONCE)
    return value


def _draft_policy(value: JsonValue) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise RequestError(
            f"{_DRAFT_POLICY}: expected the text of a policy, got {json_type(value)}"
        )
    if len(value) > MAX_DRAFT_POLICY:
        raise RequestError(
            f"{_DRAFT_POLICY}: expected at most {MAX_DRAFT_POLICY} characters, got {len(value)}"
        )
    return value


def _decoded(value: JsonValue, name: str) -> bytes:
    if not isinstance(value, str):
        raise RequestError(f"{name}: expected base64url text, got {json_type(value)}")
    return decode_base64url(value, name)
