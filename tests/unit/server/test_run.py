from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import httpx2
import pytest

from assay.errors import SettingsError
from assay.server.run import serve
from assay.server.settings import Settings
from assay.server.settings_reader import load_settings
from assay.simulator import save_platform
from tests.conftest import AT
from tests.serving import VERSION, sgx_request, simulated_platform


@pytest.fixture(autouse=True)
def _signals_stay_as_they_were() -> Iterator[None]:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    yield
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


def _settings(folder: Path, **flags: object) -> Settings:
    save_platform(simulated_platform(), folder / "simulator")
    chosen = {
        "port": 0,
        "data_dir": folder / "data",
        "dev": True,
        "simulator": folder / "simulator",
        "verify_at": AT.isoformat(),
        "instance.token_algorithm": "ES256",
        "access_log": False,
    }
    return load_settings(environment={}, flags={**chosen, **flags})


def _serve_while(settings: Settings, action: Callable[[str], Any]) -> tuple[int, list[Any]]:
    """The exit code of a server that is told to stop after `action`, and what that returned."""
    results: list[Any] = []

    def act(url: str) -> None:
        try:
            results.append(action(url))
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    code = serve(settings, announce=lambda url: Thread(target=act, args=(url,)).start())
    return code, results


def _attest(url: str) -> int:
    answer = httpx2.post(
        f"{url}/attest/SgxEnclave{VERSION}", json=sgx_request(), timeout=60, trust_env=False
    )
    return answer.status_code


def test_one_worker_serves_and_stops_when_told(tmp_path: Path) -> None:
    code, results = _serve_while(_settings(tmp_path), _attest)

    assert (code, results) == (0, [200])


def test_collections_spare_what_was_there_before_the_first_request(tmp_path: Path) -> None:
    def look(url: str) -> tuple[int, int]:
        _attest(url)
        return gc.get_freeze_count(), gc.get_threshold()[0]

    before = gc.get_freeze_count(), gc.get_threshold()

    _, [(kept, threshold)] = _serve_while(_settings(tmp_path), look)

    assert kept > 10_000
    assert threshold > before[1][0]
    assert (gc.get_freeze_count(), gc.get_threshold()) == before


def test_the_announced_address_is_the_issuer(tmp_path: Path) -> None:
    def issuer(url: str) -> bool:
        answer = httpx2.get(f"{url}/.well-known/openid-configuration", trust_env=False)
        return bool(answer.json()["issuer"] == url)

    assert _serve_while(_settings(tmp_path), issuer)[1] == [True]


def test_several_workers_serve_share_their_numbers_and_stop_when_told(tmp_path: Path) -> None:
    def act(url: str) -> str:
        for _ in range(4):
            assert _attest(url) == 200
        return httpx2.get(f"{url}/metrics", timeout=60, trust_env=False).text

    code, [metrics] = _serve_while(_settings(tmp_path, workers=2, metrics=True), act)

    assert code == 0
    label = 'code="OK",route="/attest/{attestation_type}",status="200"'
    assert f"assay_requests_total{{{label}}} 4.0" in metrics


def test_a_worker_that_dies_is_replaced(tmp_path: Path) -> None:
    def act(url: str) -> tuple[int, int, bool]:
        _attest(url)
        before = _workers()
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        status = _attest(url)
        return len(before), status, before.isdisjoint(_workers())

    code, results = _serve_while(_settings(tmp_path, workers=2, metrics=True), act)

    assert (code, results) == (0, [(2, 200, True)])


def test_workers_that_keep_dying_end_the_server(tmp_path: Path) -> None:
    settings = _settings(tmp_path, workers=1)
    taken = _settings(tmp_path, workers=2)

    def spoil(_url: str) -> None:
        # The parent has prepared everything; what workers open is gone now.
        for file in (taken.data_dir).glob("assay.sqlite3*"):
            file.unlink()
        (taken.data_dir / "key-encryption.key").unlink()

    assert settings.data_dir == taken.data_dir
    assert serve(taken, announce=spoil) == 1


def _workers() -> set[int]:
    return {worker.pid for worker in multiprocessing.active_children() if worker.pid is not None}


def test_a_taken_port_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        settings = _settings(tmp_path, port=holder.getsockname()[1])

        with pytest.raises(SettingsError, match=r"cannot listen at 127\.0\.0\.1 port"):
            serve(settings)


def test_an_address_that_another_server_shares_among_its_workers_is_refused(
    tmp_path: Path,
) -> None:
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        settings = _settings(tmp_path, workers=2, port=holder.getsockname()[1])

        with pytest.raises(SettingsError, match=r"cannot listen at 127\.0\.0\.1 port"):
            serve(settings)


def test_a_host_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot listen at"):
        serve(_settings(tmp_path, dev=False, simulator=None, verify_at=None, host="256.1.1.1"))


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6")
def test_an_address_of_ipv6_is_served_and_announced_in_brackets(tmp_path: Path) -> None:
    code, [status] = _serve_while(_settings(tmp_path, host="::1"), _attest)

    assert (code, status) == (0, 200)


def test_development_mode_is_shouted(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    _serve_while(_settings(tmp_path), _attest)

    assert b"DEVELOPMENT MODE" in capfdbinary.readouterr().err


def test_a_derived_issuer_on_a_public_address_is_warned_about(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    settings = load_settings(
        environment={},
        flags={
            "host": "0.0.0.0",  # noqa: S104
            "port": 0,
            "auth.administration": False,
            "data_dir": tmp_path / "data",
            "instance.token_algorithm": "ES256",
        },
    )

    def live(url: str) -> int:
        local = url.replace("0.0.0.0", "127.0.0.1")  # noqa: S104
        return httpx2.get(f"{local}/health/live", trust_env=False).status_code

    assert _serve_while(settings, live) == (0, [200])
    assert b"instance.public_url is not set" in capfdbinary.readouterr().err
