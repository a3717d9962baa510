"""One client, many threads and tasks, over TLS: nothing breaks, and connections are reused."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier
from time import monotonic
from typing import Final

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from assay import clock
from assay.client import (
    AccessToken,
    AttestationClient,
    AttestationResponse,
    AttestationResult,
    ClientOptions,
    aio,
)
from assay.client.testing import FakeService
from assay.client.transport import KEPT_SECONDS
from tests.servers.fake_attestation import FakeAttestationApp
from tests.servers.loopback import loopback
from tests.servers.tls import tls_identity

_THREADS: Final = 64
_CALLS_PER_THREAD: Final = 4
_TASKS: Final = 1000
_CONNECTIONS: Final = 16


@dataclass
class _Running:
    app: FakeAttestationApp
    url: str
    options: ClientOptions
    started: float

    @property
    def service(self) -> FakeService:
        assert self.app.service is not None
        return self.app.service

    def most_connections(self) -> int:
        """How many there can have been until now, if they are reused.

        A place in the pool gets another connection only after one that was idle for so long,
        which in a run of a few seconds none is.
        """
        return _CONNECTIONS * (1 + int((monotonic() - self.started) / KEPT_SECONDS))

    def key_fetches(self) -> int:
        return [one.url for one in self.service.requests].count(f"{self.url}/certs")


@pytest.fixture
def running(tmp_path: Path) -> Iterator[_Running]:
    certificate, key = tls_identity("127.0.0.1", at=clock.now())
    files = tmp_path / "tls.pem", tmp_path / "tls.key"
    files[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    app = FakeAttestationApp()
    with loopback(app, certificate=files[0], key=files[1]) as url:
        app.service = FakeService(url, algorithm="ES256")
        options = ClientOptions(
            ca_file=files[0], trust_env=False, max_connections=_CONNECTIONS, timeout_seconds=60
        )
        yield _Running(app, url, options, started=monotonic())


class _Credential:
    def __init__(self) -> None:
        self.given = 0

    def get_token(self, *_scopes: str) -> AccessToken:
        self.given += 1
        return AccessToken(f"token {self.given}", 1 << 40)


class _AsyncCredential(_Credential):
    async def get_token(self, *_scopes: str) -> AccessToken:  # type: ignore[override]
        await asyncio.sleep(0)
        return super().get_token()


def _check(response: AttestationResponse[AttestationResult], number: int, url: str) -> None:
    assert response.value.nonce == str(number)
    assert response.value.enclave_held_data == str(number).encode()
    assert response.value.issuer == url


def test_64_threads_share_one_client(running: _Running) -> None:
    credential = _Credential()
    together = Barrier(_THREADS)

    with AttestationClient(running.url, credential, options=running.options) as client:

        def work(thread: int) -> None:
            together.wait()
            for call in range(_CALLS_PER_THREAD):
                number = thread * _CALLS_PER_THREAD + call
                response = client.attest_sgx_enclave(
                    b"quote", runtime_data=str(number).encode(), nonce=str(number)
                )
                _check(response, number, running.url)

        with ThreadPoolExecutor(_THREADS) as threads:
            assert list(threads.map(work, range(_THREADS))) == [None] * _THREADS

    assert len(running.app.peers) <= running.most_connections()
    assert len(running.service.requests) == _THREADS * _CALLS_PER_THREAD + 1
    assert running.key_fetches() == 1
    assert credential.given == 1


def test_1000_tasks_share_one_client(running: _Running) -> None:
    credential = _AsyncCredential()

    async def run() -> None:
        async with aio.AttestationClient(
            running.url, credential, options=running.options
        ) as client:

            async def work(number: int) -> None:
                response = await client.attest_sgx_enclave(
                    b"quote", runtime_data=str(number).encode(), nonce=str(number)
                )
                _check(response, number, running.url)

            async with asyncio.TaskGroup() as tasks:
                for number in range(_TASKS):
                    tasks.create_task(work(number))

    asyncio.run(run())

    assert len(running.app.peers) <= running.most_connections()
    assert len(running.service.requests) == _TASKS + 1
    assert running.key_fetches() == 1
    assert credential.given == 1
