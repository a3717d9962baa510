"""Ten thousand requests that are nearly right, and a server that is well afterwards."""

from __future__ import annotations

import http.client
import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay import clock
from assay.encoding import JsonValue, encode_base64url
from assay.server.app import create_app
from assay.simulator import SimulatedPlatform, save_platform
from tests.serving import (
    VERSION,
    RunningServer,
    call,
    make_services,
    open_enclave_request,
    running_server,
    sgx_request,
)

_REQUESTS: Final = 10_000
_SEED: Final = 20_261_123
_PATHS: Final = ("/attest/SgxEnclave", "/attest/OpenEnclave")
_REFUSALS: Final = frozenset(range(400, 500))

_JSON: Final = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["quote", "report", "runtimeData", "initTimeData", "nonce", "data", "dataType"]
            )
            | st.text(max_size=10),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder: Path = tmp_path_factory.mktemp("mutated")
    platform = SimulatedPlatform.create(clock.now())
    save_platform(platform, folder / "simulator")
    flags = {"dev": True, "simulator": str(folder / "simulator"), "access_log": False}
    with running_server(folder, flags) as running:
        yield running


def _mutated(source: random.Random, body: bytes) -> bytes:
    """`body` with one to four small wounds."""
    changed = bytearray(body)
    for _ in range(source.randint(1, 4)):
        place = source.randrange(len(changed) or 1)
        match source.randrange(4):
            case 0:
                changed[place : place + 1] = bytes((source.randrange(256),))
            case 1:
                del changed[place : place + source.randint(1, 64)]
            case 2:
                changed[place:place] = source.randbytes(source.randint(1, 8))
            case _:
                changed = changed[:place] or bytearray(b"{")
    return bytes(changed)


def _assert_refusal(status: int, answer: bytes) -> None:
    error: dict[str, Any] = json.loads(answer)["error"]
    assert status in _REFUSALS
    assert error["code"]
    assert error["message"]
    assert "Traceback" not in error["message"]


@pytest.mark.timeout(180)
def test_ten_thousand_mutated_requests_leave_the_server_healthy(server: RunningServer) -> None:
    source = random.Random(_SEED)  # noqa: S311  the same load each time
    bodies = [json.dumps(body).encode() for body in (sgx_request(), open_enclave_request())]
    address = urlsplit(server.url)
    assert address.hostname is not None
    statuses: Counter[int] = Counter()
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)

    for number in range(_REQUESTS):
        kind = number % 2
        body = _mutated(source, bodies[kind])
        headers = {"Content-Type": "application/json"}
        connection.request("POST", _PATHS[kind] + VERSION, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        statuses[answer.status] += 1
        if answer.status != 200:
            _assert_refusal(answer.status, content)

    connection.request("GET", "/health/ready")
    ready = connection.getresponse()
    ready.read()
    connection.close()
    assert ready.status == 200
    assert set(statuses) <= {200, *_REFUSALS}
    assert statuses.total() == _REQUESTS
    assert server.process.poll() is None


@pytest.mark.property
@settings(max_examples=100)
@given(st.sampled_from(_PATHS), _JSON)
def test_any_json_is_refused_in_the_protocols_shape(path: str, body: JsonValue) -> None:
    answer = call(create_app(make_services()), "POST", path + VERSION, json=body)

    _assert_refusal(answer.status_code, answer.content)


@pytest.mark.property
@settings(max_examples=100)
@given(st.binary(min_size=1, max_size=600))
def test_any_bytes_as_evidence_are_refused_in_the_protocols_shape(evidence: bytes) -> None:
    app = create_app(make_services())

    for path, member in zip(_PATHS, ("quote", "report"), strict=True):
        body = {member: encode_base64url(evidence)}
        answer = call(app, "POST", path + VERSION, json=body)
        _assert_refusal(answer.status_code, answer.content)


@pytest.mark.property
@settings(max_examples=100)
@given(st.sampled_from(_PATHS), st.binary(max_size=300))
def test_any_bytes_as_a_body_are_refused_in_the_protocols_shape(path: str, body: bytes) -> None:
    headers = {"content-type": "application/json"}

    answer = call(
        create_app(make_services()), "POST", path + VERSION, content=body, headers=headers
    )

    _assert_refusal(answer.status_code, answer.content)
