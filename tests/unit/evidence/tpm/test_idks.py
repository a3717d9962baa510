from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from assay.errors import MalformedEvidenceError, UntrustedEvidenceError
from assay.evidence.tpm.idks import read_idks
from assay.evidence.tpm.sipa import SipaId
from assay.simulator.measured_boot import Event
from assay.simulator.uefi_boot import separator
from assay.simulator.windows_boot import (
    CLOSED,
    WindowsState,
    boundary,
    key_payload,
    sipa,
    windows_boot,
)
from tests.logs import booted, verified

KEY, OTHER = (
    rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key() for _ in range(2)
)


def measured_key(pcr: int, key: rsa.RSAPublicKey, record: SipaId = SipaId.VSM_IDKS_INFO) -> Event:
    return boundary(pcr, sipa(record, key_payload(key)))


def test_the_key_of_the_secure_kernel_is_in_the_log() -> None:
    log = verified(windows_boot(WindowsState(identity_key=KEY)))

    assert read_idks(log).public_numbers() == KEY.public_numbers()


def test_the_same_key_may_be_there_twice() -> None:
    log = booted(measured_key(12, KEY), measured_key(19, KEY), separator(12, CLOSED))

    assert read_idks(log).public_numbers() == KEY.public_numbers()


@pytest.mark.parametrize("exponent", [0, 1, 65536])
def test_a_key_that_nobody_can_use_is_refused(exponent: int) -> None:
    payload = key_payload(KEY).replace((65537).to_bytes(3, "big"), exponent.to_bytes(3, "big"), 1)
    event = boundary(12, sipa(SipaId.VSM_IDKS_INFO, payload))

    with pytest.raises(MalformedEvidenceError) as caught:
        read_idks(booted(event, separator(12, CLOSED)))

    assert [finding.check for finding in caught.value.findings] == ["tpm.idks.measured_key"]


@pytest.mark.parametrize(
    "events",
    [
        (),
        (measured_key(12, KEY), measured_key(12, OTHER)),
        (measured_key(12, KEY), measured_key(20, OTHER)),
        (measured_key(12, KEY, SipaId.VSM_IDK_INFO),),
        (measured_key(13, KEY),),
    ],
    ids=["none", "two", "two of two launches", "the key for encryption", "another register"],
)
def test_no_key_and_several_are_refused(events: tuple[Event, ...]) -> None:
    log = booted(*events, separator(12, CLOSED), separator(13, CLOSED))

    with pytest.raises(UntrustedEvidenceError) as caught:
        read_idks(log)

    assert [finding.check for finding in caught.value.findings] == ["tpm.idks.measured_key"]
