"""Every recorded attest request of the real service, sent again to running servers.

What differs in the answers, and why:

| what | why |
|---|---|
| `iss`, `jku` | our instance has its own address |
| `kid` | and its own key |
| `iat`, `nbf`, `exp`, `jti` | of the moment; their form and distances are the same |
| six of the seven hashes in `x-ms-sgx-collateral` and its twin | Intel's documents of July 2021 are gone; `quotehash` is about the request, and the same |
| `x-ms-policy-signer` | the isolated instance had a signed policy; here policies come from settings, where nobody signs them |
| `x-assay-verified-at` | ours: the server judges at another time than the present one |
"""  # noqa: E501  a table

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from assay import clock
from assay.cli.server_process import running_server
from assay.encoding import decode_base64url
from assay.token import KeySet, TokenExpectations, VerifiedToken, parse_key_set, verify_token
from tests.corpus.recordings import (
    COLLATERAL,
    PERMIT_ALL,
    RECORDED_ATTESTATIONS,
    RecordedAttestation,
    read_recording,
    verification_time,
)
from tests.vectors import vector_params

# By the younger collateral the platform of 2021 is out of date.
_SETTINGS: Final = '[instance]\ncompatibility = "2021"\naccepted_tcb = ["OutOfDate"]\n'
_POLICIES: Final = (
    f"[instance.policies]\nSgxEnclave = '{PERMIT_ALL}'\nOpenEnclave = '{PERMIT_ALL}'\n"
)
_COLLATERAL_CLAIMS: Final = ("x-ms-sgx-collateral", "maa-attestationcollateral")
_DIFFERENT: Final = frozenset(
    {"iss", "iat", "nbf", "exp", "jti", "x-ms-policy-signer", "x-assay-verified-at"}
)
_TOKEN_SECONDS: Final = 28_800


@dataclass(frozen=True, slots=True)
class _Service:
    """A running instance, with the keys that it publishes."""

    url: str
    keys: KeySet

    def replay(self, recorded: RecordedAttestation) -> httpx2.Response:
        """Send the recorded bytes: method, query, headers, body."""
        body = json.dumps(recorded.body).encode()
        # The recording kept the length of the body that the client sent.
        assert len(body) == recorded.interaction["request_body_raw_len"]
        path = recorded.interaction["uri"].partition(".azure.net")[2]
        return httpx2.post(
            self.url + path,
            content=body,
            headers=recorded.interaction["request_headers"],
            timeout=60,
            trust_env=False,
        )

    def verified(self, answer: httpx2.Response, *, unsecured: bool) -> VerifiedToken:
        return verify_token(
            answer.json()["token"],
            self.keys,
            at=clock.now(),
            expect=TokenExpectations(issuer=self.url, allow_unsecured=unsecured),
        )


@dataclass(frozen=True, slots=True)
class _Services:
    """The instances of the recordings: the shared one with its default policy, and the others."""

    shared: _Service
    own: _Service

    def of(self, recorded: RecordedAttestation) -> _Service:
        return self.shared if recorded.of_shared_instance else self.own


@pytest.fixture(scope="module")
def services(vectors: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Services]:
    collateral = vectors / COLLATERAL / "collateral.json"
    with ExitStack() as stack:

        def start(name: str, settings: str) -> _Service:
            folder = tmp_path_factory.mktemp(name)
            file = folder / "assay.toml"
            file.write_text(settings)
            options = ["--settings", str(file), "--collateral", str(collateral)]
            options += ["--dev", "--verify-at", str(verification_time(vectors))]
            url = stack.enter_context(running_server(options, folder=folder))
            keys = httpx2.get(f"{url}/certs", timeout=60, trust_env=False)
            return _Service(url, parse_key_set(keys.content))

        yield _Services(start("shared", _SETTINGS), start("own", _SETTINGS + _POLICIES))


def _comparable(claims: dict[str, Any]) -> str:
    """As text, since the order of the members counts."""
    kept = {name: value for name, value in claims.items() if name not in _DIFFERENT}
    for name in _COLLATERAL_CLAIMS:
        kept[name] = {
            member: value if member == "quotehash" else len(bytes.fromhex(value))
            for member, value in kept[name].items()
        }
    return json.dumps(kept)


@pytest.mark.parametrize("path", vector_params(RECORDED_ATTESTATIONS))
def test_a_running_server_answers_recorded_requests_as_recorded(
    path: Path, services: _Services
) -> None:
    attestations = list(read_recording(path))
    assert len(attestations) == 9

    for recorded in attestations:
        service = services.of(recorded)
        answer = service.replay(recorded)

        assert answer.status_code == recorded.interaction["status"], answer.text
        content_type = recorded.interaction["response_headers"]["content-type"]
        assert answer.headers["content-type"] == content_type
        assert list(answer.json()) == ["token"]
        _compare(service, answer, recorded)


def _compare(service: _Service, answer: httpx2.Response, recorded: RecordedAttestation) -> None:
    [kid] = service.keys.keys
    header = recorded.token["header"] | {"jku": f"{service.url}/certs", "kid": kid}
    unsecured = header["alg"] == "none"

    token = service.verified(answer, unsecured=unsecured)

    assert token.signed is not unsecured
    assert list(token.header.items()) == list(header.items())
    claims: dict[str, Any] = dict(token.claims)
    assert claims["x-ms-policy-hash"] == recorded.claims["x-ms-policy-hash"]
    assert claims["x-ms-sgx-collateral"] == claims["maa-attestationcollateral"]
    assert _comparable(claims) == _comparable(recorded.claims)
    _compare_moment(claims, recorded.claims)
    payload = decode_base64url(answer.json()["token"].split(".")[1], "payload").decode()
    assert payload == json.dumps(claims, separators=(",", ":"))


def _compare_moment(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    for claims in (ours, theirs):
        assert claims["nbf"] == claims["iat"]
        assert claims["exp"] - claims["iat"] == _TOKEN_SECONDS
        assert len(bytes.fromhex(claims["jti"])) == 32
