"""A real server in processes of its own, over a real socket."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from assay import clock
from assay.encoding import JsonValue, encode_base64url
from assay.simulator import SimulatedPlatform, save_platform
from assay.token import (
    TokenExpectations,
    VerifiedToken,
    parse_key_set,
    read_unverified,
    verify_token,
)
from tests.serving import (
    RUNTIME_DATA,
    VERSION,
    RunningServer,
    open_enclave_request,
    running_server,
    sgx_request,
)

_DRAFT: Final = "version= 1.0;authorizationrules{=> permit();};"


@dataclass(frozen=True, slots=True)
class _Site:
    """A folder with a simulated platform, and what to start a server on it with."""

    folder: Path
    platform: SimulatedPlatform

    def flags(self, **more: object) -> dict[str, object]:
        chosen: dict[str, object] = {"dev": True, "simulator": str(self.folder / "simulator")}
        return {**chosen, **more}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> _Site:
    folder = tmp_path_factory.mktemp("site")
    # Tokens are dated by the real clock, so the platform is of today.
    platform = SimulatedPlatform.create(clock.now())
    save_platform(platform, folder / "simulator")
    return _Site(folder, platform)


@pytest.fixture(scope="module")
def server(site: _Site) -> Iterator[RunningServer]:
    with running_server(site.folder, site.flags(workers=2)) as server:
        yield server


def _post(server: RunningServer, kind: str, body: dict[str, JsonValue]) -> httpx2.Response:
    return httpx2.post(
        f"{server.url}/attest/{kind}{VERSION}", json=body, timeout=60, trust_env=False
    )


def _get(server: RunningServer, path: str) -> Any:  # noqa: ANN401  JSON
    return httpx2.get(f"{server.url}{path}", timeout=60, trust_env=False).json()


def _verify(server: RunningServer, answer: httpx2.Response) -> VerifiedToken:
    keys = parse_key_set(json.dumps(_get(server, "/certs")).encode())
    return verify_token(
        answer.json()["token"],
        keys,
        at=clock.now(),
        expect=TokenExpectations(issuer=server.url),
    )


def test_sgx_evidence_gets_a_token_that_verifies(server: RunningServer, site: _Site) -> None:
    answer = _post(server, "SgxEnclave", sgx_request(platform=site.platform))

    claims = _verify(server, answer).claims
    assert claims["x-ms-sgx-ehd"] == encode_base64url(RUNTIME_DATA)
    assert claims["x-assay-simulated"] is True


def test_open_enclave_evidence_gets_a_token_that_verifies(
    server: RunningServer, site: _Site
) -> None:
    body = open_enclave_request(platform=site.platform, data_type="JSON")

    claims = _verify(server, _post(server, "OpenEnclave", body | {"nonce": "abc"})).claims

    assert claims["x-ms-runtime"] == json.loads(RUNTIME_DATA)
    assert claims["nonce"] == "abc"


def test_a_draft_policy_gets_a_token_without_signature(server: RunningServer, site: _Site) -> None:
    body = sgx_request(platform=site.platform) | {"draftPolicyForAttestation": _DRAFT}

    token = read_unverified(_post(server, "SgxEnclave", body).json()["token"])

    assert token.header["alg"] == "none"
    assert token.header["jku"] == f"{server.url}/certs"


def test_two_workers_share_one_key(server: RunningServer, site: _Site) -> None:
    body = sgx_request(platform=site.platform)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: _post(server, "SgxEnclave", body), range(32)))

    assert {answer.status_code for answer in answers} == {200}
    assert len({_verify(server, answer).kid for answer in answers}) == 1
    assert [key["kid"] for key in _get(server, "/certs")["keys"]] == [
        _verify(server, answers[0]).kid
    ]


def test_the_server_is_ready(server: RunningServer) -> None:
    assert _get(server, "/health/ready")["status"] == "ready"


def test_a_restart_keeps_the_key(site: _Site, tmp_path: Path) -> None:
    flags = site.flags()
    with running_server(tmp_path, flags) as first:
        before = _get(first, "/certs")["keys"][0]["kid"]
        assert first.stop() == 0
    with running_server(tmp_path, flags) as second:
        after = _get(second, "/certs")["keys"][0]["kid"]

    assert before == after


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_told_to_stop_answers_what_it_has_begun(
    workers: int, number: signal.Signals, site: _Site, tmp_path: Path
) -> None:
    body = json.dumps(sgx_request(platform=site.platform)).encode()
    head = (
        f"POST /attest/SgxEnclave{VERSION} HTTP/1.1\r\nhost: x\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    flags = site.flags(workers=workers, **{"instance.token_algorithm": "ES256"})
    with running_server(tmp_path, flags) as server:
        assert _get(server, "/health/live")
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            connection.sendall(head.encode() + body[:100])
            time.sleep(0.3)
            server.process.send_signal(number)
            time.sleep(0.3)
            connection.sendall(body[100:])
            answer = connection.recv(65536)
        assert server.process.wait(timeout=60) == 0

    assert answer.startswith(b"HTTP/1.1 200 OK")


def test_neither_evidence_nor_keys_reach_the_log(server: RunningServer, site: _Site) -> None:
    body = sgx_request(platform=site.platform)

    _post(server, "SgxEnclave", body)
    token = _post(server, "SgxEnclave", body).json()["token"]

    log = server.log.read_text()
    assert '"path":"/attest/SgxEnclave"' in log
    assert str(body["quote"])[:60] not in log
    assert token[-60:] not in log
