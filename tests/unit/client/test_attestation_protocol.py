from __future__ import annotations

import json

import pytest

from assay.appraisal import HeldData, HeldDataType
from assay.client import AttestRequest, HttpResponse, ServiceError
from assay.client.attestation_protocol import (
    attest_request,
    certificates_request,
    read_document,
    read_token,
)
from assay.evidence.format import AttestationType

URL = "https://attest.example.net"


def test_a_quote_is_sent_as_the_protocol_wants_it() -> None:
    request = attest_request(
        URL, AttestRequest(evidence_type=AttestationType.SGX_ENCLAVE, evidence=b"\xfb\xff")
    )

    assert request.method == "POST"
    assert request.url == f"{URL}/attest/SgxEnclave?api-version=2022-08-01"
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.body) == {"quote": "-_8"}


def test_everything_beside_the_evidence_is_sent() -> None:
    request = attest_request(
        URL,
        AttestRequest(
            evidence_type=AttestationType.OPEN_ENCLAVE,
            evidence=b"\x01",
            runtime_data=HeldData(b"{}", HeldDataType.JSON),
            init_time_data=HeldData(b"\x00", HeldDataType.BINARY),
            draft_policy="version= 1.0;",
            nonce="n",
        ),
    )

    assert request.url.startswith(f"{URL}/attest/OpenEnclave?")
    assert json.loads(request.body) == {
        "report": "AQ",
        "runtimeData": {"data": "e30", "dataType": "JSON"},
        "initTimeData": {"data": "AA", "dataType": "Binary"},
        "draftPolicyForAttestation": "version= 1.0;",
        "nonce": "n",
    }


def test_keys_are_asked_for_without_a_version() -> None:
    request = certificates_request(URL)

    assert (request.method, request.url, request.body) == ("GET", f"{URL}/certs", b"")


def test_the_token_of_an_answer_is_taken() -> None:
    assert read_token(HttpResponse(status=200, body=b'{"token":"a.b.c"}')) == "a.b.c"


@pytest.mark.parametrize("body", [b"{}", b'{"token":null}', b'{"token":{}}'])
def test_an_answer_without_a_token_is_refused(body: bytes) -> None:
    with pytest.raises(ServiceError, match="without a token") as caught:
        read_token(HttpResponse(status=200, body=body))

    assert caught.value.status == 200


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"\xff"])
def test_an_answer_that_is_no_object_names_the_status(body: bytes) -> None:
    with pytest.raises(ServiceError, match="status 502 and no JSON object") as caught:
        read_document(HttpResponse(status=502, body=body))

    assert (caught.value.status, caught.value.code) == (502, "")


def test_a_document_is_returned_as_it_came() -> None:
    assert read_document(HttpResponse(status=200, body=b'{ "keys" : [] }')) == b'{ "keys" : [] }'


def test_an_error_is_one_sentence_with_code_and_reasons() -> None:
    body = {
        "error": {
            "code": "InvalidParameter",
            "message": "the evidence is not accepted",
            "details": [
                {"code": "dcap.quote.quote_signature", "message": "expected a, got b"},
                "noise",
                {"code": 1},
            ],
            "innererror": {"code": "InvalidQuote"},
        }
    }

    with pytest.raises(ServiceError) as caught:
        read_token(HttpResponse(status=400, body=json.dumps(body).encode()))

    error = caught.value
    assert error.message == (
        "the service refused with status 400 (InvalidParameter): the evidence is not accepted"
    )
    assert (error.status, error.code, error.inner_code) == (400, "InvalidParameter", "InvalidQuote")
    assert [(one.code, one.message) for one in error.details] == [
        ("dcap.quote.quote_signature", "expected a, got b"),
        ("", ""),
    ]


@pytest.mark.parametrize(
    "body", [b"{}", b'{"error":"x"}', b'{"error":{"code":1,"innererror":"x","details":{}}}']
)
def test_an_error_of_another_form_is_still_an_error(body: bytes) -> None:
    with pytest.raises(ServiceError) as caught:
        read_document(HttpResponse(status=403, body=body))

    assert caught.value.message == "the service refused with status 403: it gives no reason"
