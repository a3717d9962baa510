from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

from assay.encoding import encode_base64url
from assay.evidence.tpm.algorithms import HashAlgorithm
from assay.evidence.tpm.ima_entry import read_ima_entry
from assay.evidence.tpm.ima_log import ImaRecord, parse_ima_log
from assay.simulator import SimulatedPlatform
from assay.simulator.linux_boot import buffer_measurement, file_measurement, sha256_field
from assay.simulator.measured_boot import KernelMeasurement

SHA256 = HashAlgorithm.SHA256
FILE = file_measurement("/usr/bin/init", b"a program")


def members(measurement: KernelMeasurement) -> dict[str, Any]:
    (record,) = parse_ima_log(measurement.encode()).records
    return dict(read_ima_entry(record).members)


def hash_of(content: bytes) -> dict[str, str]:
    return {"Algorithm": "sha256", "Digest": encode_base64url(SHA256.digest(content))}


def test_a_file_has_its_path_and_hash() -> None:
    assert members(FILE) == {
        "Template": "ima-ng",
        "FileHash": hash_of(b"a program"),
        "FilePath": "/usr/bin/init",
    }


@pytest.mark.parametrize("more", [(b"\3\2sig",), (b"\6\1sig",), (b"\3\2sig", b"", b"")])
def test_a_signed_file_has_its_signature(more: tuple[bytes, ...]) -> None:
    signed = KernelMeasurement(template="ima-sig", fields=(*FILE.fields, *more))

    found = members(signed)

    assert found["FilePath"] == "/usr/bin/init"
    assert found["Signature"] == encode_base64url(more[0])


@pytest.mark.parametrize("more", [(b"",), (b"", b"", b"")])
def test_a_file_may_have_no_signature(more: tuple[bytes, ...]) -> None:
    found = members(KernelMeasurement(template="ima-sig", fields=(*FILE.fields, *more)))

    assert found["FilePath"] == "/usr/bin/init"
    assert "Signature" not in found


def test_the_version_of_a_kernel_is_text() -> None:
    found = members(buffer_measurement("kernel_version", b"6.8.0"))

    assert found["KernelVersion"] == "6.8.0"
    assert found["FileHash"] == hash_of(b"6.8.0")


def test_a_key_has_its_keyring_and_subject(platform: SimulatedPlatform) -> None:
    certificate = platform.root_certificate
    content = certificate.public_bytes(serialization.Encoding.DER)

    found = members(buffer_measurement(".builtin_trusted_keys", content))

    assert found["Keyring"] == ".builtin_trusted_keys"
    assert found["CertificateSubject"] == certificate.subject.rfc4514_string()


def test_other_data_has_its_name() -> None:
    found = members(buffer_measurement("selinux-state", b"enforcing=1;"))

    assert found["Name"] == "selinux-state"
    assert found["Buffer"] == encode_base64url(b"enforcing=1;")


@pytest.mark.parametrize("name", ["ima-ng", "ima-sig", "ima-buf", "a name of its own"])
@pytest.mark.parametrize(
    "measurement",
    [FILE, buffer_measurement("kernel_version", b"6.8.0"), buffer_measurement(".ima", b"a key")],
    ids=["file", "version", "key"],
)
def test_another_name_of_the_template_hides_nothing(
    measurement: KernelMeasurement, name: str
) -> None:
    renamed = members(replace(measurement, template=name))

    assert {**renamed, "Template": ""} == {**members(measurement), "Template": ""}


def test_a_signed_file_is_no_version_whatever_it_is_called() -> None:
    # Its content may well be its own signature, and so have the digest of a buffer.
    found = members(buffer_measurement("kernel_version", b"\3\2a signature"))

    assert found["FilePath"] == "kernel_version"
    assert "KernelVersion" not in found


@pytest.mark.parametrize(
    "measurement",
    [
        replace(FILE, is_violation=True),
        KernelMeasurement(template="ima-ng", fields=()),
        KernelMeasurement(template="ima-ng", fields=(sha256_field(b""),)),
        KernelMeasurement(template="evm-sig", fields=(*FILE.fields, b"", b"")),
        KernelMeasurement(template="evm-sig", fields=(*FILE.fields, *(b"",) * 9)),
        KernelMeasurement(template="ima-ng", fields=(b"\xff:\0digest", b"/a\0")),
        KernelMeasurement(template="ima-ng", fields=(sha256_field(b""), b"\xff\0")),
        KernelMeasurement(template="ima-buf", fields=(*FILE.fields, b"another file")),
        buffer_measurement("kernel_version", b"\xff"),
    ],
    ids=[
        *("violation", "no fields", "one field", "four fields", "many fields", "no text"),
        *("no path", "the digest of something else", "no version"),
    ],
)
def test_what_cannot_be_told_has_its_template_alone(measurement: KernelMeasurement) -> None:
    assert members(measurement) == {"Template": measurement.template}


@pytest.mark.property
@given(st.binary(max_size=100))
def test_any_data_is_read(data: bytes) -> None:
    record = ImaRecord("ima-ng", HashAlgorithm.SHA1.digest(data), data, data)

    assert read_ima_entry(record).members["Template"] == "ima-ng"
