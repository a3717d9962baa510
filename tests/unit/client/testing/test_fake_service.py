from __future__ import annotations

import json

import pytest

from assay.client import HttpRequest
from assay.client.testing import FakeService
from assay.token import policy_payload, unsecured_owner_token

_POLICY = unsecured_owner_token(policy_payload("version= 1.0;"))


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/nowhere", b"", 404, "NotFound"),
        ("GET", "/policies/Unknown", b"", 404, "NotFound"),
        ("POST", "/attest/Pluton", b"{}", 400, "InvalidParameter"),
        ("POST", "/attest/Tpm", b"{}", 400, "Bad request"),
        ("PUT", "/policies/Tpm", b"no token", 400, "InvalidOperation"),
        ("PUT", "/policies/Tpm", b"eyJhbGciOiJub25lIn0..", 400, "InvalidOperation"),
        ("PUT", "/policies/sgxenclave", _POLICY.encode(), 200, None),
        ("PUT", "/policies/SgxEnclave", json.dumps(_POLICY).encode(), 200, None),
        ("POST", "/policies/SgxEnclave%3Areset", b"eyJhbGciOiJub25lIn0..", 200, None),
    ],
)
def test_it_answers_as_the_protocol_has_it(
    method: str, path: str, body: bytes, status: int, code: str | None
) -> None:
    service = FakeService(algorithm="ES256")

    answer = service.answer(HttpRequest(method=method, url=service.url + path, body=body))

    assert answer.status == status
    assert json.loads(answer.body).get("error", {}).get("code") == code


def test_a_tpm_is_challenged_once_there_is_a_policy() -> None:
    service = FakeService("https://x.test/instance", algorithm="ES256")
    policy = HttpRequest(method="PUT", url=f"{service.url}/policies/Tpm", body=_POLICY.encode())
    attest = HttpRequest(method="POST", url=f"{service.url}/attest/Tpm", body=b"{}")

    service.answer(policy)

    assert list(json.loads(service.answer(attest).body)) == ["data"]
