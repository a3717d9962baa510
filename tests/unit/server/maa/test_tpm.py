from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from starlette.types import ASGIApp

from assay.appraisal import AppraisalSettings, Compatibility
from assay.encoding import decode_base64url, encode_base64url
from assay.evidence.tpm.public import parse_public
from assay.server.app import create_app
from assay.server.auth.assembly import open_authorizer
from assay.server.auth.settings import AuthSettings
from assay.service.aik_certificate import create_authority, issue_aik_certificate, tpm_names
from assay.service.instances import TpmTrust, create_instance
from assay.simulator.tpm.request import RequestDraft, draft_v1, draft_v2
from assay.token import TokenExpectations, parse_key_set, read_unverified, verify_token
from tests.conftest import AT
from tests.serving import (
    ISSUER,
    VERSION,
    call,
    make_instance,
    make_services,
    make_tpm_services,
    shared_store,
)
from tests.tpm import (
    ADDRESS,
    challenge,
    received,
    send,
    simulated_endorsement,
    simulated_tpm,
    tpm_instance,
)

_ENROLL = f"/attest/Tpm/enroll{VERSION}"
_ACTIVATE = f"/attest/Tpm/activate{VERSION}"
_TWO = b'{"data":"eyJwYXlsb2FkIjp7fSwieCI6MX0"}'
_ISSUING = """version=1.2;
authorizationrules { => permit(); };
issuancerules {
    => issue(type="healthy", value=true);
    => issue(type="x-ms-ver", value="forged");
    => issueproperty(type="report_validity_in_minutes", value=%s);
    => issueproperty(type="omit_x5c", value=%s);
};"""


def _app(policy: str = "", **changes: Any) -> ASGIApp:  # noqa: ANN401
    instance = tpm_instance(policy, **changes) if policy else tpm_instance(**changes)
    return create_app(make_services(instance=instance))


def _answered(app: ASGIApp, **options: Any) -> RequestDraft:  # noqa: ANN401
    sent, context = challenge(app)
    return draft_v2(simulated_tpm(), challenge=sent, service_context=context, **options)


def _attest(app: ASGIApp, draft: RequestDraft, **options: Any) -> httpx2.Response:  # noqa: ANN401
    return send(app, {"request": draft.sign()}, **options)


def _report(app: ASGIApp, draft: RequestDraft) -> str:
    answer = _attest(app, draft)
    assert answer.status_code == 200, answer.text
    report: str = received(answer)["payload"]["report"]
    return report


def _error(answer: httpx2.Response) -> dict[str, Any]:
    error: dict[str, Any] = answer.json()["error"]
    return error


def test_both_legs_end_with_a_report_that_verifies() -> None:
    app = _app()
    draft = _answered(app)

    report = _report(app, draft)

    keys = parse_key_set(call(app, "GET", "/certs").content)
    claims = verify_token(report, keys, at=AT, expect=TokenExpectations(issuer=ISSUER)).claims
    key = draft.data["request_key"]
    assert claims["cnf"] == {"jwk": key["jwk"]}
    assert claims["x-ms-tpm-request-key"] == key
    assert claims["rp_data"] == claims["nonce"] == draft.data["rp_data"]
    assert claims["x-assay-request-key-binding"] == "quote"
    assert claims["ver"] == claims["x-ms-ver"] == "1.0"
    assert len(str(claims["jti"])) == 40


def test_a_report_is_dated_as_recorded_ones_are_and_lives_a_day() -> None:
    app = _app()

    shown = read_unverified(_report(app, _answered(app)))

    issued = int(AT.timestamp())
    assert shown.claims["iat"] == issued
    assert shown.claims["nbf"] == issued - 300
    assert shown.claims["exp"] == issued + 86_400
    assert list(shown.header) == ["alg", "kid", "typ", "x5c"]


def test_the_policy_says_how_long_a_report_lives_and_how_it_names_its_certificate() -> None:
    app = _app(_ISSUING % (10, "true"))

    shown = read_unverified(_report(app, _answered(app)))

    assert int(str(shown.claims["exp"])) - int(str(shown.claims["iat"])) == 600
    assert list(shown.header) == ["alg", "kid", "typ", "x5t"]


def test_what_the_policy_issues_stands_apart_from_what_the_service_says() -> None:
    app = _app(_ISSUING % (10, "false"))

    claims = read_unverified(_report(app, _answered(app))).claims

    assert claims["x-ms-policy"] == {"healthy": True, "x-ms-ver": "forged"}
    assert claims["x-ms-ver"] == "1.0"
    assert "healthy" not in claims


def test_reports_of_2021_have_it_at_the_top_and_it_shadows_nothing() -> None:
    settings = AppraisalSettings(compatibility=Compatibility.Y2021)
    app = _app(_ISSUING % (10, "false"), appraisal=settings)

    claims = read_unverified(_report(app, _answered(app))).claims

    assert claims["healthy"] is True
    assert claims["x-ms-ver"] == "1.0"
    assert "x-ms-policy" not in claims


@pytest.mark.parametrize(("minutes", "omit"), [("0", "true"), ('"long"', "true"), ("1", "1")])
def test_a_property_that_cannot_be_fails_the_policy(minutes: str, omit: str) -> None:
    app = _app(_ISSUING % (minutes, omit))

    answer = _attest(app, _answered(app))

    assert answer.status_code == 400
    assert _error(answer)["code"] == "PolicyEvaluationError"


def test_the_first_version_is_attested_with_a_key_that_nothing_binds() -> None:
    app = _app()
    sent, context = challenge(app)

    report = _report(app, draft_v1(simulated_tpm(), challenge=sent, service_context=context))

    assert read_unverified(report).claims["x-assay-request-key-binding"] == "none"


def test_a_bare_message_gets_a_bare_answer() -> None:
    app = _app()

    first = received(send(app, {"type": "aikcert"}, wrapped=False))
    second = received(_attest(app, _answered(app), wrapped=False))

    assert list(first) == ["challenge", "service_context"]
    assert list(second) == ["report"]


def test_without_a_policy_both_legs_answer_as_recorded() -> None:
    app = create_app(make_services(instance=make_instance()))

    answers = [send(app, {"type": "aikcert"}), send(app, {"request": "a.b.c"})]

    for answer in answers:
        assert answer.status_code == 400
        assert answer.content == (
            b'{"error":{"code":"Bad request","message":"A VBS attestation policy has not been set '
            b'on the attestation provider."}}'
        )


def test_a_challenge_is_answered_once() -> None:
    app = _app()
    draft = _answered(app)
    _report(app, draft)

    again = _attest(app, draft)

    assert again.status_code == 400
    assert _error(again)["details"][0]["code"] == "tpm.request.replayed"


def test_a_refused_answer_does_not_use_the_challenge_up() -> None:
    app = _app()
    draft = _answered(app)
    broken = replace(draft, key=simulated_tpm().root_key)

    refused = _attest(app, broken)

    assert _error(refused)["details"][0]["code"] == "tpm.request.signature"
    assert _report(app, draft)


def test_a_context_of_another_instance_is_refused() -> None:
    other = _app(name="other")
    app = _app()

    answer = _attest(app, _answered(other))

    assert _error(answer)["innererror"] == {"code": "ServiceContextInvalid"}


def test_a_context_that_has_expired_is_refused() -> None:
    draft = _answered(_app())
    late = make_services(instance=tpm_instance(), now=AT + timedelta(minutes=5))

    answer = _attest(create_app(late), draft)

    assert _error(answer)["details"][0]["code"] == "tpm.service_context.invalid"


def test_what_is_wrong_with_a_request_is_told_by_finding_and_word() -> None:
    app = _app()
    draft = _answered(app)
    draft.current["pcrs"][0]["values"].pop()

    answer = _attest(app, draft)

    assert answer.status_code == 400
    error = _error(answer)
    assert error["code"] == "InvalidParameter"
    assert error["innererror"] == {"code": "PcrDigestMismatch"}
    assert error["details"][0]["code"] == "tpm.quote.pcr_selection"


def test_a_policy_that_refuses_is_told() -> None:
    app = _app('version=1.2;authorizationrules{[type=="tpmVersion", value==1] => permit();};')

    answer = _attest(app, _answered(app))

    assert _error(answer)["code"] == "PolicyEvaluationError"


def test_a_policy_that_fails_is_told() -> None:
    app = _app(
        "version=1.2;authorizationrules{"
        'c:[type=="tpmVersion"] => add(type="x", value=JsonToClaimValue("{"));=> permit();};'
    )

    answer = _attest(app, _answered(app))

    assert _error(answer)["code"] == "PolicyEvaluationError"


@pytest.mark.parametrize(
    "payload",
    [
        {"type": "ekcert"},
        {"type": "aikcert", "more": 1},
        {"type": 1},
        {"request": 1},
        {"request": "a.b.c", "more": 1},
        {},
        [],
    ],
)
def test_a_message_of_another_form_is_refused(payload: object) -> None:
    answer = send(_app(), payload)

    assert answer.status_code == 400
    assert _error(answer)["innererror"] == {"code": "InvalidRequest"}


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{",
        b'{"data":1}',
        b"{}",
        b'{"data":"?"}',
        b'{"data":"e30="}',
        b'{"data":"W10"}',
        _TWO,
    ],
)
def test_a_body_of_another_form_is_refused(body: bytes) -> None:
    headers = {"content-type": "application/json"}

    answer = call(_app(), "POST", ADDRESS, content=body, headers=headers)

    assert answer.status_code == 400
    assert _error(answer)["innererror"] == {"code": "InvalidRequest"}


def test_callers_have_to_be_known_unless_the_instance_says_otherwise() -> None:
    closed = open_authorizer(AuthSettings(), api_tokens=None, dev=False, now=lambda: AT)
    apps = [
        create_app(
            replace(
                make_services(instance=tpm_instance(authentication=authentication)),
                tpm=make_tpm_services(shared_store(), closed),
            )
        )
        for authentication in (True, False)
    ]

    answers = [send(app, {"type": "aikcert"}) for app in apps]

    assert [answer.status_code for answer in answers] == [401, 200]


def test_custom_claims_are_the_clients_and_have_the_services_address_before_their_name() -> None:
    policy = (
        "version=1.2;authorizationrules{"
        f'[type=="{ISSUER}/aikValidated", issuer=="CustomClaim", value=="yes"] => permit();}};'
    )
    app = _app(policy)
    draft = _answered(app)
    draft.data["custom_claims"] = [{"name": "aikValidated", "value": "yes"}]

    assert _report(app, draft)


def test_an_address_without_a_version_is_refused() -> None:
    data = {"data": encode_base64url(b'{"payload":{"type":"aikcert"}}')}

    answer = call(_app(), "POST", "/attest/Tpm", json=data)

    assert _error(answer)["code"] == "ApiVersionUnspecified"


def _enrolled(app: ASGIApp) -> dict[str, Any]:
    tpm, endorsement = simulated_tpm(), simulated_endorsement()
    aik = encode_base64url(tpm.aik_public)

    offer = call(
        app,
        "POST",
        _ENROLL,
        json={
            "ek_certificate": encode_base64url(endorsement.certificate),
            "ek_public": encode_base64url(endorsement.public),
            "aik_public": aik,
        },
    ).json()
    secret = endorsement.activate(
        parse_public(tpm.aik_public).name,
        blob=decode_base64url(offer["credential_blob"], "blob"),
        secret=decode_base64url(offer["secret"], "secret"),
    )
    issued: dict[str, Any] = call(
        app,
        "POST",
        _ACTIVATE,
        json={
            "aik_public": aik,
            "secret": encode_base64url(secret or b""),
            "context": offer["context"],
        },
    ).json()
    return issued


def test_an_attestation_key_is_certified_in_two_steps() -> None:
    issued = _enrolled(_app())

    certificate = x509.load_der_x509_certificate(decode_base64url(issued["certificate"], "cert"))
    issuer = x509.load_der_x509_certificate(decode_base64url(issued["issuer"], "issuer"))
    certificate.verify_directly_issued_by(issuer)
    assert certificate.public_key() == simulated_tpm().aik.public_key()


def test_an_instance_trusts_its_own_authority() -> None:
    authority = create_authority("test", at=AT)
    tpm = simulated_tpm()
    certificate = issue_aik_certificate(authority, tpm.aik.public_key(), tpm_names(None), at=AT)
    der = authority.certificate.public_bytes(Encoding.DER)
    definition = replace(tpm_instance().definition, tpm=TpmTrust())
    app = create_app(
        make_services(instance=create_instance(definition, tpm_instance().keys, aik_authority=der))
    )
    draft = _answered(app)
    draft.current["aik_cert"] = encode_base64url(certificate)

    assert _report(app, draft)


def test_a_tpm_that_nobody_knows_is_not_certified() -> None:
    app = _app()
    body = {
        "ek_public": encode_base64url(simulated_endorsement().public),
        "aik_public": encode_base64url(simulated_tpm().aik_public),
    }

    answer = call(app, "POST", _ENROLL, json=body)

    assert _error(answer)["innererror"] == {"code": "EndorsementKeyNotTrusted"}


@pytest.mark.parametrize("body", [{}, {"ek_public": "?", "aik_public": ""}, {"ek_public": 1}])
def test_an_enrolment_of_another_form_is_refused(body: dict[str, object]) -> None:
    answer = call(_app(), "POST", _ENROLL, json=body)

    assert _error(answer)["innererror"] == {"code": "InvalidRequest"}


def test_a_report_says_who_signed_the_policy_and_no_nonce_where_none_was_sent() -> None:
    instance = tpm_instance()
    assert instance.tpm_policy is not None
    signed = replace(instance, tpm_policy=replace(instance.tpm_policy, signer={"kty": "RSA"}))
    app = create_app(make_services(instance=signed))
    draft = _answered(app)
    draft.data["rp_data"] = ""

    claims = read_unverified(_report(app, draft)).claims

    assert claims["x-ms-policy-signer"] == {"kty": "RSA"}
    assert "rp_data" not in claims
    assert "nonce" not in claims


def test_a_second_certificate_comes_from_the_authority_that_is_there() -> None:
    authority = create_authority("test", at=AT).certificate.public_bytes(Encoding.DER)
    instance = create_instance(
        tpm_instance().definition, tpm_instance().keys, aik_authority=authority
    )
    app = create_app(make_services(instance=instance))

    issuers = {_enrolled(app)["issuer"] for _ in range(2)}

    assert len(issuers) == 1
