from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest

from assay.client import AttestationClient, AttestRequest, HttpRequest, HttpResponse
from assay.errors import RequestError, TokenError
from assay.evidence.format import AttestationType


@dataclass
class ScriptedTransport:
    """Answers as it is told, and remembers what it was asked."""

    answer: HttpResponse
    requests: list[HttpRequest] = field(default_factory=list)

    def send(self, request: HttpRequest) -> HttpResponse:
        self.requests.append(request)
        return self.answer


def _json(value: object) -> HttpResponse:
    return HttpResponse(status=200, body=json.dumps(value).encode())


def test_attest_sends_the_evidence_and_returns_the_token() -> None:
    transport = ScriptedTransport(_json({"token": "a.b.c"}))
    client = AttestationClient("https://attest.example.net/", transport)

    answer = client.attest(
        AttestRequest(evidence_type=AttestationType.SGX_ENCLAVE, evidence=b"\x03")
    )

    assert answer == "a.b.c"
    assert client.url == "https://attest.example.net"
    assert transport.requests[0].url.startswith("https://attest.example.net/attest/SgxEnclave")


def test_the_keys_are_those_of_the_instance() -> None:
    transport = ScriptedTransport(_json({"keys": []}))

    keys = AttestationClient("https://attest.example.net/tenant", transport).key_set()

    assert keys.keys == {}
    assert transport.requests[0].url == "https://attest.example.net/tenant/certs"


def test_what_is_no_key_set_is_refused() -> None:
    transport = ScriptedTransport(_json({"keys": "none"}))

    with pytest.raises(TokenError):
        AttestationClient("https://attest.example.net", transport).key_set()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "attest.example.net",
        "ftp://attest.example.net",
        "https://",
        "https://attest.example.net?x=1",
        "https://attest.example.net#x",
        "https://attest.example.net:99999",
        "https://attest.example.net:0",
        "https://[::1",
    ],
)
def test_an_address_that_is_no_instance_is_refused(url: str) -> None:
    with pytest.raises(RequestError, match="expected a URL such as"):
        AttestationClient(url, ScriptedTransport(_json({})))
