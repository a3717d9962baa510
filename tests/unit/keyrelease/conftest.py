"""A broker with two secrets and the rules of their release."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from assay.audit import parse_line, verify_export
from assay.keyrelease import ReleaseContext
from assay.keyrelease.app import broker_app
from assay.keyrelease.audit_file import AuditFile
from assay.keyrelease.broker import Broker, BrokerParts
from assay.keyrelease.challenges import Challenges
from assay.keyrelease.client import BrokerClient
from assay.keyrelease.release_policy import ReleasePolicy, read_release_policy
from assay.keyrelease.sealed_secret import SealedSecret
from assay.keyrelease.settings import Secret
from assay.keys import KeyEncryptionKey
from assay.relying_party.aio import AsyncTokenVerifier
from tests.attestation_tokens import ISSUER, MR_SIGNER, key_set
from tests.conftest import AT

KEK: Final = KeyEncryptionKey(bytes(range(32)))
VALUES: Final = {"database": b"a canary: correct horse", "signing": b"a canary: battery staple"}
POLICY: Final = """version=1.0;
authorizationrules { [type=="x-ms-sgx-product-id", value==7] => permit(); };
issuancerules {};"""


def release_rules(**changes: Any) -> ReleasePolicy:  # noqa: ANN401  of the reader
    chosen: dict[str, Any] = {
        "required": {"mrsigner": MR_SIGNER, "svn__ge": 3},
        "claims": {},
        "text": POLICY,
    }
    return read_release_policy(**(chosen | changes))


@dataclass(slots=True)
class Scene:
    """A broker with two secrets, and the enclave's way to it."""

    folder: Path
    broker: Broker
    now: list[datetime]

    def __post_init__(self) -> None:
        app = broker_app(self.broker)

        def answer(request: httpx2.Request) -> httpx2.Response:
            async def send() -> httpx2.Response:
                transport = httpx2.ASGITransport(app, raise_app_exceptions=True)
                async with httpx2.AsyncClient(transport=transport) as client:
                    found = await client.request(
                        request.method, str(request.url), content=request.content
                    )
                    return httpx2.Response(found.status_code, content=found.content)

            return asyncio.run(send())

        self.client = BrokerClient("http://broker/", transport=httpx2.MockTransport(answer))
        self.app = app

    client: BrokerClient = None  # type: ignore[assignment]
    app: Any = None

    def ask(self, name: str = "database") -> ReleaseContext:
        return self.client.challenge(name, "payroll")

    def records(self) -> list[tuple[str, str, dict[str, str]]]:
        """Outcome, target and details of every record, once the chain is verified."""
        lines = (self.folder / "releases.jsonl").read_bytes().splitlines()
        verify_export(lines)
        events = [parse_line(line)[0].event for line in lines]
        return [(one.outcome.value, one.target, dict(one.details)) for one in events]


def sealed_secrets(folder: Path) -> dict[str, Secret]:
    found = {}
    for name, value in VALUES.items():
        rules = release_rules()
        sealed = SealedSecret(
            name=name, version=2, policy_digest=rules.digest, path=folder / f"{name}.sealed"
        )
        sealed.path.write_bytes(sealed.seal(value, KEK))
        found[name] = Secret(sealed=sealed, policy=rules)
    return found


def _parts(folder: Path, now: list[datetime], **changes: Any) -> BrokerParts:  # noqa: ANN401
    parts = BrokerParts(
        secrets=sealed_secrets(folder),
        verifier=AsyncTokenVerifier(ISSUER, keys=key_set(), now=lambda: now[0]),
        challenges=Challenges(lifetime=timedelta(seconds=60), limit=50),
        audit=AuditFile(folder / "releases.jsonl"),
        key=KEK,
        now=lambda: now[0],
    )
    return replace(parts, **changes)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Scene]]:
    made: list[Scene] = []

    def scene(**changes: Any) -> Scene:  # noqa: ANN401  of the parts
        now = [AT]
        made.append(Scene(tmp_path, Broker(_parts(tmp_path, now, **changes)), now))
        return made[-1]

    yield scene
    for one in made:
        one.client.close()
        asyncio.run(one.broker.close())


@pytest.fixture
def scene(make: Callable[..., Scene]) -> Scene:
    return make()
