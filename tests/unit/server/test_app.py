from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from starlette.types import ASGIApp, Message

from assay import token
from assay.encoding import JsonValue, encode_base64url
from assay.endorsements.platform import DcapPlatform
from assay.endorsements.source import (
    STANDARD,
    EvaluationSelection,
    GatheredCollateral,
    unavailable,
)
from assay.endorsements.tcb import TcbStatus
from assay.evidence.format import AttestationType
from assay.server.app import create_app
from assay.server.settings import LimitSettings
from assay.server.simulated import SimulatedSource
from assay.service.instance_options import PolicyExplanations
from assay.token import TokenExpectations, parse_key_set, verify_token
from tests.conftest import AT
from tests.serving import (
    ISSUER,
    RUNTIME_DATA,
    VERSION,
    call,
    make_instance,
    make_services,
    make_telemetry,
    open_enclave_request,
    sgx_request,
    signing_key,
    simulated_platform,
)

_SGX = f"/attest/SgxEnclave{VERSION}"
_OPEN_ENCLAVE = f"/attest/OpenEnclave{VERSION}"
_DRAFT = "version= 1.0;authorizationrules{=> permit();};issuancerules{};"
_DENY = 'version= 1.0;\nauthorizationrules{\n[type=="x-ms-sgx-product-id"] => deny();\n};'


def _claims(app: ASGIApp, answer: httpx2.Response) -> dict[str, JsonValue]:
    keys = parse_key_set(call(app, "GET", "/certs").content)
    verified = verify_token(
        answer.json()["token"], keys, at=AT, expect=TokenExpectations(issuer=ISSUER)
    )
    return dict(verified.claims)


def _error(answer: httpx2.Response) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    error: dict[str, Any] = answer.json()["error"]
    assert answer.headers["x-ms-error-code"] == error["code"]
    return error


@pytest.mark.parametrize(
    ("path", "body"), [(_SGX, sgx_request), (_OPEN_ENCLAVE, open_enclave_request)]
)
def test_good_evidence_gets_a_token_that_verifies(
    path: str, body: Callable[[], dict[str, JsonValue]]
) -> None:
    app = create_app(make_services())

    answer = call(app, "POST", path, json=body())
    claims = _claims(app, answer)

    assert answer.status_code == 200
    assert claims["iss"] == ISSUER
    assert claims["x-ms-attestation-type"] == "sgx"
    assert claims["x-ms-sgx-ehd"] == encode_base64url(RUNTIME_DATA)
    assert claims["x-assay-simulated"] is True
    assert list(answer.json()) == ["token"]
    assert b" " not in answer.content


def test_json_runtime_data_and_a_nonce_become_claims() -> None:
    app = create_app(make_services())

    answer = call(app, "POST", _SGX, json=sgx_request(data_type="JSON") | {"nonce": 42})
    claims = _claims(app, answer)

    assert claims["x-ms-runtime"] == json.loads(RUNTIME_DATA)
    assert claims["nonce"] == "42"


@pytest.mark.parametrize("path", ["/ATTEST/sgxenclave", "/attest/SGXENCLAVE"])
def test_paths_match_in_any_case(path: str) -> None:
    answer = call(create_app(make_services()), "POST", path + VERSION, json=sgx_request())

    assert answer.status_code == 200


def test_letters_beyond_ascii_match_nothing() -> None:
    # The Kelvin sign is `k` in lower case.
    answer = call(create_app(make_services()), "GET", "/health/ready".replace("r", "\u212a"))

    assert answer.status_code == 404


def test_a_draft_policy_gets_a_token_that_nobody_signed() -> None:
    app = create_app(make_services())

    answer = call(app, "POST", _SGX, json=sgx_request() | {"draftPolicyForAttestation": _DRAFT})

    shown = token.read_unverified(answer.json()["token"])
    assert answer.status_code == 200
    assert shown.header["alg"] == "none"
    assert answer.json()["token"].endswith(".")


def test_a_draft_policy_that_denies_is_explained() -> None:
    answer = call(
        create_app(make_services()),
        "POST",
        _SGX,
        json=sgx_request() | {"draftPolicyForAttestation": _DENY},
    )

    error = _error(answer)
    assert answer.status_code == 400
    assert error["code"] == "PolicyEvaluationError"
    assert "denied by" in error["message"]
    assert [detail["code"] for detail in error["details"]] == ["appraisal.policy.deny"]
    assert "line 3" in error["details"][0]["message"]
    assert error["details"][0]["details"][0]["target"] == "line 3, column 1"


def test_reasons_that_callers_do_not_learn_are_in_the_log() -> None:
    telemetry, log = make_telemetry()
    instance = make_instance(policy_explanations=PolicyExplanations.MINIMAL)
    app = create_app(make_services(instance=instance, telemetry=telemetry))

    answer = call(app, "POST", _SGX, json=sgx_request() | {"draftPolicyForAttestation": _DENY})

    assert _error(answer) == {
        "code": "PolicyEvaluationError",
        "message": "Policy Engine Exception: A Deny claim was issued, authorization failed.",
    }
    [line] = log.lines
    assert "denied by the rule at line 3" in line["reason"]


def test_data_that_an_enclave_holds_is_not_in_the_log() -> None:
    telemetry, log = make_telemetry()
    held = encode_base64url(b"HELD")
    policy = 'version= 1.0; authorizationrules { [type=="x-ms-sgx-ehd", value=="x"] => permit(); };'
    draft = {"draftPolicyForAttestation": f"{policy} issuancerules {{ }};"}
    body = sgx_request(b"HELD") | draft

    answer = call(create_app(make_services(telemetry=telemetry)), "POST", _SGX, json=body)

    assert held in _error(answer)["message"]
    [line] = log.lines
    assert line["reason"] == "the policy decided no-permit on data held by the enclave: line 1"
    assert held not in str(log.lines)


@pytest.mark.parametrize("path", ["/certs%0A", "/certificates%0A", "/certs%00", "/attest/%7F"])
def test_an_address_with_control_characters_is_not_there(path: str) -> None:
    answer = call(create_app(make_services()), "GET", f"{path}{VERSION}")

    assert answer.status_code == 404
    assert _error(answer)["code"] == "NotFound"


def test_a_policy_that_permits_nothing_is_explained() -> None:
    answer = call(
        create_app(make_services()),
        "POST",
        _SGX,
        json=sgx_request() | {"draftPolicyForAttestation": "version= 1.0;authorizationrules{};"},
    )

    assert _error(answer)["details"][0]["code"] == "appraisal.policy.no_permit"


def test_a_draft_policy_that_is_none_is_refused_with_its_place() -> None:
    answer = call(
        create_app(make_services()),
        "POST",
        _SGX,
        json=sgx_request() | {"draftPolicyForAttestation": "version= 1.0;\nauthorisation{};"},
    )

    error = _error(answer)
    assert answer.status_code == 400
    assert error["code"] == "PolicyParsingError"
    assert error["target"] == "draftPolicyForAttestation"
    assert error["details"][0]["code"] == "policy.syntax"
    assert error["details"][0]["target"] == "line 2, column 1"


def test_bad_evidence_is_refused_with_every_finding() -> None:
    body = sgx_request() | {"runtimeData": {"data": "aGk", "dataType": "Binary"}}

    answer = call(
        create_app(make_services(instance=make_instance(roots=()))), "POST", _SGX, json=body
    )

    error = _error(answer)
    codes = [detail["code"] for detail in error["details"]]
    assert answer.status_code == 400
    assert error["code"] == "InvalidParameter"
    assert error["innererror"] == {"code": "InvalidQuote"}
    assert "dcap.pck_chain.root_untrusted" in codes
    assert "appraisal.runtime_data.binding" in codes
    assert codes[0] in error["message"]


def test_truncated_evidence_is_refused() -> None:
    answer = call(create_app(make_services()), "POST", _SGX, json={"quote": "AwAC"})

    error = _error(answer)
    assert error["innererror"] == {"code": "InvalidQuote"}
    assert error["details"][0]["code"] == "dcap.quote.quote_format"


def test_a_malformed_request_is_refused() -> None:
    answer = call(create_app(make_services()), "POST", _SGX, content=b"{")

    error = _error(answer)
    assert answer.status_code == 400
    assert error["code"] == "InvalidParameter"
    assert error["innererror"] == {"code": "InvalidRequest"}


def test_a_tcb_status_that_is_not_accepted_is_refused() -> None:
    platform = simulated_platform().with_status(TcbStatus.OUT_OF_DATE)
    services = make_services(source=SimulatedSource(platform, lambda: AT))

    answer = call(create_app(services), "POST", _SGX, json=sgx_request(platform=platform))

    assert _error(answer)["details"][0]["code"] == "dcap.tcb.tcb_not_accepted"


def test_expired_collateral_is_nobodys_fault() -> None:
    later = AT + timedelta(days=90)
    services = make_services(source=SimulatedSource(simulated_platform(), lambda: AT), now=later)

    answer = call(create_app(services), "POST", _SGX, json=sgx_request())

    error = _error(answer)
    assert answer.status_code == 503
    assert error["code"] == "CollateralUnavailable"
    assert answer.headers["retry-after"] == "5"
    assert any(detail["code"].endswith("_expired") for detail in error["details"])


class _BrokenSource:
    def __init__(self, error: Exception) -> None:
        self.error = error

    async def gather(
        self, _platform: DcapPlatform, *, evaluation: EvaluationSelection = STANDARD
    ) -> GatheredCollateral:
        del evaluation
        raise self.error


def test_collateral_that_cannot_be_had_is_reported() -> None:
    source = _BrokenSource(unavailable("a TCB info", "404", "look at the source"))

    answer = call(create_app(make_services(source=source)), "POST", _SGX, json=sgx_request())

    assert answer.status_code == 503
    assert "(look at the source)" in _error(answer)["details"][0]["message"]


def test_a_defect_goes_out_as_an_id_and_into_the_log_without_what_was_sent() -> None:
    telemetry, log = make_telemetry()
    services = make_services(
        source=_BrokenSource(ValueError("SECRET EVIDENCE")), telemetry=telemetry
    )

    answer = call(create_app(services), "POST", _SGX, json=sgx_request())

    error = _error(answer)
    request_id = answer.headers["x-ms-request-id"]
    assert answer.status_code == 500
    assert error["code"] == "InternalError"
    assert request_id in error["message"]
    defect = next(line for line in log.lines if line["event"] == "defect")
    assert defect["request_id"] == request_id
    assert defect["error"] == "ValueError"
    assert any("gather" in frame for frame in defect["stack"])
    assert b"SECRET" not in log.stream.getvalue()
    assert b"SECRET" not in answer.content


def test_the_access_log_names_failed_checks_and_no_evidence() -> None:
    telemetry, log = make_telemetry()
    body = sgx_request() | {"runtimeData": {"data": "aGk", "dataType": "Binary"}}

    call(create_app(make_services(telemetry=telemetry)), "POST", _SGX, json=body)

    [line] = log.lines
    assert line["path"] == "/attest/SgxEnclave"
    assert line["status"] == 400
    assert line["checks"] == ["appraisal.runtime_data.binding"]
    assert str(body["quote"])[:40].encode() not in log.stream.getvalue()


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "NotFound"),
        ("GET", "/certs/", 404, "NotFound"),
        ("GET", "//certs", 404, "NotFound"),
        ("GET", "/./certs%2f", 404, "NotFound"),
        ("POST", "/attest", 404, "NotFound"),
        ("POST", f"/attest/{VERSION}", 404, "NotFound"),
        ("POST", f"/attest/SgxEnclave/{VERSION}", 404, "NotFound"),
        ("POST", f"/attest/Nonsense{VERSION}", 404, "NotFound"),
        ("POST", f"/attest/SevSnpVm{VERSION}", 400, "InvalidParameter"),
        ("POST", f"/attest/tpm{VERSION}", 400, "InvalidParameter"),
        ("POST", "/attest/SgxEnclave", 400, "ApiVersionUnspecified"),
        ("POST", "/attest/SgxEnclave?api-version=1", 400, "UnsupportedApiVersion"),
        ("GET", _SGX, 405, "MethodNotAllowed"),
        ("POST", "/certs", 405, "MethodNotAllowed"),
        ("GET", "/metrics", 404, "NotFound"),
    ],
)
def test_what_is_not_offered_is_refused(method: str, path: str, status: int, code: str) -> None:
    answer = call(create_app(make_services()), method, path)

    assert answer.status_code == status
    assert _error(answer)["code"] == code


def test_a_wrong_method_is_told_the_right_one() -> None:
    answer = call(create_app(make_services()), "DELETE", _SGX)

    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON;charset=UTF-8",
        'text/json; charset="utf-8"',
        "application/vnd.example+json",
        None,
    ],
)
def test_json_by_any_name_is_taken(content_type: str | None) -> None:
    headers = {} if content_type is None else {"content-type": content_type}

    answer = call(
        create_app(make_services()),
        "POST",
        _SGX,
        content=json.dumps(sgx_request()),
        headers=headers,
    )

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "text/plain"},
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": "application/json; charset=utf-16"},
        {"content-type": "image/x+json"},
        {"content-encoding": "gzip"},
    ],
)
def test_other_content_is_refused(headers: dict[str, str]) -> None:
    answer = call(create_app(make_services()), "POST", _SGX, content=b"{}", headers=headers)

    assert answer.status_code == 415
    assert _error(answer)["code"] == "UnsupportedMediaType"


def test_a_bearer_token_on_an_anonymous_address_is_ignored() -> None:
    answer = call(
        create_app(make_services()), "GET", "/certs", headers={"authorization": "Bearer x.y.z"}
    )

    assert answer.status_code == 200


def test_the_key_set_is_json_by_its_plain_name() -> None:
    answer = call(
        create_app(make_services()),
        "GET",
        "/certs?api-version=2025-06-01",
        headers={"accept": "application/jwk+json, application/json"},
    )

    [key] = answer.json()["keys"]
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert key["kid"] == signing_key().kid
    assert key["x5c"]


def test_the_metadata_names_the_issuer() -> None:
    answer = call(create_app(make_services()), "GET", "/.well-known/openid-configuration")

    assert answer.json()["issuer"] == ISSUER
    assert answer.json()["jwks_uri"] == f"{ISSUER}/certs"


def test_the_metrics_are_served_where_they_are_wanted() -> None:
    telemetry, _ = make_telemetry(metrics=True)
    app = create_app(make_services(telemetry=telemetry))

    for number in range(20):
        call(app, "GET", f"/nothing/{number}", headers={"user-agent": str(number)})
    text = call(app, "GET", "/metrics").text

    assert 'assay_requests_total{code="NotFound",route="other",status="404"} 20.0' in text
    assert text.count("assay_requests_total{") == 1


def test_the_instance_policies_decide() -> None:
    instance = make_instance(policies={AttestationType.SGX_ENCLAVE: _DENY})
    app = create_app(make_services(instance=instance))

    refused = call(app, "POST", _SGX, json=sgx_request())
    permitted = call(app, "POST", _OPEN_ENCLAVE, json=open_enclave_request())

    assert refused.status_code == 400
    assert permitted.status_code == 200


def test_the_body_limit_is_that_of_the_settings() -> None:
    app = create_app(make_services(limits=LimitSettings(body_bytes=1024)))

    at_limit = call(app, "POST", _SGX, content=b" " * 1024)
    above = call(app, "POST", _SGX, content=b" " * 1025)

    assert at_limit.status_code == 400
    assert above.status_code == 413


def test_the_lifespan_closes_the_services() -> None:
    closed: list[bool] = []
    received = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent: list[str] = []

    async def close() -> None:
        closed.append(True)

    async def receive() -> Message:
        return next(received)

    async def send(message: Message) -> None:
        sent.append(message["type"])

    app = create_app(replace(make_services(), close=close))

    async def live() -> None:
        await app({"type": "lifespan"}, receive, send)

    asyncio.run(live())

    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert closed == [True]
