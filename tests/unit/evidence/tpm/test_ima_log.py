from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.errors import MalformedEvidenceError
from assay.evidence.tpm.algorithms import HashAlgorithm
from assay.evidence.tpm.ima_log import MAX_LOG_BYTES, MAX_RECORDS, parse_ima_log
from assay.simulator.linux_boot import file_measurement, kernel_measurements
from assay.simulator.measured_boot import KernelMeasurement

FILE = file_measurement("/usr/bin/init", b"a program")


def refused(data: bytes) -> str:
    with pytest.raises(MalformedEvidenceError) as caught:
        parse_ima_log(data)
    assert [finding.check for finding in caught.value.findings] == ["tpm.ima_log.format"]
    return str(caught.value)


def test_a_log_has_its_records() -> None:
    data = b"".join(one.encode() for one in kernel_measurements())

    records = parse_ima_log(data).records

    assert [one.template for one in records] == ["ima-ng", "ima-ng", "ima-buf"]
    assert b"".join(one.raw for one in records) == data
    assert [one.data for one in records] == [one.data for one in kernel_measurements()]


def test_no_bytes_are_no_records() -> None:
    assert parse_ima_log(b"").records == ()


def test_each_bank_is_extended_with_its_own_hash() -> None:
    (record,) = parse_ima_log(FILE.encode()).records

    for bank in HashAlgorithm:
        assert record.digest(bank) == bank.digest(FILE.data)


def test_a_violation_extends_all_bits() -> None:
    (record,) = parse_ima_log(replace(FILE, is_violation=True).encode()).records

    assert record.is_violation
    assert record.digest(HashAlgorithm.SHA256) == b"\xff" * 32


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (FILE.encode()[:-1], "bytes"),
        (FILE.encode() + b"\0", "4 bytes"),
        (b"\x0b" + FILE.encode()[1:], "10 for"),
        (FILE.encode()[:-1] + b"\1", "SHA-1 of the data"),
        (KernelMeasurement(template="x" * 65, fields=()).encode(), "at most 64"),
        (KernelMeasurement(template="\xff", fields=()).encode(), "ASCII"),
        (KernelMeasurement(template="ima", fields=()).encode(), "ima-ng or later"),
        (KernelMeasurement(template="x", fields=(bytes(65_536),)).encode(), "at most 65536"),
        (bytes(MAX_LOG_BYTES + 1), "at most"),
    ],
    ids=["cut", "tail", "pcr", "edited", "name", "text", "old", "data", "large"],
)
def test_a_log_that_does_not_follow_its_format_is_refused(data: bytes, said: str) -> None:
    assert said in refused(data)


def test_records_have_a_limit() -> None:
    small = KernelMeasurement(template="x", fields=()).encode()

    assert len(parse_ima_log(small * MAX_RECORDS).records) == MAX_RECORDS
    assert "at most 20000" in refused(small * (MAX_RECORDS + 1))


@pytest.mark.property
@given(st.binary(max_size=300))
def test_any_bytes_are_a_log_or_refused(data: bytes) -> None:
    with contextlib.suppress(MalformedEvidenceError):
        assert parse_ima_log(data) is not None
