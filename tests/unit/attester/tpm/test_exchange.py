from __future__ import annotations

import json

import pytest

from assay.attester.errors import AttesterError
from assay.attester.tpm.device import LoadedKey, TpmDevice
from assay.attester.tpm.exchange import TpmExchange
from assay.encoding import encode_base64url
from assay.evidence.tpm.buffers import buffer
from assay.evidence.tpm.public import parse_public
from tests.tpm import simulated_endorsement, simulated_tpm
from tests.unit.attester.tpm.scripted import ScriptedTpm, primary, response


def _data(value: object) -> bytes:
    return json.dumps({"data": encode_base64url(json.dumps(value).encode())}).encode()


def test_a_challenge_and_a_report_are_taken_out_of_their_wrapping() -> None:
    sent: list[tuple[str, bytes]] = []
    answers = iter(
        [
            _data({"payload": {"challenge": "AAA", "service_context": "context"}}),
            _data({"payload": {"report": "report"}}),
        ]
    )

    def post(path: str, body: bytes) -> bytes:
        sent.append((path, body))
        return next(answers)

    exchange = TpmExchange(post)

    assert exchange.challenge() == (bytes(2), "context")
    assert exchange.report("request") == "report"
    assert [path for path, _ in sent] == ["/attest/Tpm"] * 2


@pytest.mark.parametrize(
    "answer",
    [
        b"[]",
        b"{}",
        b'{"data":1}',
        b'{"data":"?"}',
        _data([]),
        _data({"payload": 1}),
        _data({"payload": {}}),
        _data({"payload": {"challenge": "?"}}),
    ],
)
def test_an_answer_that_is_none_is_told(answer: bytes) -> None:
    with pytest.raises(AttesterError):
        TpmExchange(lambda _path, _body: answer).challenge()


def test_a_tpm_without_a_certificate_enrols_by_its_key() -> None:
    bodies: list[dict[str, object]] = []
    answers = iter(
        [
            {"context": "context", "credential_blob": "AAA", "secret": "AAA"},
            {"certificate": "AQI"},
        ]
    )

    def post(_path: str, body: bytes) -> bytes:
        bodies.append(json.loads(body))
        return json.dumps(next(answers)).encode()

    refused = response(code=0x18B)
    tpm = ScriptedTpm(
        [
            refused,
            refused,
            primary(simulated_endorsement().public),
            response(buffer(b""), handle=bytes(4)),
            response(),
            response(buffer(b"secret")),
        ]
    )
    aik = LoadedKey(handle=1, public=parse_public(simulated_tpm().aik_public))

    certificate = TpmExchange(post).enroll(TpmDevice(tpm), aik)

    assert certificate == b"\1\2"
    assert sorted(bodies[0]) == ["aik_public", "ek_public"]
    assert bodies[1]["secret"] == encode_base64url(b"secret")
