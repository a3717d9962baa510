from __future__ import annotations

import logging
from io import BytesIO
from pathlib import Path

import pytest
from msgspec.structs import replace

from assay.server.telemetry import (
    MULTIPROCESS_VARIABLE,
    ForwardedLog,
    Metrics,
    ServedRequest,
    Telemetry,
    json_log,
)
from tests.serving import make_telemetry

_REQUEST = ServedRequest(
    request_id="00-1",
    method="GET",
    path="/x",
    route="other",
    status=404,
    code="NotFound",
    seconds=0.002,
    client="127.0.0.1",
)


def test_a_request_is_one_line_of_json() -> None:
    telemetry, log = make_telemetry()

    telemetry.served(_REQUEST)
    telemetry.served(replace(_REQUEST, reason="because", checks=("a.b",)))

    first, second = log.lines
    assert first.pop("timestamp").endswith("Z")
    assert first == {
        "request_id": "00-1",
        "method": "GET",
        "path": "/x",
        "status": 404,
        "code": "NotFound",
        "milliseconds": 2.0,
        "client": "127.0.0.1",
        "event": "request",
        "level": "info",
    }
    assert (second["reason"], second["checks"]) == ("because", ["a.b"])


def test_the_access_log_can_be_off() -> None:
    stream = BytesIO()
    telemetry = Telemetry(json_log(stream), metrics=None, access_log=False)

    telemetry.served(_REQUEST)

    assert stream.getvalue() == b""


def test_numbers_have_few_labels() -> None:
    metrics = Metrics()

    for status in (200, 404):
        metrics.count(replace(_REQUEST, status=status))

    text = metrics.render().decode()
    assert text.count("assay_requests_total{") == 2
    assert 'assay_request_seconds_count{route="other"} 2.0' in text


def test_the_numbers_of_all_workers_are_read_from_their_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MULTIPROCESS_VARIABLE, str(tmp_path))

    assert Metrics().render() == b""


def test_warnings_of_other_modules_are_logged_and_their_chatter_is_not() -> None:
    telemetry, log = make_telemetry()
    logger = logging.getLogger("assay.elsewhere")
    handler = ForwardedLog(telemetry.log)
    logger.addHandler(handler)

    logger.info("chatter")
    logger.warning("watch %s", "out")
    logger.removeHandler(handler)

    [line] = log.lines
    assert (line["level"], line["logger"], line["event"]) == (
        "warning",
        "assay.elsewhere",
        "watch out",
    )


def test_a_log_goes_to_standard_error_unless_told(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    json_log().info("hello")

    assert b'"event":"hello"' in capfdbinary.readouterr().err


def test_a_line_that_cannot_be_written_is_lost_and_nothing_else() -> None:
    # The kernel's own file that is always full.
    with Path("/dev/full").open("wb", buffering=0) as full:
        log = json_log(full)

        log.info("hello")
        log.warning("again")
