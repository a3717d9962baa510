"""The demonstration of key release, step by step; the simulator plays the enclave."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from assay import clock
from assay.audit import parse_line, verify_export
from assay.cli.keyrelease_start import seal_secret
from assay.cli.server_process import running_server
from assay.client import AttestationClient, AttestationData
from assay.encoding import JsonValue
from assay.errors import ReleaseRefusedError
from assay.keyrelease import ReleaseContext, ReleaseKey
from assay.keyrelease.client import BrokerClient
from assay.simulator import SimulatedPlatform, save_platform
from assay.simulator.sgx import SAMPLE_MR_ENCLAVE

_VALUES: Final = {"database": b"correct horse battery staple", "signing": b"another secret"}
_REQUESTER: Final = "payroll-enclave"
_OTHER_ENCLAVE: Final = bytes(range(32))
_AUDIT_FILE: Final = "releases.jsonl"

_SETTINGS: Final = """\
issuer = "{issuer}"
key_encryption_key_file = "sealing.key"
audit_file = "{audit}"
allow_simulated = true # for this demonstration, and never else

[secrets.database]
sealed = "database.sealed"
[secrets.database.require]
mrenclave = "{mrenclave}"
svn__ge = 3
debuggable = false

[secrets.signing]
sealed = "signing.sealed"
[secrets.signing.require]
mrenclave = "{mrenclave}"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What was tried, and what came of it."""

    title: str
    outcome: str
    account: str
    findings: tuple[str, ...] = ()
    """Codes; empty where nothing was refused."""

    records: tuple[str, ...] = ()
    """Outcomes in the audit record with their codes, where they are what is shown."""

    def report(self) -> dict[str, JsonValue]:
        """As JSON."""
        return {
            "title": self.title,
            "outcome": self.outcome,
            "account": self.account,
            "findings": [*self.findings],
            "records": [*self.records],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Enclave:
    """A simulated enclave that can attest."""

    platform: SimulatedPlatform
    service: AttestationClient
    mr_enclave: bytes = SAMPLE_MR_ENCLAVE

    def attest(self, key: ReleaseKey, context: ReleaseContext) -> str:
        """The service's token about this enclave and its key."""
        evidence = self.platform.quote(
            report_data=key.report_data(context), mr_enclave=self.mr_enclave, isv_svn=3
        )
        held = AttestationData.json(key.runtime_data(context))
        return self.service.attest_sgx_enclave(evidence, runtime_data=held).token.serialize()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scene:
    enclave: _Enclave
    other: _Enclave
    broker: BrokerClient
    folder: Path


def demonstrate(folder: Path) -> Iterator[Step]:
    """Run both servers with their data in `folder`, and try what should and should not work.

    Raises:
        AssertionError: Something was released that must not be.
        AssayError: A server does not start or answer.
    """
    platform = SimulatedPlatform.create(clock.now())
    save_platform(platform, folder / "platform")
    options = ("--dev", "--simulator", str(folder / "platform"))
    with running_server(options, folder=folder) as url, AttestationClient(url) as service:
        settings = _prepare(folder, url)
        with (
            running_server(
                ("--settings", str(settings)), folder=folder, command=("keyrelease", "serve")
            ) as broker_url,
            BrokerClient(broker_url) as broker,
        ):
            yield from _steps(
                _Scene(
                    enclave=_Enclave(platform=platform, service=service),
                    other=_Enclave(platform=platform, service=service, mr_enclave=_OTHER_ENCLAVE),
                    broker=broker,
                    folder=folder,
                )
            )
    yield _account(folder / _AUDIT_FILE)


def _account(file: Path) -> Step:
    lines = file.read_bytes().splitlines()
    verify_export(lines)
    events = [parse_line(line)[0].event for line in lines]
    return Step(
        title="7. The record of all this",
        outcome="verified",
        account=f"{len(lines)} records, each on the disk before its answer; the chain is whole",
        records=tuple(
            " ".join((one.outcome, *one.details.get("findings", "").split())) for one in events
        ),
    )


def _prepare(folder: Path, issuer: str) -> Path:
    """Settings, a key to seal with, and sealed secrets."""
    key = folder / "sealing.key"
    descriptor = os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(32))
    settings = folder / "broker.toml"
    settings.write_text(
        _SETTINGS.format(issuer=issuer, audit=_AUDIT_FILE, mrenclave=SAMPLE_MR_ENCLAVE.hex())
    )
    for name, value in _VALUES.items():
        seal_secret(settings, name, value)
    return settings


def _steps(scene: _Scene) -> Iterator[Step]:
    broker, enclave = scene.broker, scene.enclave

    key, context = ReleaseKey.generate(), broker.challenge("database", _REQUESTER)
    token = enclave.attest(key, context)
    answer = broker.release(context, token)
    assert key.unwrap(answer, context) == _VALUES["database"]  # noqa: S101  what is to be shown
    yield Step(
        title="1. The right enclave asks",
        outcome="released",
        account="only the enclave can decrypt the answer, and it has the secret",
    )

    yield refused_step(
        "2. The same request is sent again",
        "a challenge serves once",
        lambda: broker.release(context, token),
    )

    stranger, wrong = ReleaseKey.generate(), broker.challenge("database", _REQUESTER)
    foreign = scene.other.attest(stranger, wrong)
    yield refused_step(
        "3. An enclave of another measurement asks",
        "its token is genuine, and the secret's rules want another enclave",
        lambda: broker.release(wrong, foreign),
    )

    other_key, other = ReleaseKey.generate(), broker.challenge("signing", _REQUESTER)
    misused = enclave.attest(other_key, other)
    asked = broker.challenge("database", _REQUESTER)
    yield refused_step(
        "4. A token that was made for another secret is sent",
        "the enclave's evidence says what it asks for",
        lambda: broker.release(asked, misused),
    )

    yield from _swaps(scene)


def _swaps(scene: _Scene) -> Iterator[Step]:
    broker, enclave = scene.broker, scene.enclave

    key = ReleaseKey.generate()
    first, second = (broker.challenge(name, _REQUESTER) for name in ("database", "signing"))
    other_answer = broker.release(second, enclave.attest(key, second))
    yield refused_step(
        "5. The host hands the enclave the answer for another secret",
        "the enclave sees in the authenticated header what the answer is to",
        lambda: key.unwrap(other_answer, first),
    )

    one, two = scene.folder / "database.sealed", scene.folder / "signing.sealed"
    spare = scene.folder / "spare"
    one.rename(spare)
    two.rename(one)
    spare.rename(two)
    token = enclave.attest(key, first)
    yield refused_step(
        "6. The host swaps the sealed secrets on the broker's disk",
        "each is sealed to its name, version and rules",
        lambda: broker.release(first, token),
    )


def refused_step(title: str, account: str, attempt: Callable[[], object]) -> Step:
    """The step of an attempt that must be refused.

    Raises:
        AssertionError: It was not.
    """
    try:
        attempt()
    except ReleaseRefusedError as error:
        return Step(
            title=title,
            outcome="refused",
            account=account,
            findings=tuple(finding.check for finding in error.findings),
        )
    raise AssertionError(f"{title}: it was released")
