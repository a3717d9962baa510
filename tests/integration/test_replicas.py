"""Two servers on one PostgreSQL: what an owner does through one holds at the other."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from typer.testing import CliRunner

from assay import clock
from assay.attester.tpm import TpmExchange
from assay.cli import app
from assay.server.settings_reader import variable_name
from assay.simulator import SimulatedPlatform, save_platform
from assay.simulator.tpm.platform import SimulatedTpm
from assay.simulator.tpm.request import draft_v2
from assay.token import read_owner_token, read_policy_text, read_unverified
from tests.administration import DENY, PERMIT, VERSION, stored_policy, unsecured
from tests.databases import PostgresqlServer, postgresql_server
from tests.serving import RunningServer, running_server, sgx_request

_ISSUER: Final = "https://attest.example"
_ATTEST: Final = f"/attest/SgxEnclave{VERSION}"
_POLICY: Final = f"/policies/SgxEnclave{VERSION}"
_TPM_POLICY: Final = f"/policies/Tpm{VERSION}"
_TPM_PERMIT: Final = """version=1.2;
configurationrules { => issueproperty(type="require_valid_aik_cert", value=false); };
authorizationrules { => permit(); };
issuancerules {};"""
_FOLLOW_SECONDS: Final = 2.0
_PATIENCE_SECONDS: Final = 30.0


class _Replicas:
    """Two servers, and evidence that both accept."""

    def __init__(
        self, servers: list[RunningServer], evidence: dict[str, Any], flags: Mapping[str, object]
    ) -> None:
        self.servers = servers
        self.evidence = evidence
        self.flags = flags
        self.client = httpx2.Client(timeout=60, trust_env=False)

    def attest(self, number: int) -> httpx2.Response:
        return self.client.post(self.servers[number].url + _ATTEST, json=self.evidence)

    def signed_by(self, number: int) -> str:
        return str(read_unverified(self.attest(number).json()["token"]).header["kid"])

    def published(self, number: int) -> list[str]:
        document = self.client.get(f"{self.servers[number].url}/certs").json()
        return [key["kid"] for key in document["keys"]]

    def rotate(self, *options: str) -> str:
        """Rotate with the first one's settings; the new key."""
        names = ("database", "key_encryption_key_file", "instance.public_url")
        environment = {variable_name(name): str(self.flags[name]) for name in names}
        home = str(self.servers[0].log.parent / "data")
        outcome = CliRunner().invoke(
            app,
            ["key", "rotate", "default", *options, "--json"],
            env={**environment, variable_name("data_dir"): home},
        )
        assert outcome.exit_code == 0, outcome.stderr
        return str(json.loads(outcome.stdout)["kid"])

    def set(self, number: int, text: str, path: str = _POLICY) -> httpx2.Response:
        jws = unsecured(stored_policy(text))
        return self.client.put(self.servers[number].url + path, content=jws)

    def tpm(self, number: int) -> TpmExchange:
        """The exchange of a TPM with one of them."""

        def post(path: str, body: bytes) -> bytes:
            answer = self.client.post(
                self.servers[number].url + path + VERSION,
                content=body,
                headers={"content-type": "application/json"},
            )
            return answer.raise_for_status().content

        return TpmExchange(post)

    def has_challenge(self, number: int) -> bool:
        """Whether it gives challenges, which takes a policy."""
        try:
            return bool(self.tpm(number).challenge())
        except httpx2.HTTPStatusError:
            return False

    def policy(self, number: int) -> str | None:
        answer = self.client.get(self.servers[number].url + _POLICY)
        claims = read_unverified(answer.json()["token"]).claims
        return read_policy_text(read_owner_token(str(claims["x-ms-policy"])))

    def until_status(self, number: int, status: int) -> float:
        """How long it takes until attesting ends so."""
        return self.until(lambda: self.attest(number).status_code == status)

    def until(self, holds: Callable[[], bool]) -> float:
        """How long it takes until something holds."""
        started = time.monotonic()
        while not holds():
            assert time.monotonic() - started < _PATIENCE_SECONDS
            time.sleep(0.02)
        return time.monotonic() - started


@pytest.fixture(scope="module")
def database() -> Iterator[PostgresqlServer]:
    """A server of its own, since a test stops it."""
    with postgresql_server() as server:
        yield server


@pytest.fixture(scope="module")
def running(
    database: PostgresqlServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[_Replicas]:
    folder = tmp_path_factory.mktemp("replicas")
    platform = SimulatedPlatform.create(clock.now())
    save_platform(platform, folder / "simulator")
    key = folder / "key-encryption.key"
    key.write_bytes(bytes(range(32)))
    key.chmod(0o600)
    flags = {
        "dev": True,
        "simulator": str(folder / "simulator"),
        "database": database.url(database.create_database()),
        "key_encryption_key_file": str(key),
        "replicas": 2,
        "keys.overlap_hours": 0,
        "instance.public_url": _ISSUER,
    }
    with ExitStack() as stack:
        servers = []
        for name in ("first", "second"):
            home: Path = folder / name
            home.mkdir()
            servers.append(stack.enter_context(running_server(home, flags)))
        found = _Replicas(servers, sgx_request(platform=platform), flags)
        stack.callback(found.client.close)
        yield found


@pytest.fixture
def replicas(running: _Replicas) -> _Replicas:
    """The two, with a policy that permits."""
    assert running.set(0, PERMIT).status_code == 200
    for number in (0, 1):
        running.until_status(number, 200)
    return running


def test_both_sign_with_one_key(replicas: _Replicas) -> None:
    kids = [replicas.published(number) for number in (0, 1)]
    issuers = [
        read_unverified(replicas.attest(number).json()["token"]).claims["iss"] for number in (0, 1)
    ]

    assert kids[0] == kids[1]
    assert issuers == [_ISSUER, _ISSUER]


def test_a_key_rotated_through_one_is_published_by_the_other_before_it_signs_anything(
    replicas: _Replicas,
) -> None:
    made = replicas.rotate()
    started = time.monotonic()

    signed: set[str] = set()
    while signed != {made} or time.monotonic() - started < _FOLLOW_SECONDS:
        assert time.monotonic() - started < _PATIENCE_SECONDS
        signed = set()
        for one, other in ((0, 1), (1, 0)):
            published = replicas.published(other)
            kid = replicas.signed_by(one)
            assert kid in published
            signed.add(kid)


def test_a_policy_set_through_one_is_used_by_the_other_within_two_seconds(
    replicas: _Replicas,
) -> None:
    assert replicas.set(0, DENY).status_code == 200

    assert replicas.attest(0).status_code == 400
    assert replicas.policy(1) == DENY
    assert replicas.until_status(1, 400) < _FOLLOW_SECONDS


def test_a_challenge_of_one_is_answered_at_the_other(replicas: _Replicas) -> None:
    assert replicas.set(0, _TPM_PERMIT, _TPM_POLICY).status_code == 200
    first, second = (replicas.tpm(number) for number in (0, 1))
    replicas.until(lambda: replicas.has_challenge(1))

    challenge, context = first.challenge()
    draft = draft_v2(SimulatedTpm.create(clock.now()), challenge=challenge, service_context=context)
    report = second.report(draft.sign())

    assert read_unverified(report).claims["iss"] == _ISSUER


def test_without_the_database_attesting_goes_on_and_changes_fail_until_it_is_back(
    replicas: _Replicas, database: PostgresqlServer
) -> None:
    database.stop()
    attested = [replicas.attest(number).status_code for number in (0, 1)]
    refused = replicas.set(0, DENY)
    ready = replicas.client.get(f"{replicas.servers[1].url}/health/ready")
    database.start()
    changed = replicas.set(1, DENY)

    assert attested == [200, 200]
    assert refused.status_code == 503
    assert refused.json()["error"]["code"] == "StoreUnavailable"
    assert refused.headers["retry-after"]
    assert ready.status_code == 503
    assert changed.status_code == 200
    assert replicas.until_status(0, 400) < _FOLLOW_SECONDS
