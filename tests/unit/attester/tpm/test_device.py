from __future__ import annotations

import pytest

from assay.attester.errors import AttesterError
from assay.attester.tpm.command import CommandCode, TpmResponseError, decode_response
from assay.attester.tpm.device import Hierarchy, TpmDevice
from assay.attester.tpm.templates import aik_template
from assay.evidence.tpm.algorithms import HashAlgorithm
from assay.evidence.tpm.buffers import buffer
from tests.tpm import simulated_tpm
from tests.unit.attester.tpm.scripted import ScriptedTpm, pcr_values, primary, response

_BUSY = response(code=0x922)


def test_a_command_that_is_put_off_is_sent_again() -> None:
    tpm = ScriptedTpm([_BUSY, _BUSY, response()])

    TpmDevice(tpm).startup()

    assert tpm.commands == 3 * [bytes.fromhex("80010000000c000001440000")]


def test_a_tpm_that_puts_everything_off_is_given_up() -> None:
    with pytest.raises(AttesterError, match="busy"):
        TpmDevice(ScriptedTpm([_BUSY] * 8)).startup()


def test_other_errors_are_told_by_their_number() -> None:
    with pytest.raises(TpmResponseError) as refused:
        TpmDevice(ScriptedTpm([response(code=0x101)])).shutdown()

    assert refused.value.code == 0x101
    assert "SHUTDOWN" in str(refused.value)


@pytest.mark.parametrize("answer", [b"", b"\x80\1", response()[:-1], response() + b"\0"])
def test_what_is_no_response_is_refused(answer: bytes) -> None:
    with pytest.raises(AttesterError):
        decode_response(CommandCode.STARTUP, answer)


def test_a_key_is_flushed_whatever_happens() -> None:
    tpm = ScriptedTpm([primary(simulated_tpm().aik_public)])

    def use() -> None:
        with TpmDevice(tpm).primary(Hierarchy.ENDORSEMENT, aik_template()) as key:
            assert key.public.key == simulated_tpm().aik.public_key()
            raise KeyError

    with pytest.raises(KeyError):
        use()

    assert tpm.commands[-1] == bytes.fromhex("80010000000e0000016580000000")


def test_pcrs_are_read_eight_at_a_time() -> None:
    digests = [bytes([index]) * 32 for index in range(10)]
    tpm = ScriptedTpm([pcr_values(*digests[:8]), pcr_values(*digests[8:])])

    values = TpmDevice(tpm).read_pcrs(HashAlgorithm.SHA256, reversed(range(10)))

    assert values == dict(enumerate(digests))


def test_memory_is_read_in_parts() -> None:
    described = response(buffer(bytes(12) + (600).to_bytes(2, "big")))
    parts = [
        response(buffer(bytes([part]) * size), handle=b"") for part, size in enumerate((512, 88))
    ]

    data = TpmDevice(ScriptedTpm([described, *parts])).read_nv(0x01C00002)

    assert data == bytes(512) + b"\1" * 88
