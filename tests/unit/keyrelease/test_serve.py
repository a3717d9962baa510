"""A broker in this process: its address, its keys, and its end."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path
from threading import Thread
from typing import Final

import pytest

from assay.errors import SettingsError
from assay.keyrelease.client import BrokerClient
from assay.keyrelease.serve import open_broker, serve_broker
from assay.keyrelease.settings import load_broker_file
from tests.attestation_tokens import ISSUER, MR_SIGNER

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
