from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.appraisal import HeldData, HeldDataType
from assay.errors import RequestError
from assay.evidence.format import AttestationType
from assay.server.maa.attest_request import (
    MAX_DRAFT_POLICY,
    AttestRequest,
    decode_attest_request,
)

_SGX = AttestationType.SGX_ENCLAVE
_QUOTE = {"quote": "AQID"}
_BINARY = HeldData(b"hi", HeldDataType.BINARY)


def _decode(document: object, kind: AttestationType = _SGX, *, max_depth: int = 8) -> AttestRequest:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return decode_attest_request(body, kind, max_depth=max_depth)


def test_each_type_has_its_own_member_for_evidence() -> None:
    sgx = _decode({"quote": "AQID"})
    open_enclave = _decode({"report": "AQID"}, AttestationType.OPEN_ENCLAVE)

    assert sgx.appraisal.evidence == open_enclave.appraisal.evidence == b"\x01\x02\x03"
    assert sgx.appraisal.evidence_type is AttestationType.SGX_ENCLAVE
    assert open_enclave.appraisal.evidence_type is AttestationType.OPEN_ENCLAVE


def test_what_is_not_sent_is_absent() -> None:
    request = _decode(_QUOTE)

    assert request.draft_policy is None
    assert request.appraisal.runtime_data is None
    assert request.appraisal.init_time_data is None
    assert request.appraisal.nonce is None


def test_explicit_nulls_are_absent() -> None:
    request = _decode(
        _QUOTE
        | dict.fromkeys(("runtimeData", "initTimeData", "nonce", "draftPolicyForAttestation"))
    )

    assert request == _decode(_QUOTE)


def test_member_names_match_in_any_case() -> None:
    request = _decode(
        {
            "QUOTE": "AQID",
            "RuntimeData": {"Data": "aGk", "DATATYPE": "binary"},
            "inittimeData": {"data": "aGk", "dataType": "JSON"},
        }
    )

    assert request.appraisal.runtime_data == _BINARY
    assert request.appraisal.init_time_data == HeldData(b"hi", HeldDataType.JSON)


@pytest.mark.parametrize("quote", ["AQI", "AQI="])
def test_padding_may_be_there_or_not(quote: str) -> None:
    assert _decode({"quote": quote}).appraisal.evidence == b"\x01\x02"


@pytest.mark.parametrize(
    ("nonce", "expected"),
    [("abc", "abc"), ("", ""), (0, "0"), (18446744073709551615, "18446744073709551615")],
)
def test_a_nonce_may_be_text_or_a_number(nonce: object, expected: str) -> None:
    assert _decode(_QUOTE | {"nonce": nonce}).appraisal.nonce == expected


@pytest.mark.parametrize(
    "held",
    [
        {},
        {"dataType": "JSON"},
        {"data": None, "dataType": "Binary"},
        {"data": "", "dataType": ""},
        {"data": "", "dataType": "JSON"},
    ],
)
def test_init_time_data_without_data_is_absent(held: object) -> None:
    assert _decode(_QUOTE | {"initTimeData": held}).appraisal.init_time_data is None


@pytest.mark.parametrize("held", [{}, {"data": "", "dataType": ""}, {"data": None}])
def test_runtime_data_that_says_nothing_is_absent(held: object) -> None:
    assert _decode(_QUOTE | {"runtimeData": held}).appraisal.runtime_data is None


def test_runtime_data_of_no_bytes_is_data() -> None:
    held = _decode(_QUOTE | {"runtimeData": {"data": "", "dataType": "Binary"}})

    assert held.appraisal.runtime_data == HeldData(b"", HeldDataType.BINARY)


@pytest.mark.parametrize("text", ["", "version= 1.0;", "not base64 ! é"])
def test_a_draft_policy_is_plain_text(text: str) -> None:
    assert _decode(_QUOTE | {"draftPolicyForAttestation": text}).draft_policy == text


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "quote: expected evidence in base64url, got none"),
        ({"quote": None}, "quote: expected evidence"),
        ({"quote": ""}, "quote: expected evidence"),
        ({"quote": 1}, "quote: expected base64url text, got a number"),
        ({"quote": ["AQID"]}, "quote: expected base64url text, got an array"),
        ({"quote": "A+ID"}, "quote: expected base64url"),
        ({"quote": "AQIDA"}, "quote: expected base64 of whole bytes"),
        ({"quote": "ÄQID"}, "outside ASCII"),
        ({"report": "AQID"}, "got 'report'"),
        (_QUOTE | {"runtimedat": 1}, "expected the members quote, runtimeData"),
        (_QUOTE | {"Quote": "AQID"}, "expected 'quote' once"),
        (b'{"quote":"AQID","quote":"AQID"}', "got 'quote' twice"),
        ([], "expected a JSON object, got an array"),
        (b"", "not valid JSON"),
        (b"\xff", "not valid JSON"),
        (b'{"quote":NaN}', "not valid JSON"),
        (_QUOTE | {"runtimeData": "aGk"}, "runtimeData: expected an object, got a string"),
        (_QUOTE | {"runtimeData": {"data": "aGk"}}, "runtimeData.dataType: expected 'Binary'"),
        (_QUOTE | {"runtimeData": {"dataType": "JSON"}}, "runtimeData.data: expected base64url"),
        (_QUOTE | {"runtimeData": {"data": "aGk", "dataType": "Text"}}, "got 'Text'"),
        (_QUOTE | {"runtimeData": {"data": "aGk", "dataType": 1}}, "got a number"),
        (_QUOTE | {"runtimeData": {"data": "a", "dataType": "JSON"}}, "runtimeData.data"),
        (_QUOTE | {"runtimeData": {"data": 1, "dataType": "JSON"}}, "runtimeData.data"),
        (_QUOTE | {"runtimeData": {"dta": "aGk"}}, "runtimeData: expected the members data"),
        (_QUOTE | {"nonce": True}, "nonce: expected a string"),
        (_QUOTE | {"nonce": -1}, "unsigned 64-bit number, got a number outside that"),
        (_QUOTE | {"nonce": 1 << 64}, "got a number outside that"),
        (_QUOTE | {"nonce": 1.5}, "got a number outside that"),
        (_QUOTE | {"nonce": "x" * 1025}, "nonce: expected at most 1024 characters, got 1025"),
        (_QUOTE | {"draftPolicyForAttestation": {}}, "expected the text of a policy"),
        (
            _QUOTE | {"draftPolicyForAttestation": "x" * (MAX_DRAFT_POLICY + 1)},
            f"expected at most {MAX_DRAFT_POLICY} characters",
        ),
    ],
)
def test_a_malformed_request_is_refused_with_its_place(document: object, message: str) -> None:
    with pytest.raises(RequestError) as caught:
        _decode(document)

    assert message in caught.value.message


def test_limits_hold_at_their_value() -> None:
    request = _decode(
        _QUOTE | {"nonce": "x" * 1024, "draftPolicyForAttestation": "x" * MAX_DRAFT_POLICY}
    )

    assert len(request.draft_policy or "") == MAX_DRAFT_POLICY


def test_deep_nesting_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(RequestError, match="at most 8 levels"):
        _decode(b'{"quote":' + b"[" * 8 + b"]" * 8 + b"}")


def test_an_unknown_name_is_not_repeated_as_a_whole() -> None:
    with pytest.raises(RequestError) as caught:
        _decode({"x" * 10_000: 1})

    assert len(caught.value.message) < 300


@pytest.mark.property
@given(st.binary())
def test_any_bytes_give_a_request_or_a_refusal(body: bytes) -> None:
    with suppress(RequestError):
        decode_attest_request(body, _SGX, max_depth=8)
