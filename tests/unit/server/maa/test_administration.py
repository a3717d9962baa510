from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from starlette.types import ASGIApp

from assay.errors import StoreUnavailableError
from assay.policy import default_policy
from assay.server.app import create_app
from assay.server.maa.administration import Administration
from assay.token import (
    UNSET_POLICY,
    read_owner_token,
    read_policy_text,
    signer_jwk,
    unsecured_policy,
)
from tests.administration import (
    DENY,
    PERMIT,
    UNSECURED_RESET,
    VERSION,
    Hosted,
    certificate_payload,
    certify,
    owner,
    rsa_key,
    signed,
    stored_policy,
    three_instances,
    unsecured,
)
from tests.serving import call, make_administration, make_services, sgx_request

_SET = unsecured(stored_policy(DENY))
_SECOND = certify(rsa_key(1), "second")
_ADD = signed(certificate_payload(_SECOND))
_POLICY = f"/policies/SgxEnclave{VERSION}"
_RESET = f"/policies/SgxEnclave:reset{VERSION}"


@pytest.fixture
def service(upgraded_sqlite: str) -> Iterator[Hosted]:
    with three_instances(upgraded_sqlite) as found:
        yield found


def _with(service: Hosted, administration: Administration) -> ASGIApp:
    services = replace(
        make_services(),
        instances=service.registry,
        default_instance="aad",
        administration=administration,
    )
    return create_app(services)


def _policy(service: Hosted, path: str = _POLICY, instance: str = "aad") -> str:
    claims = service.claims(service.call("GET", f"/{instance}{path}"), instance)
    assert claims["exp"] == int(str(claims["iat"])) + 3600
    return str(claims["x-ms-policy"])


def _error(answer: Any, status: int = 400) -> dict[str, Any]:  # noqa: ANN401  a response
    assert answer.status_code == status, answer.text
    error: dict[str, Any] = answer.json()["error"]
    return error


def test_a_policy_is_set_read_and_reset(service: Hosted) -> None:
    updated = service.claims(service.call("PUT", _POLICY, content=_SET), "aad")
    set_to = _policy(service)
    removed = service.claims(service.call("POST", _RESET, content=UNSECURED_RESET), "aad")

    assert updated["x-ms-policy-result"] == "Updated"
    assert set_to == _SET
    assert removed["x-ms-policy-result"] == "Removed"
    assert _policy(service) == unsecured_policy(default_policy("SgxEnclave"))


def test_the_policy_decides_from_the_answer_on(service: Hosted) -> None:
    attest = f"/attest/SgxEnclave{VERSION}"
    before = service.call("POST", attest, json=sgx_request())

    service.call("PUT", _POLICY, content=_SET)
    after = service.call("POST", attest, json=sgx_request())

    assert before.status_code == 200
    assert _error(after)["code"] == "PolicyEvaluationError"


def test_tokens_name_the_signer_of_a_signed_policy(service: Hosted) -> None:
    jws = signed(stored_policy(PERMIT))
    service.call("PUT", f"/isolated{_POLICY}", content=jws)

    answer = service.call("POST", f"/isolated/attest/SgxEnclave{VERSION}", json=sgx_request())

    assert service.claims(answer, "isolated")["x-ms-policy-signer"] == signer_jwk((owner(),))


def test_a_draft_names_no_signer(service: Hosted) -> None:
    service.call("PUT", f"/isolated{_POLICY}", content=signed(stored_policy(PERMIT)))
    body = sgx_request() | {"draftPolicyForAttestation": PERMIT}

    answer = service.call("POST", f"/isolated/attest/SgxEnclave{VERSION}", json=body)

    payload = answer.json()["token"].split(".")[1]
    assert (
        "x-ms-policy-signer"
        not in read_owner_token(f"eyJhbGciOiJub25lIn0.{payload}.").payload.decode()
    )


@pytest.mark.parametrize(
    ("path", "reset"),
    [
        ("/policies/TPM", "/policies/tpm:reset"),
        ("/POLICIES/Tpm", "/Policies/Tpm:Reset"),
        ("/policies/tpm", "/policies/Tpm%3Areset"),
    ],
)
def test_addresses_match_in_any_case_and_encoding(service: Hosted, path: str, reset: str) -> None:
    service.call("PUT", path + VERSION, content=_SET)
    set_to = _policy(service, f"/policies/Tpm{VERSION}")
    answer = service.call("POST", reset + VERSION, content=UNSECURED_RESET)

    assert set_to == _SET
    assert answer.status_code == 200
    assert _policy(service, path + VERSION) == UNSET_POLICY


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/plain", "JWS"),
        ("text/plain; charset=utf-8", "\r\n JWS\n"),
        ("application/json", "JWS"),
        ("application/json", '"JWS"'),
        ("application/json; charset=utf-8", ' "JWS" '),
        ("application/json", '{"newAttestationPolicy":"JWS"}'),
        ("application/json", '{ "NewAttestationPolicy" : "JWS" }'),
        ("application/jose", "JWS"),
        (None, "JWS"),
    ],
)
def test_the_wrapping_of_every_client_is_taken(
    service: Hosted, content_type: str | None, body: str
) -> None:
    headers = {} if content_type is None else {"content-type": content_type}

    answer = service.call("PUT", _POLICY, content=body.replace("JWS", _SET), headers=headers)

    assert answer.status_code == 200, answer.text
    assert _policy(service) == _SET


@pytest.mark.parametrize(
    ("body", "check"),
    [
        (b"", "owner.jws.jws_format"),
        (PERMIT.encode(), "owner.jws.jws_format"),
        (b"\xff", "owner.jws.jws_format"),
        (b'"a', "owner.jws.jws_format"),
        (b'"a" "b"', "owner.jws.jws_format"),
        (b"{", "owner.jws.jws_format"),
        (b"{}", "owner.jws.jws_format"),
        (json.dumps({"policyJws": _SET}).encode(), "owner.jws.jws_format"),
        (json.dumps({"newAttestationPolicy": 1}).encode(), "owner.jws.jws_format"),
        (json.dumps({"newAttestationPolicy": _SET, "x": 1}).encode(), "owner.jws.jws_format"),
        (unsecured(b"").encode(), "owner.jws.payload"),
    ],
)
def test_a_body_of_another_form_is_refused(service: Hosted, body: bytes, check: str) -> None:
    error = _error(service.call("PUT", _POLICY, content=body))

    assert error["code"] == "InvalidOperation"
    assert [detail["code"] for detail in error["details"]] == [check]


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "text/plain; charset=utf-16"},
        {"content-type": "image/png"},
        {"content-encoding": "gzip"},
    ],
)
def test_other_content_is_refused(service: Hosted, headers: dict[str, str]) -> None:
    answer = service.call("PUT", _POLICY, content=_SET, headers=headers)

    assert _error(answer, 415)["code"] == "UnsupportedMediaType"


def test_a_body_that_is_encoded_as_it_is_is_taken(service: Hosted) -> None:
    answer = service.call("PUT", _POLICY, content=_SET, headers={"content-encoding": "identity"})

    assert answer.status_code == 200


def test_a_text_that_is_no_policy_is_refused_with_its_place(service: Hosted) -> None:
    jws = unsecured(stored_policy("version= 1.0;\nauthorisation{};"))

    error = _error(service.call("PUT", _POLICY, content=jws))

    assert error["code"] == "PolicyParsingError"
    assert error["target"] == "AttestationPolicy"
    assert error["details"][0]["target"] == "line 2, column 1"


def test_signers_are_added_listed_and_removed(service: Hosted) -> None:
    def change(path: str) -> dict[str, Any]:
        answer = service.call("POST", f"/isolated{path}{VERSION}", content=json.dumps(_ADD))
        return dict(service.claims(answer, "isolated"))

    def listed() -> Any:  # noqa: ANN401  a claim
        answer = service.call("GET", f"/isolated/certificates{VERSION}")
        return service.claims(answer, "isolated")["x-ms-policy-certificates"]

    added = change("/certificates:add")
    present = listed()
    removed = change("/certificates:remove")

    assert added["x-ms-policycertificates-result"] == "IsPresent"
    assert present == {"keys": [signer_jwk((owner(),)), signer_jwk((_SECOND,))]}
    assert removed["x-ms-policycertificates-result"] == "IsAbsent"
    assert listed() == {"keys": [signer_jwk((owner(),))]}


@pytest.mark.parametrize(
    ("operation", "parameter"),
    [("add", "policyCertificateToAdd"), ("remove", "policyCertificateToRemove")],
)
def test_a_certificate_may_come_as_a_parameter(
    service: Hosted, operation: str, parameter: str
) -> None:
    answer = service.call(
        "POST", f"/isolated/certificates:{operation}{VERSION}", json={parameter: _ADD}
    )

    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "code", "inner"),
    [
        ("PUT", f"/isolated{_POLICY}", _SET, "InvalidOperation", None),
        (
            "PUT",
            f"/isolated{_POLICY}",
            signed(stored_policy(PERMIT), rsa_key(1), _SECOND),
            "InvalidParameter",
            "UntrustedSigner",
        ),
        ("POST", f"/isolated{_RESET}", UNSECURED_RESET, "InvalidOperation", None),
        ("PUT", f"/shared{_POLICY}", _SET, "InvalidOperation", None),
        ("POST", f"/shared{_RESET}", UNSECURED_RESET, "InvalidOperation", None),
        ("POST", f"/aad/certificates:add{VERSION}", _ADD, "InvalidOperation", None),
        ("POST", f"/aad/certificates:remove{VERSION}", _ADD, "InvalidOperation", None),
        ("POST", f"/shared/certificates:add{VERSION}", _ADD, "InvalidOperation", None),
        (
            "POST",
            f"/isolated/certificates:remove{VERSION}",
            signed(certificate_payload(owner())),
            "InvalidOperation",
            None,
        ),
    ],
)
def test_what_the_trust_model_forbids_is_refused(
    service: Hosted, method: str, path: str, body: str, code: str, inner: str | None
) -> None:
    error = _error(service.call(method, path, content=body))

    assert error["code"] == code
    assert error.get("innererror", {}).get("code") == inner


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", f"/policies/Nonsense{VERSION}", 404, "NotFound"),
        ("GET", f"/policies/{VERSION}", 404, "NotFound"),
        ("GET", f"/policies{VERSION}", 404, "NotFound"),
        ("GET", "/policies/SgxEnclave", 400, "ApiVersionUnspecified"),
        ("GET", "/certificates?api-version=1", 400, "UnsupportedApiVersion"),
        ("DELETE", _POLICY, 405, "MethodNotAllowed"),
        ("POST", _POLICY, 405, "MethodNotAllowed"),
        ("GET", _RESET, 404, "NotFound"),
        ("GET", f"/certificates:add{VERSION}", 405, "MethodNotAllowed"),
        ("POST", f"/certificates:drop{VERSION}", 404, "NotFound"),
    ],
)
def test_what_is_not_offered_is_refused(
    service: Hosted, method: str, path: str, status: int, code: str
) -> None:
    assert _error(service.call(method, path), status)["code"] == code


def test_a_head_request_is_answered_as_a_get(service: Hosted) -> None:
    assert service.call("HEAD", _POLICY).status_code == 200


def test_the_history_tells_where_a_change_came_from(service: Hosted) -> None:
    service.call("PUT", _POLICY, content=_SET)

    [change] = service.store.policies.history("aad", "SgxEnclave")
    assert (change.changed_by.name, change.changed_by.address) == (
        "developer: developer",
        "127.0.0.1",
    )


class _AwayStore:
    """A store whose database is away for changes."""

    def __init__(self, hosted: Hosted) -> None:
        self.instances = hosted.store.instances

    @property
    def signers(self) -> Any:  # noqa: ANN401  raises
        raise StoreUnavailableError("SECRET")


def test_without_its_database_changes_fail_and_attestations_go_on(service: Hosted) -> None:
    attest = f"/attest/SgxEnclave{VERSION}"
    service.call("POST", attest, json=sgx_request())
    away = make_administration(_AwayStore(service))  # type: ignore[arg-type]
    app = _with(service, away)

    changed = call(app, "PUT", _POLICY, content=_SET)
    attested = call(app, "POST", attest, json=sgx_request())

    assert _error(changed, 503)["code"] == "StoreUnavailable"
    assert "SECRET" not in changed.text
    assert attested.status_code == 200


def test_a_policy_text_comes_out_of_the_answer_of_every_type(service: Hosted) -> None:
    for kind in ("OpenEnclave", "SevSnpVm", "TdxVm", "AzureGuest"):
        jws = _policy(service, f"/policies/{kind}{VERSION}")
        assert read_policy_text(read_owner_token(jws)) == default_policy(kind)
