from __future__ import annotations

import json

from assay.errors import Finding, IssuerUnavailableError, RequestError, UnauthorizedError
from assay.server.auth.answers import access_answer

_FINDING = Finding(check="access.rights.missing", expected="the right write@a", actual="read@a")


def test_a_caller_without_rights_is_told_how_to_authenticate() -> None:
    error = UnauthorizedError(
        "the caller may not", findings=[_FINDING], challenge='Bearer resource_id="x"'
    )

    answer = access_answer(error)

    assert answer is not None
    assert answer.status == 401
    assert answer.headers == [
        (b"x-ms-error-code", b"Unauthorized"),
        (b"www-authenticate", b'Bearer resource_id="x"'),
    ]
    assert json.loads(answer.body) == {
        "error": {
            "code": "Unauthorized",
            "message": "the caller may not",
            "details": [
                {
                    "code": "access.rights.missing",
                    "message": "expected the right write@a",
                    "target": "access.rights",
                }
            ],
        }
    }


def test_an_issuer_that_is_away_is_told_without_its_address() -> None:
    answer = access_answer(IssuerUnavailableError("https://inside.example gives status 500"))

    assert answer is not None
    assert answer.status == 503
    assert (b"retry-after", b"5") in answer.headers
    assert b"inside.example" not in answer.body


def test_other_errors_are_answered_elsewhere() -> None:
    assert access_answer(RequestError("x")) is None
