from __future__ import annotations

import hashlib

import pytest

from assay.appraisal import HeldData, HeldDataType
from assay.appraisal.bindings import init_time_claims, runtime_claims
from assay.errors import UntrustedEvidenceError
from assay.evidence.format import BoundFields

_NAMES = ("x-ms-sgx-ehd", "maa-ehd")
_DATA = b'{"b": 1, "a": {"d": [1.5, null], "c": true}}'


def _held(data: bytes = _DATA, kind: HeldDataType = HeldDataType.JSON) -> HeldData:
    return HeldData(data, kind)


def _fields(data: bytes = _DATA, *, config_id: bytes | None = None) -> BoundFields:
    return BoundFields(report_data=hashlib.sha256(data).digest() + bytes(32), config_id=config_id)


def _config_id(data: bytes = _DATA) -> bytes:
    return hashlib.sha256(data).digest() + bytes(32)


def test_no_data_makes_no_claims() -> None:
    assert runtime_claims(None, _fields(), _NAMES) == {}
    assert init_time_claims(None, _fields()) == {}


def test_binary_runtime_data_becomes_held_data_claims() -> None:
    held = _held(b"\x00\xff", HeldDataType.BINARY)

    assert runtime_claims(held, _fields(b"\x00\xff"), _NAMES) == {
        "x-ms-sgx-ehd": "AP8",
        "maa-ehd": "AP8",
    }


def test_json_runtime_data_becomes_one_object() -> None:
    assert runtime_claims(_held(), _fields(), _NAMES) == {
        "x-ms-runtime": {"b": 1, "a": {"d": [1.5, None], "c": True}}
    }


def test_what_follows_the_hash_in_the_report_data_is_free() -> None:
    fields = BoundFields(report_data=hashlib.sha256(_DATA).digest() + b"\x07" * 32, config_id=None)

    assert "x-ms-runtime" in runtime_claims(_held(), fields, _NAMES)


@pytest.mark.parametrize("data", [b"", _DATA + b" ", _DATA[:-1]])
def test_runtime_data_that_was_not_reported_is_refused(data: bytes) -> None:
    with pytest.raises(UntrustedEvidenceError) as caught:
        runtime_claims(_held(data), _fields(), _NAMES)

    assert caught.value.findings[0].check == "appraisal.runtime_data.binding"


@pytest.mark.parametrize("data", [b"", b"[]", b'"text"', b"{", b'{"a":1,"a":2}', b"\xff"])
def test_runtime_data_of_type_json_must_be_a_strict_object(data: bytes) -> None:
    with pytest.raises(UntrustedEvidenceError) as caught:
        runtime_claims(_held(data), _fields(data), _NAMES)

    assert caught.value.findings[0].check == "appraisal.runtime_data.format"


def test_json_init_time_data_becomes_one_object() -> None:
    claims = init_time_claims(_held(), _fields(config_id=_config_id()))

    assert claims == {"x-ms-inittime": {"b": 1, "a": {"d": [1.5, None], "c": True}}}


def test_binary_init_time_data_becomes_a_claim_of_ours() -> None:
    held = _held(b"\x00\xff", HeldDataType.BINARY)

    claims = init_time_claims(held, _fields(config_id=_config_id(b"\x00\xff")))

    assert claims == {"x-assay-init-time-data": "AP8"}


@pytest.mark.parametrize(
    "config_id", [None, bytes(64), _config_id(b"other"), _config_id()[:32] + b"\x01" * 32]
)
def test_init_time_data_that_the_enclave_was_not_made_with_is_refused(
    config_id: bytes | None,
) -> None:
    with pytest.raises(UntrustedEvidenceError) as caught:
        init_time_claims(_held(), _fields(config_id=config_id))

    assert caught.value.findings[0].check == "appraisal.init_time_data.binding"


def test_init_time_data_of_type_json_must_be_a_strict_object() -> None:
    with pytest.raises(UntrustedEvidenceError) as caught:
        init_time_claims(_held(b"[]"), _fields(config_id=_config_id(b"[]")))

    assert caught.value.findings[0].check == "appraisal.init_time_data.format"
