"""A server that is killed while owners change things: what it acknowledged is there, and no halves.

`KILLS=200 pytest --timeout=0 tests/integration/test_killed_server.py` kills it as often on each
database.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Final

import httpx2
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from assay import clock
from assay.audit import parse_line, verify_export
from assay.keys import load_key_encryption_key
from assay.policy import policy_hash
from assay.service.keys import KeyChest
from assay.service.provisioning import NewInstance, ProvisioningService
from assay.store import Author, PolicyAction, Store, TrustModel
from tests.administration import (
    UNSECURED_RESET,
    VERSION,
    certificate_payload,
    certify,
    owner,
    rsa_key,
    signed,
    stored_policy,
    unsecured,
)
from tests.databases import PostgresqlServer
from tests.serving import running_server

_KILLS: Final = int(os.environ.get("KILLS", "2"))
_SECOND: Final = certify(rsa_key(1), "second")
_CHANGE_SIGNER: Final = json.dumps(signed(certificate_payload(_SECOND)))


@dataclass
class _Owner:
    """Changes things one after the other, and remembers what was acknowledged."""

    url: str
    hashes: list[str | None] = field(default_factory=list)
    """Of the policies that were set, in their order; nothing for a reset."""

    signer: bool | None = None
    """Whether the second signer was last added or removed, where that is known."""

    number: int = 0

    def change_until_killed(self) -> None:
        with httpx2.Client(timeout=20, trust_env=False) as client:
            try:
                while True:
                    self._change(client)
            except httpx2.TransportError:
                return

    def _change(self, client: httpx2.Client) -> None:
        self.number += 1
        text = f"version= 1.0;authorizationrules{{=> permit();}}; // {self.number}"
        put = client.put(
            f"{self.url}/policies/Tpm{VERSION}", content=unsecured(stored_policy(text))
        )
        assert put.status_code == 200, put.text
        self.hashes.append(policy_hash(text))
        if self.number % 3 == 0:
            reset = client.post(f"{self.url}/policies/Tpm:reset{VERSION}", content=UNSECURED_RESET)
            assert reset.status_code == 200
            self.hashes.append(None)
        self.signer = None
        wanted = self.number % 2 == 0
        operation = "add" if wanted else "remove"
        answer = client.post(
            f"{self.url}/isolated/certificates:{operation}{VERSION}",
            content=_CHANGE_SIGNER,
            headers={"content-type": "application/json"},
        )
        assert answer.status_code == 200
        self.signer = wanted


@pytest.fixture(params=["sqlite", "postgresql"])
def flags(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, object]:
    if request.param == "sqlite":
        return {"dev": True, "database": f"sqlite:///{tmp_path}/assay.sqlite3"}
    server: PostgresqlServer = request.getfixturevalue("postgresql")
    return {
        "dev": True,
        "database": server.url(server.create_database()),
        "instance.public_url": "https://attest.example",
    }


@pytest.fixture
def store(flags: dict[str, object], tmp_path: Path) -> Iterator[Store]:
    """The server's store, with an isolated instance in it."""
    with running_server(tmp_path, flags):
        pass
    with closing(Store.open(str(flags["database"]))) as found:
        key = load_key_encryption_key(tmp_path / "data" / "key-encryption.key")
        chest = KeyChest(store=found, key_encryption_key=key)
        ProvisioningService(chest=chest, now=clock.now).create(
            NewInstance(
                name="isolated",
                issuer="https://isolated.example",
                trust_model=TrustModel.ISOLATED,
                signers=(owner(),),
            ),
            by=Author(name="test"),
        )
        yield found


def test_what_was_acknowledged_is_there_after_a_kill(
    store: Store, flags: dict[str, object], tmp_path: Path
) -> None:
    acknowledged: list[str | None] = []
    number = 0
    for _ in range(_KILLS):
        with running_server(tmp_path, flags) as server:
            changer = _Owner(server.url, number=number)
            thread = Thread(target=changer.change_until_killed)
            thread.start()
            time.sleep(random.uniform(0.02, 0.3))  # noqa: S311  a moment, not a secret
            server.stop(signal.SIGKILL)
            thread.join()
        number = changer.number

        acknowledged += changer.hashes
        acknowledged = _checked_history(store, acknowledged)
        _check_signers(store, changer.signer)


def _checked_history(store: Store, acknowledged: list[str | None]) -> list[str | None]:
    """The whole history, of which at most the last change was not acknowledged."""
    changes = store.policies.history("default", "Tpm")
    present = store.policies.get("default", "Tpm")
    kept = [change.text_hash for change in changes]
    assert [change.version for change in changes] == list(range(1, len(changes) + 1))
    assert kept[: len(acknowledged)] == acknowledged
    assert len(kept) <= len(acknowledged) + 1
    assert [change.previous_hash for change in changes[1:]] == kept[:-1]
    assert all((one.text_hash is None) is (one.action is PolicyAction.RESET) for one in changes)
    assert _recorded(store) == [text_hash or "default" for text_hash in kept]
    if present is not None:
        assert (present.version, present.text_hash) == (len(kept), kept[-1])
    return kept


def _recorded(store: Store) -> list[str]:
    """The same changes as the audit record has them, whose chain is whole."""
    lines = list(store.audit.lines())
    verify_export(lines)
    events = [parse_line(line)[0].event for line in lines]
    return [event.details["new"] for event in events if event.target == "Tpm"]


def _check_signers(store: Store, second: bool | None) -> None:  # noqa: FBT001  known or not
    listed = [signer.certificate for signer in store.signers.of("isolated")]
    assert listed[0] == owner().public_bytes(Encoding.DER)
    if second is not None:
        assert (_SECOND.public_bytes(Encoding.DER) in listed[1:]) is second
