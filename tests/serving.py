"""Servers for tests: the application in this process, and real ones in processes of their own."""

from __future__ import annotations

import asyncio
import atexit
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import httpx2
from starlette.types import ASGIApp

from assay.encoding import JsonValue, decode_base64url, encode_base64url
from assay.endorsements.source import CollateralSource
from assay.keys import KeyEncryptionKey, SigningAlgorithm, SigningKey, generate_key
from assay.server.app import Services
from assay.server.auth.assembly import open_authorizer
from assay.server.auth.authorizer import Authorizer
from assay.server.auth.settings import AuthSettings
from assay.server.maa.administration import Administration
from assay.server.maa.tpm import TpmServices
from assay.server.settings import LimitSettings
from assay.server.simulated import SimulatedSource
from assay.server.telemetry import Metrics, Telemetry, json_log
from assay.service.attestation import AttestationService
from assay.service.context_ring import AnsweredChallenges, ContextKeyRing
from assay.service.instances import (
    Instance,
    InstanceDefinition,
    InstanceKeys,
    create_instance,
)
from assay.service.keys import KeyChest
from assay.service.policies import PolicyService
from assay.service.refusals import RefusalRecord
from assay.service.signers import SignerService
from assay.service.tpm_attestation import TpmAttestationService
from assay.service.tpm_enrolment import TpmEnrolmentService
from assay.simulator import SimulatedPlatform
from assay.simulator.openenclave import legacy_report
from assay.store import InstanceEntry, InstanceRecord, Store, TrustModel
from tests.conftest import AT

ISSUER: Final = "https://attest.example"
VERSION: Final = "?api-version=2022-08-01"
RUNTIME_DATA: Final = b'{"b":1,"a":{"key":"value"}}'
_START_SECONDS: Final = 60
_PROGRAM: Final = """
import json, sys
from assay.server.run import serve
from assay.server.settings_reader import load_settings
if __name__ == "__main__":
    settings = load_settings(environment={}, flags=json.loads(sys.argv[1]))
    sys.exit(serve(settings, announce=lambda url: print(url, flush=True)))
"""


@cache
def simulated_platform() -> SimulatedPlatform:
    """One platform for all tests that do not change it."""
    return SimulatedPlatform.create(AT)


@cache
def signing_key(algorithm: SigningAlgorithm = SigningAlgorithm.RS256) -> SigningKey:
    """One key for all tests: making an RSA key takes long."""
    return generate_key(algorithm, created_at=AT)


def make_instance(**changes: Any) -> Instance:  # noqa: ANN401  fields by name
    """An instance that trusts the simulated platform, with `changes` to its definition."""
    fields = {"name": "test", "issuer": ISSUER, "roots": simulated_platform().anchors} | changes
    key = signing_key()
    return create_instance(InstanceDefinition(**fields), InstanceKeys(active=key, published=(key,)))


@dataclass(frozen=True, slots=True)
class OneInstance:
    """Instances of which there is one, loaded from nowhere."""

    instance: Instance

    @property
    def _entry(self) -> InstanceEntry:
        definition = self.instance.definition
        return InstanceEntry(name=definition.name, issuer=definition.issuer, revision=1)

    def named(self, name: str) -> InstanceEntry | None:
        return self._entry if name == self._entry.name else None

    def at_host(self, _host: str) -> InstanceEntry | None:
        return None

    async def get(self, _entry: InstanceEntry) -> Instance:
        return self.instance

    def refresh(self) -> None:
        """Know what there is to know."""


@cache
def shared_store() -> Store:
    """A store with the instance of `make_instance`, for tests that do not care what is in it."""
    folder = Path(tempfile.mkdtemp(prefix="assay-store-"))
    atexit.register(shutil.rmtree, folder)
    store = Store.open(f"sqlite:///{folder}/assay.db")
    store.upgrade()
    store.instances.add(
        InstanceRecord(name="test", issuer=ISSUER, trust_model=TrustModel.AAD, created_at=AT)
    )
    return store


class HealthyStore:
    """A store that answers."""

    def check(self) -> None:
        """Answer."""


@dataclass(frozen=True, slots=True)
class Log:
    """What a server has logged."""

    stream: BytesIO

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


def make_telemetry(*, metrics: bool = False) -> tuple[Telemetry, Log]:
    """Telemetry with the log that it writes to."""
    stream = BytesIO()
    telemetry = Telemetry(json_log(stream), metrics=Metrics() if metrics else None, access_log=True)
    return telemetry, Log(stream)


def make_services(
    *,
    instance: Instance | None = None,
    source: CollateralSource | None = None,
    telemetry: Telemetry | None = None,
    limits: LimitSettings | None = None,
    now: datetime = AT,
) -> Services:
    """Services over the simulated platform, at a fixed time."""
    chosen = instance or make_instance()
    administration = make_administration(shared_store(), now=now)
    return Services(
        instances=OneInstance(chosen),
        default_instance=chosen.definition.name,
        administration=administration,
        tpm=make_tpm_services(shared_store(), administration.authorizer, now=now),
        attestation=AttestationService(
            source=source or SimulatedSource(simulated_platform(), lambda: now),
            now=lambda: now,
        ),
        store=HealthyStore(),
        collateral="simulator",
        telemetry=telemetry or make_telemetry()[0],
        limits=limits or LimitSettings(),
        close=_nothing_to_close,
    )


def make_tpm_services(store: Store, authorizer: Authorizer, *, now: datetime = AT) -> TpmServices:
    """What attests TPMs, with its keys in a store."""
    chest = KeyChest(store=store, key_encryption_key=KeyEncryptionKey(bytes(32)))
    ring = ContextKeyRing(chest, lambda: now)
    return TpmServices(
        attestation=TpmAttestationService(
            ring=ring, answered=AnsweredChallenges(), now=lambda: now
        ),
        enrolment=TpmEnrolmentService(chest=chest, ring=ring, now=lambda: now),
        authorizer=authorizer,
    )


def make_administration(
    store: Store, *, now: datetime = AT, authorizer: Authorizer | None = None
) -> Administration:
    """Administration of a store, by everybody on this machine if not told otherwise."""
    everybody = open_authorizer(AuthSettings(), api_tokens=None, dev=True, now=lambda: now)
    return Administration(
        policies=PolicyService(store=store, now=lambda: now),
        signers=SignerService(store=store, now=lambda: now),
        authorizer=authorizer or everybody,
        refusals=RefusalRecord(store, lambda: now),
    )


async def _nothing_to_close() -> None:
    """What `make_services` makes holds nothing open."""


def call(app: ASGIApp, method: str, path: str, **options: Any) -> httpx2.Response:  # noqa: ANN401
    """One request to an application in this process."""

    async def send() -> httpx2.Response:
        transport = httpx2.ASGITransport(app, raise_app_exceptions=True)
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, **options)

    return asyncio.run(send())


def sgx_request(
    runtime_data: bytes | None = RUNTIME_DATA,
    *,
    data_type: str = "Binary",
    platform: SimulatedPlatform | None = None,
    **fields: Any,  # noqa: ANN401  of the quote
) -> dict[str, JsonValue]:
    """The body of a good request to attest an SGX enclave."""
    bound = b"" if runtime_data is None else hashlib.sha256(runtime_data).digest()
    quote = (platform or simulated_platform()).quote(report_data=bound, **fields)
    body: dict[str, JsonValue] = {"quote": encode_base64url(quote)}
    if runtime_data is not None:
        body["runtimeData"] = {"data": encode_base64url(runtime_data), "dataType": data_type}
    return body


def open_enclave_request(**options: Any) -> dict[str, JsonValue]:  # noqa: ANN401
    """The same for an Open Enclave report."""
    body = sgx_request(**options)
    quote = decode_base64url(str(body.pop("quote")), "quote")
    return body | {"report": encode_base64url(legacy_report(quote))}


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server in a process of its own."""

    url: str
    process: subprocess.Popen[str]
    log: Path

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Tell it to stop, and wait: its exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=_START_SECONDS)


@contextmanager
def running_server(folder: Path, flags: Mapping[str, object]) -> Iterator[RunningServer]:
    """A server on a free port of this machine, with its data in `folder`."""
    log = folder / "server.log"
    chosen = {"port": 0, "data_dir": str(folder / "data"), **flags}
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    with log.open("ab") as stream:
        process = subprocess.Popen(  # noqa: S603  this interpreter, a fixed program
            [sys.executable, "-c", _PROGRAM, json.dumps(chosen)],
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
            env=environment,
        )
    assert process.stdout is not None
    try:
        url = process.stdout.readline().strip()
        assert url, log.read_text()
        yield RunningServer(url=url, process=process, log=log)
    finally:
        process.stdout.close()
        if process.poll() is None:
            process.terminate()
            process.wait(timeout=_START_SECONDS)
