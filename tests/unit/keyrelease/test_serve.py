"""A broker in this process: its address, its keys, and its end."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import socket
from pathlib import Path
from threading import Thread
from typing import Any, Final

import pytest

from assay import clock
from assay.cli.collateral_path import encode_collateral
from assay.errors import ReleaseRefusedError, SettingsError, TokenError
from assay.keyrelease.broker import Broker
from assay.keyrelease.client import BrokerClient
from assay.keyrelease.serve import open_broker, serve_broker
from assay.keyrelease.settings import load_broker_file
from assay.simulator import SimulatedPlatform, save_platform
from assay.simulator.openenclave import legacy_report
from assay.simulator.sgx import SAMPLE_MR_ENCLAVE
from assay.token import attestation_claims, sign_token
from tests.attestation_tokens import ISSUER, MR_SIGNER, key_document, service_key

_SETTINGS: Final = f"""\
issuer = "{ISSUER}"
key_encryption_key_file = "sealing.key"
audit_file = "releases.jsonl"
port = 0
[secrets.database]
sealed = "database.sealed"
[secrets.database.require]
mrsigner = "{MR_SIGNER}"
"""


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    (tmp_path / "sealing.key").write_bytes(bytes(range(224, 256)))
    (tmp_path / "sealing.key").chmod(0o600)
    path = tmp_path / "broker.toml"
    path.write_text(_SETTINGS)
    return path


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_broker_serves_until_it_is_told_to_stop(
    settings: Path, host: str, shown: str, number: signal.Signals
) -> None:
    settings.write_text(_SETTINGS.replace("port", f'host = "{host}"\nport'))
    found: list[str] = []

    def use(url: str) -> None:
        try:
            with BrokerClient(url) as client:
                found.append(client.challenge("database", "payroll").secret)
        finally:
            os.kill(os.getpid(), number)

    def announce(url: str) -> None:
        assert url.startswith(f"http://{shown}:")
        Thread(target=use, args=(url,)).start()

    handlers = [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)]
    serve_broker(load_broker_file(settings), announce=announce)

    assert found == ["database"]
    assert [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)] == handlers


def test_an_address_that_is_taken_is_told(settings: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings.write_text(_SETTINGS.replace("port = 0", f"port = {port}"))

        with pytest.raises(SettingsError, match="cannot listen"):
            serve_broker(load_broker_file(settings), announce=pytest.fail)


def test_keys_are_fetched_from_the_issuer_over_the_roots_that_are_named(
    settings: Path, tmp_path: Path
) -> None:
    settings.write_text(_SETTINGS.replace("port", 'ca_file = "none.pem"\nport'))

    with pytest.raises(SettingsError, match=str(tmp_path / "none.pem")):
        open_broker(load_broker_file(settings))


def _with_evidence(settings: Path, platform: SimulatedPlatform, *extensions: Any) -> Broker:  # noqa: ANN401  of certificates
    folder = settings.parent
    (folder / "certs.json").write_bytes(key_document(extensions=extensions))
    (folder / "collateral.json").write_bytes(encode_collateral(platform.collateral(clock.now())))
    save_platform(platform, folder / "platform")
    settings.write_text(
        _SETTINGS.replace("port", 'key_set_file = "certs.json"\nport')
        + '[service_evidence]\ncollateral = "collateral.json"\nroots = ["platform/root_ca.pem"]\n'
        + f'require = {{ mrenclave = "{SAMPLE_MR_ENCLAVE.hex()}" }}\n'
    )
    return open_broker(load_broker_file(settings))


def _refusal(broker: Broker) -> str:
    now = clock.now()
    claims = attestation_claims({}, issuer=ISSUER, issued_at=now, jti="0" * 64)
    context, _ = broker.challenge("database", "payroll")

    async def main() -> None:
        try:
            await broker.release(context, sign_token(claims, service_key(), issuer=ISSUER))
        finally:
            await broker.close()

    with pytest.raises((TokenError, ReleaseRefusedError)) as caught:
        asyncio.run(main())
    return caught.value.findings[0].check


def test_the_services_own_evidence_is_looked_at_where_it_is_demanded(settings: Path) -> None:
    """TK-10."""
    platform = SimulatedPlatform.create(clock.now())
    bound = hashlib.sha256(service_key().spki_pem + b"\0").digest()
    report = ("1.3.6.1.4.1.311.105.1", legacy_report(platform.quote(report_data=bound)))

    assert _refusal(_with_evidence(settings, platform)) == "token.signer.evidence_missing"
    # Vouched for, its token is judged by the secret's rules, which it does not meet.
    vouched = _with_evidence(settings, platform, report)
    assert _refusal(vouched) == "token.claims.requirement"


def test_roots_that_cannot_be_read_stop_the_start(settings: Path) -> None:
    settings.write_text(
        _SETTINGS + '[service_evidence]\ncollateral = "c"\nroots = ["none.pem"]\n'
        f'require = {{ mrsigner = "{MR_SIGNER}" }}\n'
    )

    with pytest.raises(SettingsError, match="roots"):
        open_broker(load_broker_file(settings))
