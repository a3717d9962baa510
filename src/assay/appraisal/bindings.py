"""Data sent beside evidence, checked against the fields of the evidence that vouch for it.

Source: MAA, "Attest" operations (`runtimeData`, `initTimeData`).
"""

from __future__ import annotations

import hashlib
import hmac
from enum import StrEnum
from typing import Final

import msgspec

from assay.encoding import EncodingError, JsonValue, encode_base64url, parse_json_object
from assay.errors import Finding, UntrustedEvidenceError
from assay.evidence.format import BoundFields

_HASH_SIZE: Final = 32
_RUNTIME: Final = "appraisal.runtime_data"
_INIT_TIME: Final = "appraisal.init_time_data"


class HeldDataType(StrEnum):
    """How runtime and init-time data becomes claims."""

    BINARY = "Binary"
    JSON = "JSON"


class HeldData(msgspec.Struct, frozen=True):
    """Data that the attester sends beside its evidence."""

    data: bytes
    data_type: HeldDataType


def runtime_claims(
    held: HeldData | None, fields: BoundFields, names: tuple[str, ...]
) -> dict[str, JsonValue]:
    """Check runtime data against the report data, and turn it into claims.

    Args:
        held: The data, if any was sent.
        fields: The evidence's bound fields.
        names: The claims that binary data becomes.

    Raises:
        UntrustedEvidenceError: The report data does not start with SHA-256 of the data
            (`binding`), or data of type JSON is not a JSON object (`format`).
    """
    if held is None:
        return {}
    digest = hashlib.sha256(held.data).digest()
    actual = fields.report_data[:_HASH_SIZE]
    if not hmac.compare_digest(digest, actual):
        raise _refused(
            f"{_RUNTIME}.binding",
            f"report data that starts with SHA-256(runtime data) {digest.hex()}",
            actual.hex(),
            "send exactly the bytes whose hash the enclave put into its report",
        )
    if held.data_type is HeldDataType.JSON:
        return {"x-ms-runtime": _json_object(held.data, _RUNTIME, "runtime data")}
    return dict.fromkeys(names, encode_base64url(held.data))


def init_time_claims(held: HeldData | None, fields: BoundFields) -> dict[str, JsonValue]:
    """Check init-time data against the configuration id, and turn it into claims.

    Raises:
        UntrustedEvidenceError: The enclave has no configuration id, it is not SHA-256 of the
            data followed by zeros (`binding`), or data of type JSON is not a JSON object
            (`format`).
    """
    if held is None:
        return {}
    digest = hashlib.sha256(held.data).digest()
    expected = f"a configuration id of SHA-256(init-time data) {digest.hex()} and zeros"
    if fields.config_id is None:
        raise _refused(
            f"{_INIT_TIME}.binding",
            expected,
            "an enclave without a configuration id",
            "enable key separation and sharing (KSS), or leave the init-time data out",
        )
    if not hmac.compare_digest(digest + bytes(_HASH_SIZE), fields.config_id):
        raise _refused(f"{_INIT_TIME}.binding", expected, fields.config_id.hex())
    if held.data_type is HeldDataType.JSON:
        return {"x-ms-inittime": _json_object(held.data, _INIT_TIME, "init-time data")}
    return {"x-assay-init-time-data": encode_base64url(held.data)}


def _json_object(data: bytes, check: str, what: str) -> JsonValue:
    try:
        return parse_json_object(data, what)
    except EncodingError as error:
        raise _refused(
            f"{check}.format",
            "a JSON object",
            error.message,
            "send the data as Binary, or make it strict JSON",
        ) from error


def _refused(check: str, expected: str, actual: str, hint: str = "") -> UntrustedEvidenceError:
    return UntrustedEvidenceError(
        f"expected {expected}, got {actual}",
        findings=[Finding(check=check, expected=expected, actual=actual, hint=hint)],
    )
