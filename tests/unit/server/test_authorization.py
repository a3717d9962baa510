"""The authorisation matrix on the application: every route with every kind of caller."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest
from starlette.types import ASGIApp

from assay.access import Grants, IssuedApiToken, Right, issue_api_token
from assay.audit import AuditOutcome, AuditRecord, parse_line, verify_export
from assay.encoding import JsonValue
from assay.server.app import create_app, routes
from assay.server.arm.operations import ARM_OPERATIONS, ArmOperation
from assay.server.auth.assembly import open_authorizer
from assay.server.auth.settings import AuthSettings
from assay.server.maa.administration import OPERATIONS, Operation
from assay.store import Store, TrustModel
from tests.administration import (
    ALICE,
    DENY,
    VERSION,
    add_instance,
    certificate_payload,
    certify,
    hosted,
    make_record,
    owner,
    rsa_key,
    signed,
    stored_policy,
)
from tests.conftest import AT
from tests.issuers import AUDIENCE, FakeIssuer, claims, grant, issuer_key, issuer_settings, token
from tests.management import CURRENT, PROVIDERS, SUBSCRIPTION, make_management, provider_body
from tests.serving import (
    call,
    make_administration,
    make_services,
    make_tpm_services,
    sgx_request,
)

_MINE: Final = "isolated"
_OTHERS: Final = "other"
_NOW: Final = int(AT.timestamp())
_ALL: Final = tuple(Right)
_GRANTS: Final = (
    *(grant("roles", right.value, right, to=_MINE) for right in Right),
    grant("roles", "owner", *_ALL, to=_MINE),
    grant("roles", "other", *_ALL, to=_OTHERS),
    grant("roles", "everywhere", *_ALL),
    *(grant("roles", f"{right.value} everywhere", right) for right in Right),
)
_ISSUER: Final = FakeIssuer()


def _token(role: str = "everywhere", **changes: JsonValue) -> str:
    content: dict[str, JsonValue] = {"roles": [role], **changes}
    return f"Bearer {token(claims(**content))}"


def _shared_secret() -> str:
    public = json.dumps(_ISSUER.keys[0]).encode()
    forged = token(
        claims(roles=["everywhere"]),
        sign=lambda data: hmac.digest(public, data, hashlib.sha256),
        alg="HS256",
    )
    return f"Bearer {forged}"


def _unsecured() -> str:
    return f"Bearer {token(claims(roles=['everywhere']), sign=lambda _: b'', alg='none')}"


def _api_token(instance: str, *rights: Right, since: timedelta = timedelta(0)) -> IssuedApiToken:
    return issue_api_token(
        "x",
        Grants.of(rights, [instance]),
        created_at=AT - since,
        lifetime=timedelta(days=1),
    )


_READER: Final = _api_token(_MINE, Right.READ)
_WRITER: Final = _api_token(_MINE, Right.WRITE)
_OTHERS_TOKEN: Final = _api_token(_OTHERS, *_ALL)
_ENDED: Final = _api_token("*", *_ALL, since=timedelta(days=1))
_REVOKED: Final = _api_token("*", *_ALL)
_TOKENS: Final = (_READER, _WRITER, _OTHERS_TOKEN, _ENDED, _REVOKED)


_REFUSED: Final[dict[str, str | None]] = {
    "nobody": None,
    "an empty credential": "",
    "a scheme alone": "Bearer",
    "a password": "Basic " + base64.b64encode(b"owner:secret").decode(),
    "no token": "Bearer x",
    "expired": _token(exp=_NOW - 3600, iat=_NOW - 7200, nbf=_NOW - 7200),
    "not valid yet": _token(nbf=_NOW + 3600),
    "another audience": _token(aud="api://another"),
    "another issuer": _token(iss="https://login.example/another/v2.0"),
    "the key as a shared secret": _shared_secret(),
    "no algorithm": _unsecured(),
    "another algorithm": f"Bearer {token(claims(roles=['everywhere']), alg='RS256')}",
    "another's key": f"Bearer {token(claims(roles=['everywhere']), issuer_key(9))}",
    "without roles": _token(roles=None),
    "without end": _token(exp=None),
    "without audience": _token(aud=None),
    "without issuer": _token(iss=None),
    "without subject": _token(sub=None),
    "without signature": _token().rpartition(".")[0] + ".",
    "without rights": _token("stranger"),
    "owner of another instance": _token("other"),
    "an API token that was cut": f"Bearer {_READER.text[:-1]}",
    "an API token that has ended": f"Bearer {_ENDED.text}",
    "an API token that was revoked": f"Bearer {_REVOKED.text}",
    "another instance's API token": f"Bearer {_OTHERS_TOKEN.text}",
}
_ALLOWED: Final = {
    **{right.value: (_token(right.value), frozenset({right})) for right in Right},
    **{
        f"{right.value} everywhere": (_token(f"{right.value} everywhere"), frozenset({right}))
        for right in Right
    },
    "owner": (_token("owner"), frozenset(Right)),
    "everywhere": (_token(), frozenset(Right)),
    "an API token to read": (f"Bearer {_READER.text}", frozenset({Right.READ})),
    "an API token to write": (f"Bearer {_WRITER.text}", frozenset({Right.WRITE})),
}
_MATRIX: Final = {
    **{who: (credential, frozenset[Right]()) for who, credential in _REFUSED.items()},
    **_ALLOWED,
}

_KNOWN: Final = {
    *_ALLOWED,
    "without roles",
    "without rights",
    "owner of another instance",
    "another instance's API token",
}
"""Who can be told from others, with rights or without."""

_SERVER_RIGHTS: Final = {
    "everywhere": frozenset(Right),
    **{f"{right.value} everywhere": frozenset({right}) for right in Right},
}
"""What is given for the server itself, not for one instance or another."""

_SIGNER: Final = certify(rsa_key(1), "second")
_BODIES: Final = {
    "/policies/{attestation_type}": signed(stored_policy(DENY)),
    "/policies/{attestation_type}:reset": signed(b""),
    "/certificates:add": signed(certificate_payload(_SIGNER)),
    "/certificates:remove": signed(certificate_payload(_SIGNER)),
}
_UNTRUSTED: Final = {
    path: signed(payload, rsa_key(2), certify(rsa_key(2), "stranger"))
    for path, payload in {
        "/policies/{attestation_type}": stored_policy(DENY),
        "/policies/{attestation_type}:reset": b"",
        "/certificates:add": certificate_payload(_SIGNER),
        "/certificates:remove": certificate_payload(_SIGNER),
    }.items()
}


_ARM_NAMES: Final = {
    "subscription": SUBSCRIPTION,
    "resource_group": "home",
    "provider": _MINE,
    "connection": "link",
    "location": "somewhere",
}
_ARM_BODIES: Final = {
    ("PUT", "{provider}"): provider_body(owner(), location="local"),
    ("PATCH", "{provider}"): {"tags": {"a": "b"}},
    ("PUT", "{connection}"): {"properties": {"privateLinkServiceConnectionState": {}}},
    ("PUT", "{resource_group}"): {"location": "local"},
}
_ARM_STATUSES: Final = {
    "GET defaultprovider": 404,
    "GET {connection}": 404,
    "DELETE {connection}": 204,
    "DELETE {provider}": 409,
}
"""Where what is asked for is not there, or must not go; 200 elsewhere."""


_OPEN: Final = (
    "/certs",
    "/.well-known/openid-configuration",
    "/health/live",
    "/health/ready",
    "/openapi.json",
)
_TPM: Final = ("/attest/Tpm", "/attest/Tpm/enroll", "/attest/Tpm/activate")


class _Service:
    """An isolated instance that is asked about, and another, for callers of one issuer."""

    def __init__(self, app: ASGIApp, store: Store) -> None:
        self.app = app
        self.store = store

    def ask(
        self,
        operation: Operation,
        credential: str | None,
        *,
        prefix: str = "",
        bodies: dict[str, str] = _BODIES,
        **headers: str,
    ) -> Any:  # noqa: ANN401  an answer
        path = prefix + operation.path.replace("{attestation_type}", "SgxEnclave") + VERSION
        if credential is not None:
            headers["authorization"] = credential
        body = json.dumps(bodies[operation.path]) if operation.parameter else None
        return call(self.app, operation.method, path, headers=headers, content=body)

    def manage(self, operation: ArmOperation, credential: str | None) -> Any:  # noqa: ANN401
        path = operation.path.format_map(_ARM_NAMES)
        headers = {} if credential is None else {"authorization": credential}
        body = _ARM_BODIES.get((operation.method, operation.path.rpartition("/")[2]))
        return call(self.app, operation.method, path + CURRENT, headers=headers, json=body)

    def open(self, method: str, path: str, credential: str | None) -> int:
        headers = {} if credential is None else {"authorization": credential}
        body = sgx_request() if method == "POST" else None
        return call(self.app, method, path, headers=headers, json=body).status_code

    def state(self) -> tuple[object, ...]:
        store = self.store
        return (store.revision(), store.policies.history(_MINE, "SgxEnclave"))


@contextmanager
def _served(
    url: str, auth: AuthSettings, tokens: Sequence[IssuedApiToken] = ()
) -> Iterator[_Service]:
    with closing(Store.open(url)) as store:
        add_instance(store, make_record(_MINE, TrustModel.ISOLATED), [owner()])
        add_instance(store, make_record(_OTHERS))
        for one in tokens:
            store.api_tokens.add(one.token, by=ALICE)
        store.api_tokens.remove(_REVOKED.token.token_id, at=AT, by=ALICE)
    with hosted(url, default=_MINE) as found:
        authorizer = open_authorizer(
            auth,
            api_tokens=found.store.api_tokens,
            dev=False,
            now=lambda: AT,
            transport=_ISSUER.transport,
        )
        services = replace(
            make_services(),
            instances=found.registry,
            default_instance=_MINE,
            administration=make_administration(found.store, authorizer=authorizer),
            tpm=make_tpm_services(found.store, authorizer),
            management=make_management(
                found.store, found.registry, authorizer=authorizer, kept=_MINE
            ),
        )
        yield _Service(create_app(services), found.store)
        asyncio.run(authorizer.close())


@pytest.fixture
def service(upgraded_sqlite: str) -> Iterator[_Service]:
    auth = AuthSettings(issuers=(issuer_settings(grants=_GRANTS),))
    with _served(upgraded_sqlite, auth, _TOKENS) as found:
        yield found


def _name(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


def _refusals(service: _Service) -> list[AuditRecord]:
    lines = list(service.store.audit.lines())
    verify_export(lines)
    records = [parse_line(line)[0] for line in lines]
    return [one for one in records if one.event.outcome is AuditOutcome.REFUSED]


def _statuses(service: _Service, credential: str | None, **options: Any) -> dict[str, int]:  # noqa: ANN401
    return {_name(one): service.ask(one, credential, **options).status_code for one in OPERATIONS}


_SET: Final = next(one for one in OPERATIONS if one.action == "policy.set")
_ALL_REFUSED: Final = {_name(one): 401 for one in OPERATIONS}


@pytest.mark.parametrize("who", _MATRIX)
def test_every_route_is_open_to_those_with_its_right_only(who: str, service: _Service) -> None:
    credential, rights = _MATRIX[who]

    assert _statuses(service, credential) == {
        _name(one): 200 if one.right in rights else 401 for one in OPERATIONS
    }


@pytest.mark.parametrize("who", _REFUSED)
def test_the_refused_change_nothing_and_learn_where_to_authenticate(
    who: str, service: _Service
) -> None:
    before = service.state()

    answers = [service.ask(operation, _REFUSED[who]) for operation in OPERATIONS]

    assert service.state() == before
    events = [record.event for record in _refusals(service)]
    assert [event.action for event in events] == [one.action for one in OPERATIONS if one.action]
    assert {event.details["check"].split(".")[0] for event in events} <= {"access", "token"}
    for answer in answers:
        assert answer.headers["x-ms-error-code"] == "Unauthorized"
        assert f'resource_id="{AUDIENCE}"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize(
    "where",
    [{"prefix": f"/{_OTHERS}"}, {"tenantName": _OTHERS}, {"host": f"{_OTHERS}.example"}],
    ids=lambda one: next(iter(one)),
)
def test_a_right_to_an_instance_is_none_to_another_however_it_is_named(
    where: dict[str, str], service: _Service
) -> None:
    assert _statuses(service, _token("owner"), **where) == _ALL_REFUSED
    assert 401 not in _statuses(service, _token("other"), **where).values()


def test_a_signer_s_signature_is_no_credential(service: _Service) -> None:
    """Everything that the matrix sends is signed by the instance's signer."""
    assert _statuses(service, None) == _ALL_REFUSED


def test_a_right_is_no_signature(service: _Service) -> None:
    before = service.state()

    assert _statuses(service, _token("owner"), bodies=_UNTRUSTED) == {
        _name(one): 400 if one.parameter else 200 for one in OPERATIONS
    }
    assert service.state() == before


def test_a_refusal_in_the_record_names_who_is_known_and_what_they_wanted(
    service: _Service,
) -> None:
    service.ask(_SET, _token("read"))
    service.ask(_SET, _token("owner"), bodies=_UNTRUSTED)
    service.ask(_SET, None)

    missing, untrusted, unknown = (record.event for record in _refusals(service))
    assert (missing.actor_kind, missing.actor_name) == ("bearer", "somebody")
    assert (missing.instance, missing.target, missing.address) == (_MINE, "SgxEnclave", "127.0.0.1")
    assert missing.details == {"check": "access.rights.missing"}
    assert missing.request.startswith("00-")
    assert untrusted.details["check"].startswith("owner.")
    assert (unknown.actor_kind, unknown.actor_name) == ("anonymous", "")


def test_a_type_that_there_is_not_is_not_in_the_record(service: _Service) -> None:
    call(service.app, "PUT", f"/policies/nonsense{VERSION}")

    [record] = _refusals(service)
    assert record.event.target == ""


@pytest.mark.parametrize("who", _MATRIX)
def test_attesting_and_metadata_are_for_everybody(who: str, service: _Service) -> None:
    credential, _ = _MATRIX[who]

    assert service.open("POST", f"/attest/SgxEnclave{VERSION}", credential) == 200
    assert [service.open("GET", path, credential) for path in _OPEN] == [200] * len(_OPEN)


def test_no_route_is_left_out_of_this_table() -> None:
    administered = {operation.path for operation in OPERATIONS}
    tpm = {path.lower() for path in _TPM}

    found = {route.path for route in routes(make_services())}

    assert found == administered | tpm | {*_OPEN, "/attest/{attestation_type}"}


@pytest.mark.parametrize("who", _MATRIX)
def test_tpms_are_for_those_who_are_known(who: str, service: _Service) -> None:
    credential, _ = _MATRIX[who]

    for path in _TPM:
        # What is sent is no message of a TPM, which only those who are known get to hear.
        expected = 400 if who in _KNOWN else 401
        assert service.open("POST", path + VERSION, credential) == expected


@pytest.mark.parametrize("who", _MATRIX)
@pytest.mark.parametrize(
    "auth",
    [
        AuthSettings(),
        AuthSettings(administration=False, issuers=(issuer_settings(grants=_GRANTS),)),
    ],
    ids=["nothing set up", "no administration"],
)
def test_what_is_not_set_up_lets_nobody_in(
    auth: AuthSettings, who: str, upgraded_sqlite: str
) -> None:
    with _served(upgraded_sqlite, auth) as service:
        assert _statuses(service, _MATRIX[who][0]) == _ALL_REFUSED
        managed = {service.manage(one, _MATRIX[who][0]).status_code for one in ARM_OPERATIONS}
        assert managed <= {401, 403}


def _arm_name(operation: ArmOperation) -> str:
    return f"{operation.method} {operation.path.rpartition('/')[2]}"


def _arm_status(who: str, operation: ArmOperation) -> int:
    if who not in _KNOWN:
        return 401
    if operation.right not in _SERVER_RIGHTS.get(who, frozenset()):
        return 403
    # Nobody but the writer has made the connection that the deleter would find.
    if who == "everywhere" and operation.path.endswith("{connection}"):
        return 404 if operation.method == "GET" else 200
    return _ARM_STATUSES.get(_arm_name(operation), 200)


@pytest.mark.parametrize("who", _MATRIX)
def test_every_management_route_is_open_to_those_with_its_right_for_the_server_only(
    who: str, service: _Service
) -> None:
    credential, _ = _MATRIX[who]

    found = {(one.method, one.path): service.manage(one, credential) for one in ARM_OPERATIONS}

    assert {name: answer.status_code for name, answer in found.items()} == {
        (one.method, one.path): _arm_status(who, one) for one in ARM_OPERATIONS
    }


@pytest.mark.parametrize("who", sorted({*_REFUSED, *_ALLOWED} - set(_SERVER_RIGHTS)))
def test_who_has_no_right_for_the_server_changes_nothing_there(who: str, service: _Service) -> None:
    credential, _ = _MATRIX[who]
    before = service.state()

    answers = [service.manage(operation, credential) for operation in ARM_OPERATIONS]

    assert service.state() == before
    events = [record.event for record in _refusals(service)]
    assert [event.action for event in events] == [
        one.action for one in ARM_OPERATIONS if one.action
    ]
    assert {event.instance for event in events} == {_MINE}
    assert {event.details["check"].split(".")[0] for event in events} <= {"access", "token"}
    codes = {answer.json()["error"]["code"] for answer in answers}
    if who in _KNOWN:
        assert codes == {"AuthorizationFailed"}
        assert all("www-authenticate" not in answer.headers for answer in answers)
    else:
        assert codes <= {"AuthenticationFailed", "InvalidAuthenticationToken"}
        assert all("www-authenticate" in answer.headers for answer in answers)


@pytest.mark.parametrize(
    "where",
    [{"tenantName": _MINE}, {"host": f"{_MINE}.example"}],
    ids=lambda one: next(iter(one)),
)
def test_naming_an_instance_makes_no_right_to_the_server(
    where: dict[str, str], service: _Service
) -> None:
    path = f"/subscriptions/{SUBSCRIPTION}/providers/microsoft.attestation/attestationproviders"

    answer = call(
        service.app, "GET", path + CURRENT, headers={"authorization": _token("owner"), **where}
    )

    assert answer.status_code == 403


def test_a_name_that_there_is_not_is_not_in_the_record(service: _Service) -> None:
    call(service.app, "DELETE", f"{PROVIDERS}/nobody{CURRENT}")
    call(service.app, "DELETE", f"{PROVIDERS}/no_body{CURRENT}")

    assert [record.event.instance for record in _refusals(service)] == ["", ""]
