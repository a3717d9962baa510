"""`docs/api.md` against the application: its examples are sent, its tables compared."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, Final

import httpx2
import pytest

from assay import errors
from assay.encoding import encode_base64url
from assay.errors import (
    AssayError,
    AuditError,
    BrokerUnavailableError,
    CollateralUnavailableError,
    IssuerUnavailableError,
    MalformedEvidenceError,
    OperationRefusedError,
    PolicyDeniedError,
    PolicyError,
    ReleaseRefusedError,
    RequestError,
    SettingsError,
    SigningUnavailableError,
    StoreUnavailableError,
    TokenError,
    UnauthorizedError,
    UnknownInstanceError,
    UntrustedEvidenceError,
    UntrustedSignerError,
)
from assay.policy import PolicySyntaxError, compile_policy
from assay.server.app import create_app, openapi_document
from assay.server.errors import ErrorAnswer, Refusal, RefusedRequestError, error_answer
from assay.server.maa.versions import API_VERSIONS
from assay.simulator.openenclave import legacy_report
from assay.token import read_unverified
from tests.documentation import blocks, matches, read_page, rows, section
from tests.serving import call, make_services, simulated_platform

_PAGE: Final = read_page("api.md")
_DOCUMENT: Final[dict[str, Any]] = json.loads(openapi_document())
_APP: Final = create_app(make_services())
_EVIDENCE: Final = simulated_platform().quote(
    report_data=hashlib.sha256(b'{"key":"value"}').digest()
)


def _exchanges() -> list[tuple[str, str]]:
    """Requests, each with the answer that the page gives it."""
    found = blocks(_PAGE, "http")
    return list(zip(found[::2], found[1::2], strict=True))


def _send(request: str) -> httpx2.Response:
    head, _, text = request.partition("\n\n")
    line, *headers = head.splitlines()
    method, path = line.split()
    named = dict(header.split(": ", 1) for header in headers)
    if not text:
        return call(_APP, method, path, headers=named)
    body = json.loads(text)
    # The page has only the beginning of evidence.
    for member, evidence in (("quote", _EVIDENCE), ("report", legacy_report(_EVIDENCE))):
        if member in body:
            assert encode_base64url(evidence).startswith(body[member].removesuffix("..."))
            body[member] = encode_base64url(evidence)
    return call(_APP, method, path, headers=named, json=body)


def _fits(shown: object, actual: object) -> bool:
    """Whether JSON is what the page shows: the same members in the same order."""
    if isinstance(shown, dict) and isinstance(actual, dict):
        return list(shown) == list(actual) and all(
            _fits(value, actual[name]) for name, value in shown.items()
        )
    if isinstance(shown, list) and isinstance(actual, list):
        return len(shown) == len(actual) and all(map(_fits, shown, actual))
    if isinstance(shown, str) and isinstance(actual, str):
        return matches(shown, actual)
    return shown == actual


@pytest.mark.parametrize(("request_text", "answer_text"), _exchanges())
def test_the_answer_is_that_of_the_page(request_text: str, answer_text: str) -> None:
    head, _, body = answer_text.partition("\n\n")
    line, *headers = head.splitlines()

    answer = _send(request_text)

    assert f"{answer.status_code} {answer.reason_phrase}" == line
    for header in headers:
        name, value = header.split(": ", 1)
        assert matches(value, answer.headers[name])
    assert _fits(json.loads(body), answer.json()), answer.text


def test_the_claims_are_those_of_the_page() -> None:
    shown = json.loads(blocks(_PAGE, "json")[0])

    request, _ = _exchanges()[0]
    token = read_unverified(_send(request).json()["token"])

    assert _fits(shown, token.claims), token.claims


def test_a_draft_policy_that_permits_gives_the_token_of_the_page() -> None:
    permit = "version= 1.0;authorizationrules{=> permit();};"
    body = {"quote": encode_base64url(_EVIDENCE), "draftPolicyForAttestation": permit}

    token = call(_APP, "POST", "/attest/SgxEnclave?api-version=2022-08-01", json=body).json()[
        "token"
    ]

    assert read_unverified(token).header["alg"] == "none"
    assert token.endswith(".")


def test_every_operation_has_a_section_and_a_row() -> None:
    served = {
        f"{method.upper()} {path}"
        for path, operations in _DOCUMENT["paths"].items()
        for method in operations
    }

    sections = re.findall(r"^## `((?:GET|POST|PUT) .*)`$", _PAGE, re.MULTILINE)
    listed = re.findall(r"^\| \[`((?:GET|POST|PUT) .*)`\]", _PAGE, re.MULTILINE)

    assert set(sections) == set(listed) == served
    assert len(sections) == len(listed) == len(served)


def test_the_api_versions_are_those_of_the_code() -> None:
    [line] = [line for line in _PAGE.splitlines() if "All of these mean the same" in line]

    assert re.findall(r"`(\d{4}-[^`]*)`", line) == list(API_VERSIONS)


def test_the_members_are_those_of_the_document() -> None:
    properties = _DOCUMENT["components"]["schemas"]["AttestSgxEnclaveRequest"]["properties"]

    members = [name.strip("`") for name, *_ in rows(section(_PAGE, "`POST /attest/SgxEnclave`"))]

    assert members == list(properties)


def test_the_bounds_are_those_of_the_document() -> None:
    schemas = _DOCUMENT["components"]["schemas"]
    request = schemas["AttestSgxEnclaveRequest"]["properties"]
    error = schemas["ErrorResponse"]["properties"]["error"]["properties"]

    assert [int(bound) for _, bound in rows(section(_PAGE, "Bounds"))] == [
        request["nonce"]["anyOf"][0]["maxLength"],
        request["draftPolicyForAttestation"]["anyOf"][0]["maxLength"],
        error["details"]["maxItems"],
        schemas["ErrorDetail"]["properties"]["details"]["maxItems"],
    ]


def _syntax_error() -> PolicySyntaxError:
    with pytest.raises(PolicySyntaxError) as caught:
        compile_policy("")
    return caught.value


def _raised() -> list[AssayError]:
    """One error of every kind that ends a request."""
    refused = [
        RefusedRequestError(refusal, "no", allow="GET" if refusal is Refusal.METHOD else "")
        for refusal in Refusal
    ]
    families = (
        RequestError,
        MalformedEvidenceError,
        UntrustedEvidenceError,
        CollateralUnavailableError,
        IssuerUnavailableError,
        OperationRefusedError,
        PolicyDeniedError,
        PolicyError,
        SettingsError,
        SigningUnavailableError,
        StoreUnavailableError,
        TokenError,
        UnauthorizedError,
        UnknownInstanceError,
        UntrustedSignerError,
    )
    return [*refused, *(family("no") for family in families), _syntax_error()]


def _row(answer: ErrorAnswer) -> tuple[str, ...]:
    also = ["closes"] if answer.close else []
    if answer.retry_seconds is not None:
        also.append(f"`retry-after: {answer.retry_seconds}`")
    if answer.allow:
        also.append("`allow`")
    inner = f"`{answer.inner_code}`" if answer.inner_code else ""
    return (str(answer.status), f"`{answer.code}`", inner, ", ".join(also))


def test_the_table_of_errors_is_that_of_the_code() -> None:
    documented = [row[:4] for row in rows(section(_PAGE, "Errors"))]

    assert len(set(documented)) == len(documented)
    assert set(documented) == {_row(error_answer(error)) for error in _raised()}


def test_every_family_of_errors_is_in_the_comparison() -> None:
    families = {one for one in AssayError.__subclasses__() if one.__module__ == errors.__name__}

    raised = {type(error) for error in _raised()}

    # No request has an audit record verified, and secrets are released by a service of their own.
    assert families - raised == {AuditError, BrokerUnavailableError, ReleaseRefusedError}
