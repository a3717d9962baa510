"""Full disks and read-only databases: told, survived, and gone without a restart.

The faults are real ones. Those that need a mount skip where this user may not mount.
"""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx2
import psycopg
import pytest

from assay import clock
from assay.policy import policy_hash
from assay.server.assembly import open_store
from assay.server.checkup.store import check_database
from assay.server.settings import Settings
from assay.server.settings_reader import load_settings, variable_name
from assay.service.checkup import CheckOutcome
from assay.simulator import SimulatedPlatform, save_platform
from tests.administration import DENY, PERMIT, VERSION, stored_policy, unsecured
from tests.databases import PostgresqlServer
from tests.serving import RunningServer, running_server, sgx_request

_SMALL: Final = 512
"""Less than any file of a database that is in use, and than the log of a server."""

_MANY: Final = 400
"""Changes after which any disk of these tests is full."""

_PADDING: Final = "/" * 100_000


@dataclass
class _Service:
    """A server, evidence that it permits, and what it has acknowledged."""

    client: httpx2.Client
    evidence: dict[str, Any]
    hashes: list[str] = field(default_factory=list)

    def attest(self) -> int:
        return self.client.post(f"/attest/SgxEnclave{VERSION}", json=self.evidence).status_code

    def set(self, text: str) -> httpx2.Response:
        jws = unsecured(stored_policy(text))
        answer = self.client.put(f"/policies/Tpm{VERSION}", content=jws)
        if answer.status_code == 200:
            self.hashes.append(policy_hash(text))
        return answer

    def set_until_refused(self) -> httpx2.Response:
        for number in range(_MANY):
            answer = self.set(f"{PERMIT} // {number}{_PADDING}")
            if answer.status_code != 200:
                return answer
        raise AssertionError("the disk was never full")


@contextlib.contextmanager
def _serving(
    folder: Path, flags: dict[str, object], evidence: dict[str, Any]
) -> Iterator[tuple[RunningServer, _Service]]:
    with (
        running_server(folder, flags) as server,
        # One connection for all: a server that loses it has not survived.
        httpx2.Client(base_url=server.url, timeout=60, trust_env=False) as client,
    ):
        yield server, _Service(client, evidence)


@dataclass(frozen=True)
class _Disk:
    """Where a database is, and what fills it up."""

    flags: dict[str, object]
    fill: Callable[[RunningServer], None]
    free: Callable[[RunningServer], None]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> tuple[SimulatedPlatform, Path]:
    found = SimulatedPlatform.create(clock.now())
    folder = tmp_path_factory.mktemp("platform") / "machine"
    save_platform(found, folder)
    return found, folder


@pytest.fixture
def simulated(platform: tuple[SimulatedPlatform, Path]) -> dict[str, object]:
    return {"dev": True, "simulator": str(platform[1]), "instance.token_algorithm": "ES256"}


@pytest.fixture
def evidence(platform: tuple[SimulatedPlatform, Path]) -> dict[str, Any]:
    return sgx_request(platform=platform[0])


@contextlib.contextmanager
def _mounted(folder: Path, *options: str) -> Iterator[None]:
    """A small file system of its own."""
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder)]
    done = subprocess.run(mount, check=False, capture_output=True, text=True)  # noqa: S603  fixed
    if done.returncode:
        pytest.skip(f"this user may not mount: {done.stderr.strip()}; run it as root")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)  # noqa: S603, S607  ditto


def _fill(folder: Path) -> None:
    with (folder / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
        while True:
            filler.write(bytes(_SMALL))


@contextlib.contextmanager
def _limited(tmp_path: Path, _request: pytest.FixtureRequest) -> Iterator[_Disk]:
    """SQLite in a process that may not let files grow: its log among them."""

    def limit(server: RunningServer, size: int) -> None:
        _, hard = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size, hard))

    yield _Disk(
        flags={"database": f"sqlite:///{tmp_path}/assay.sqlite3"},
        fill=lambda server: limit(server, _SMALL),
        free=lambda server: limit(server, resource.RLIM_INFINITY),
    )


@contextlib.contextmanager
def _small_volume(tmp_path: Path, _request: pytest.FixtureRequest) -> Iterator[_Disk]:
    """SQLite on a volume with little room."""
    volume = tmp_path / "volume"
    with _mounted(volume, "size=4m"):
        yield _Disk(
            flags={"database": f"sqlite:///{volume}/assay.sqlite3"},
            fill=lambda _server: _fill(volume),
            free=lambda _server: (volume / "filler").unlink(),
        )


@contextlib.contextmanager
def _small_tablespace(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[_Disk]:
    """PostgreSQL with its tables on a volume with little room."""
    postgresql: PostgresqlServer = request.getfixturevalue("postgresql")
    volume = postgresql.folder / f"volume-{tmp_path.name}"
    owner = (postgresql.folder / "data").stat().st_uid
    with (
        _mounted(volume, "size=32m", "mode=700", f"uid={owner}"),
        psycopg.connect(postgresql.url("postgres"), autocommit=True) as connection,
    ):
        connection.execute(f"CREATE TABLESPACE small LOCATION '{volume}'".encode())
        connection.execute("CREATE DATABASE full_disk TABLESPACE small")
        try:
            yield _Disk(
                flags={
                    "database": postgresql.url("full_disk"),
                    "instance.public_url": "https://attest.example",
                },
                fill=lambda _server: _fill(volume),
                free=lambda _server: (volume / "filler").unlink(),
            )
        finally:
            connection.execute("DROP DATABASE full_disk WITH (FORCE)")
            connection.execute("DROP TABLESPACE small")


@pytest.fixture(params=[_limited, _small_volume, _small_tablespace])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[_Disk]:
    with request.param(tmp_path, request) as found:
        yield found


def _settings(tmp_path: Path, flags: dict[str, object]) -> Settings:
    return load_settings(environment={}, flags={"data_dir": str(tmp_path / "data"), **flags})


def _check_whole(settings: Settings, hashes: Sequence[str]) -> None:
    """Nothing is damaged, and the history of `Tpm` is what was acknowledged."""
    results = check_database(settings)
    assert [one.says for one in results if one.outcome is not CheckOutcome.OK] == []
    with open_store(settings) as store:
        changes = store.policies.history("default", "Tpm")
    assert [change.text_hash for change in changes] == list(hashes)


def test_a_full_disk_stops_changes_and_nothing_else(
    disk: _Disk, simulated: dict[str, object], evidence: dict[str, Any], tmp_path: Path
) -> None:
    flags = {**simulated, **disk.flags}
    with _serving(tmp_path, flags, evidence) as (server, service):
        assert service.set(PERMIT).status_code == 200
        assert service.attest() == 200

        disk.fill(server)
        refused = service.set_until_refused()
        attested = [service.attest() for _ in range(5)]
        still_refused = service.set(PERMIT + _PADDING).status_code

        disk.free(server)
        assert service.set(PERMIT).status_code == 200
        assert service.attest() == 200

    assert refused.status_code == still_refused == 503
    assert refused.json()["error"]["code"] == "StoreUnavailable"
    assert "database cannot be used at the moment" in refused.json()["error"]["message"]
    assert attested == [200] * 5
    _check_whole(_settings(tmp_path, flags), service.hashes)


def test_a_postgresql_that_became_read_only_stops_changes_and_nothing_else(
    postgresql: PostgresqlServer,
    simulated: dict[str, object],
    evidence: dict[str, Any],
    tmp_path: Path,
) -> None:
    name = postgresql.create_database()
    public = {"instance.public_url": "https://attest.example"}
    flags = {**simulated, **public, "database": postgresql.url(name)}

    def read_only(value: str) -> None:
        with psycopg.connect(postgresql.url("postgres"), autocommit=True) as connection:
            setting = f'ALTER DATABASE "{name}" SET default_transaction_read_only = {value}'
            connection.execute(setting.encode())
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
            )

    with _serving(tmp_path, flags, evidence) as (_, service):
        assert service.set(PERMIT).status_code == 200
        assert service.attest() == 200

        read_only("on")
        refused = service.set(DENY)
        attested = service.attest()
        command = ["instance", "delete", "default", "--yes"]
        told = _run(command, _environment(tmp_path, flags))

        read_only("off")
        assert service.set(DENY).status_code == 200

    assert refused.status_code == 503
    assert attested == 200
    assert told.returncode == 6
    assert "it is read-only; name the primary server in `database`" in told.stderr
    _check_whole(_settings(tmp_path, flags), service.hashes)


def _without_privileges() -> list[str]:
    """What runs a program so that modes of files count: root passes over them."""
    if os.geteuid():
        return []
    bare = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"]
    if subprocess.run([*bare, "true"], check=False, capture_output=True).returncode:  # noqa: S603  fixed
        pytest.skip("root passes over the modes of files, and may not give that up here")
    return bare


@contextlib.contextmanager
def _closed_by_modes(folder: Path) -> Iterator[list[str]]:
    paths = [folder, *folder.iterdir()]
    modes = {path: path.stat().st_mode for path in paths}
    for path, mode in modes.items():
        path.chmod(mode & ~0o222)
    try:
        yield _without_privileges()
    finally:
        for path, mode in modes.items():
            path.chmod(mode)


@contextlib.contextmanager
def _closed_by_mount(folder: Path) -> Iterator[list[str]]:
    remount = ["mount", "-o", "remount,{}", str(folder)]
    subprocess.run([one.format("ro") for one in remount], check=True)  # noqa: S603  fixed
    try:
        yield []
    finally:
        subprocess.run([one.format("rw") for one in remount], check=True)  # noqa: S603  fixed


@pytest.mark.parametrize("close", [_closed_by_modes, _closed_by_mount])
def test_a_sqlite_that_is_read_only_is_told_and_left_as_it_is(
    close: Callable[[Path], contextlib.AbstractContextManager[list[str]]],
    simulated: dict[str, object],
    evidence: dict[str, Any],
    tmp_path: Path,
) -> None:
    folder = tmp_path / "data"
    settings = _settings(tmp_path, simulated)
    environment = _environment(tmp_path, simulated)
    policy = tmp_path / "some.policy"
    policy.write_text(DENY)
    with contextlib.ExitStack() as stack:
        if close is _closed_by_mount:
            stack.enter_context(_mounted(folder, "size=4m", "mode=700"))
        with _serving(tmp_path, simulated, evidence) as (_, service):
            assert service.set(PERMIT).status_code == 200

        with close(folder) as prefix:
            started = _run(["serve", "--port", "0"], environment, prefix)
            changed = _run(
                ["instance", "policy", "set", "default", "Tpm", str(policy)], environment, prefix
            )

        for refused in (started, changed):
            assert refused.returncode == 6
            [sentence] = refused.stderr.splitlines()
            assert sentence.startswith("assay: the database does not answer: it ")
            assert "writable for the user that the service runs as" in sentence
        _check_whole(settings, service.hashes)
        assert (
            _run(
                ["instance", "policy", "set", "default", "Tpm", str(policy)], environment
            ).returncode
            == 0
        )


def test_a_command_on_a_full_disk_is_told_in_one_sentence_and_changes_nothing(
    tmp_path: Path,
) -> None:
    environment = {**os.environ, "ASSAY_DATA_DIR": str(tmp_path / "data")}
    create = ["instance", "create", "one", "--token-algorithm", "ES256"]
    assert _run(create, environment).returncode == 0
    limited = ["prlimit", f"--fsize={_SMALL}", "--"]

    refused = _run(["instance", "delete", "one", "--yes"], environment, limited)

    assert refused.returncode == 6
    [sentence] = refused.stderr.splitlines()
    assert "its disk failed to read or write; check the volume and its quota" in sentence
    settings = load_settings(environment={}, flags={"data_dir": str(tmp_path / "data")})
    with open_store(settings) as store:
        assert [record.name for record in store.instances.all()] == ["one"]
    assert all(one.outcome is CheckOutcome.OK for one in check_database(settings))


def _environment(tmp_path: Path, flags: dict[str, object]) -> dict[str, str]:
    variables = {
        variable_name(name): str(value).lower() if value is True else str(value)
        for name, value in flags.items()
    }
    return {**os.environ, "ASSAY_DATA_DIR": str(tmp_path / "data"), **variables}


def _run(
    command: list[str], environment: dict[str, str], prefix: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  this program itself
        [*prefix, sys.executable, "-m", "assay", *command],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
