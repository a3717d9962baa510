from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from assay.attester.errors import AttesterError
from assay.attester.tpm.agent import (
    endorsement_certificate,
    endorsement_key,
    open_agent,
    public_jwk,
)
from assay.attester.tpm.device import TpmDevice
from assay.attester.tpm.request_signing import SoftwareKey
from assay.encoding import decode_base64url
from assay.evidence.tpm.algorithms import HashAlgorithm
from assay.evidence.tpm.buffers import buffer
from assay.evidence.tpm.request import LogKind, SentLog
from assay.evidence.tpm.signature import read_jwk
from tests.tpm import simulated_endorsement, simulated_tpm
from tests.unit.attester.tpm.scripted import ScriptedTpm, pcr_values, primary, response

_SELECTION = {HashAlgorithm.SHA256: (0,)}
_ONE, _OTHER = (pcr_values(bytes([value]) * 32) for value in (1, 2))
_AIK = primary(simulated_tpm().aik_public)
_REFUSED = response(code=0x18B)


def _quoted() -> bytes:
    quote = simulated_tpm().quote({HashAlgorithm.SHA256: {0: b"\2" * 32}}, b"")
    return response(buffer(quote.attest) + quote.signature)


def _described(size: int) -> bytes:
    return response(buffer(bytes(12) + size.to_bytes(2, "big")))


def test_a_quote_is_made_again_while_pcrs_change() -> None:
    answers = [_AIK, _ONE, _quoted(), _OTHER, _OTHER, _quoted(), _OTHER]
    logs = (SentLog(LogKind.TCG, b"log"),)

    with open_agent(TpmDevice(ScriptedTpm(answers)), lambda: logs, selection=_SELECTION) as agent:
        measured = agent.measure(b"")

    assert measured.pcrs == {HashAlgorithm.SHA256: {0: b"\2" * 32}}
    assert measured.logs == logs


def test_pcrs_that_never_rest_are_given_up() -> None:
    answers = [_AIK, *5 * [_ONE, _quoted(), _OTHER]]

    with (
        open_agent(TpmDevice(ScriptedTpm(answers)), lambda: (), selection=_SELECTION) as agent,
        pytest.raises(AttesterError, match="change"),
    ):
        agent.measure(b"")


def test_without_a_certificate_a_request_has_none() -> None:
    answers = [_AIK, _OTHER, _quoted(), _OTHER]
    key = SoftwareKey(simulated_tpm().request_key)

    with open_agent(TpmDevice(ScriptedTpm(answers)), lambda: (), selection=_SELECTION) as agent:
        text = agent.request(bytes(16), "context", key)

    payload = json.loads(decode_base64url(text.split(".")[1], "payload"))
    assert "aik_cert" not in payload["att_data"]["tpm_att_data"]["current_attestation"]


def test_an_endorsement_key_is_made_where_none_is_kept() -> None:
    tpm = ScriptedTpm([_REFUSED, primary(simulated_endorsement().public)])

    with endorsement_key(TpmDevice(tpm)) as key:
        assert key.public.key == simulated_endorsement().key.public_key()


def test_a_certificate_ends_where_it_says() -> None:
    certificate = simulated_endorsement().certificate
    filled = certificate + bytes(1200 - len(certificate))
    parts = [filled[start : start + 512] for start in range(0, 1200, 512)]
    answers = [_described(1200), *(response(buffer(part)) for part in parts)]

    assert endorsement_certificate(TpmDevice(ScriptedTpm(answers))) == certificate


def test_what_is_no_certificate_is_left_as_it_is_and_none_is_none() -> None:
    short = ScriptedTpm([_described(2), response(buffer(b"\1\2"))])

    assert endorsement_certificate(TpmDevice(short)) == b"\1\2"
    assert endorsement_certificate(TpmDevice(ScriptedTpm([_REFUSED]))) is None


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_keys_on_curves_are_written_so_that_they_are_read(curve: ec.EllipticCurve) -> None:
    key = ec.generate_private_key(curve).public_key()

    assert read_jwk(public_jwk(key), "key") == key
