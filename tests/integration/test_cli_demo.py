"""`assay demo` as a stranger runs it: another process, a real server, real signals."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from typer.testing import CliRunner

from assay.cli import app
from assay.cli.demonstration import Demonstration
from assay.cli.server_process import running_server
from assay.client import AttestationClient, TransportError
from assay.client.testing import FakeTransport
from assay.evidence.dcap.checks import DCAP_CHECKS
from assay.simulator import SimulatedPlatform
from tests.conftest import AT

_SECONDS: Final = 60
"""The demonstration itself takes under 20; the machine may be busy."""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    # Settings of the machine that tests run on must not reach the demonstration's server.
    return {**os.environ, "TMPDIR": str(tmp_path), "ASSAY_PORT": "1", "NO_COLOR": "1"}


def _assay(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "assay", *arguments]


def test_the_demonstration_shows_a_verdict_a_token_and_two_refusals(
    environment: dict[str, str], tmp_path: Path
) -> None:
    done = subprocess.run(  # noqa: S603
        _assay("demo"), env=environment, capture_output=True, timeout=_SECONDS, check=False
    )

    out = done.stdout.decode()
    assert (done.returncode, done.stderr.decode()) == (0, "")
    assert "verdict: permit - " in out
    for check in DCAP_CHECKS:
        assert f"  pass        {check.step:>2}  {check.title}\n" in out
    assert "token: valid - " in out
    assert "refused - status 400, PolicyEvaluationError\n" in out
    assert "the rule at line 4: x-ms-sgx-is-debuggable is true" in out
    assert "refused - status 400, InvalidParameter\n  dcap.quote.quote_signature\n" in out
    assert out.endswith("nothing is left running.\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("as_json", [False, True])
def test_the_demonstration_says_the_same_in_this_process(*, as_json: bool) -> None:
    outcome = CliRunner().invoke(app, ["demo", "--json"] if as_json else ["demo"])

    assert outcome.exit_code == 0
    assert "nothing is left running" in (outcome.stderr if as_json else outcome.stdout)
    assert "dcap.quote.quote_signature" in outcome.stdout


def test_evidence_that_must_be_refused_and_is_not_ends_the_demonstration() -> None:
    permissive = FakeTransport()
    demonstration = Demonstration(
        platform=SimulatedPlatform.create(AT),
        client=AttestationClient(permissive.service.url, transport=permissive),
    )

    with pytest.raises(AssertionError, match="accepted what it must refuse"):
        demonstration.refusal(b"")


def test_the_demonstration_as_json_is_one_object(environment: dict[str, str]) -> None:
    done = subprocess.run(  # noqa: S603
        _assay("demo", "--json"),
        env=environment,
        capture_output=True,
        timeout=_SECONDS,
        check=True,
    )

    report = json.loads(done.stdout)
    assert report["appraisal"]["verdict"] == "permit"
    assert report["claims"]["x-ms-runtime"] == {"greeting": "hello from the enclave"}
    assert report["claims"]["x-assay-simulated"] is True
    assert report["denial"]["code"] == "PolicyEvaluationError"
    assert [one["code"] for one in report["forgery"]["details"]] == ["dcap.quote.quote_signature"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_demonstration_that_is_ended_leaves_no_process_and_no_file(
    environment: dict[str, str], tmp_path: Path, number: signal.Signals
) -> None:
    if signal.getsignal(number) is signal.SIG_IGN:
        pytest.skip("the parent of the tests ignores this signal, and its children inherit that")
    # By the command's own name: run with `-m`, Python ends by SIGINT where that fell into code made
    # from text, such as a dataclass, even if it was caught. And into a pipe that holds less than is
    # said, so that the demonstration cannot be through before the signal comes.
    with subprocess.Popen(  # noqa: S603
        [Path(sys.executable).with_name("assay"), "demo"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pipesize=4096,
    ) as process:
        assert process.stdout is not None
        port = _port(iter(process.stdout))
        process.send_signal(number)
        process.communicate(timeout=_SECONDS)

    assert process.returncode == 128 + number
    assert list(tmp_path.iterdir()) == []
    assert port not in _listening_ports()


def test_a_server_that_does_not_start_is_told_with_its_log(tmp_path: Path) -> None:
    with (
        pytest.raises(TransportError, match="the server did not start") as caught,
        running_server(["--verify-at", "0"], folder=tmp_path),
    ):
        pass

    assert "needs dev" in caught.value.message


def test_a_server_that_says_nothing_in_time_is_ended(tmp_path: Path) -> None:
    started = time.monotonic()

    with (
        pytest.raises(TransportError, match="the server did not start"),
        running_server(["--dev"], folder=tmp_path, start_seconds=0),
    ):
        pass

    assert time.monotonic() - started < _SECONDS


def _port(lines: Iterator[bytes]) -> int:
    for line in lines:
        if (found := re.search(rb"http://127\.0\.0\.1:(\d+)", line)) is not None:
            return int(found.group(1))
    raise AssertionError("no address was shown")


def _listening_ports() -> set[int]:
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == "0A"}
