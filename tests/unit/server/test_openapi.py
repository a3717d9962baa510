from __future__ import annotations

import json
from typing import Any

import pytest
import schemathesis
from hypothesis import settings
from schemathesis import Case
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.routing import Match

from assay.server.app import create_app, openapi_document, routes
from assay.server.errors import Refusal
from assay.server.maa.administration import OPERATIONS
from assay.server.maa.attest_request import EVIDENCE_MEMBERS, MAX_DRAFT_POLICY
from assay.server.maa.versions import API_VERSIONS
from assay.service.policies import POLICY_TYPES
from tests.serving import call, make_services, make_telemetry, sgx_request

_DOCUMENT: dict[str, Any] = json.loads(openapi_document())
_SERVICES = make_services(telemetry=make_telemetry(metrics=True)[0])
_APP = create_app(_SERVICES)
_SCHEMA = schemathesis.openapi.from_dict(_DOCUMENT)
_SCHEMA.app = _APP
_CHECKS = [
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
]


def _operations() -> set[tuple[str, str]]:
    return {
        (method.upper(), path)
        for path, operations in _DOCUMENT["paths"].items()
        for method in operations
    }


def test_every_operation_has_a_route_and_every_route_an_operation() -> None:
    served = routes(_SERVICES)
    used = set()

    for method, path in _operations():
        asked = path.lower().replace("{attestation_type}", "sgxenclave")
        scope = {"type": "http", "method": method, "path": asked}
        # The first one answers.
        route = next(route for route in served if route.matches(scope)[0] is Match.FULL)
        used.add(route.path)

    assert used == {route.path for route in served}


def test_the_api_versions_are_those_of_the_code() -> None:
    parameter = _DOCUMENT["components"]["parameters"]["ApiVersion"]

    assert parameter["schema"]["enum"] == list(API_VERSIONS)


def test_the_attestation_types_are_those_of_the_code() -> None:
    parameter = _DOCUMENT["components"]["parameters"]["AttestationType"]

    assert parameter["schema"]["enum"] == list(POLICY_TYPES)


def test_the_parameters_of_owners_are_those_of_the_code() -> None:
    for operation in OPERATIONS:
        described = _DOCUMENT["paths"][operation.path][operation.method.lower()]
        forms = described.get("requestBody", {}).get("content", {}).get("application/json", {})
        names = [
            name
            for form in forms.get("schema", {}).get("anyOf", [])
            for name in form.get("properties", {})
        ]
        assert names == ([operation.parameter] if operation.parameter else [])


def test_the_request_members_are_those_of_the_code() -> None:
    schemas = _DOCUMENT["components"]["schemas"]

    for kind, member in EVIDENCE_MEMBERS.items():
        schema = schemas[f"Attest{kind}Request"]
        draft = schema["properties"]["draftPolicyForAttestation"]["anyOf"][0]
        assert schema["required"] == [member]
        assert draft["maxLength"] == MAX_DRAFT_POLICY


def test_the_inner_codes_are_those_of_the_code() -> None:
    error = _DOCUMENT["components"]["schemas"]["ErrorResponse"]["properties"]["error"]
    inner = error["properties"]["innererror"]["properties"]["code"]["enum"]

    assert {refusal.value[2] for refusal in Refusal} - {None} <= set(inner)


def test_the_document_is_served() -> None:
    assert call(_APP, "GET", "/openapi.json").json() == _DOCUMENT


def test_a_good_request_is_one_of_the_document() -> None:
    schema = _DOCUMENT["components"]["schemas"]["AttestSgxEnclaveRequest"]

    assert set(sgx_request()) <= set(schema["properties"])


@pytest.mark.property
@_SCHEMA.parametrize()
@settings(max_examples=20)
def test_any_request_gets_an_answer_of_the_document(case: Case[Any]) -> None:
    case.call_and_validate(checks=_CHECKS)
