from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from assay.encoding import encode_base64url
from assay.errors import MalformedEvidenceError
from assay.evidence.tpm.algorithms import HashAlgorithm
from assay.evidence.tpm.ima_entry import read_ima_entry
from assay.evidence.tpm.ima_log import parse_ima_log
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


def test_a_signed_file_has_its_signature() -> None:
    signed = KernelMeasurement(template="ima-sig", fields=(*FILE.fields, b"\3\2sig"))

    assert members(signed)["Signature"] == encode_base64url(b"\3\2sig")


def test_an_appended_signature_is_read_over() -> None:
    signed = KernelMeasurement(template="ima-modsig", fields=(*FILE.fields, b"", b"", b""))

    assert members(signed)["FilePath"] == "/usr/bin/init"


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


@pytest.mark.parametrize(
    "measurement",
    [
        replace(FILE, is_violation=True),
        KernelMeasurement(template="d-ng|n-ng", fields=(b"any", b"thing")),
    ],
    ids=["violation", "template of the machine's own"],
)
def test_what_cannot_be_told_has_its_template_alone(measurement: KernelMeasurement) -> None:
    assert members(measurement) == {"Template": measurement.template}


@pytest.mark.parametrize(
    "measurement",
    [
        KernelMeasurement(template="ima-ng", fields=(sha256_field(b""),)),
        KernelMeasurement(template="ima-ng", fields=(*FILE.fields, b"more")),
        KernelMeasurement(template="ima-ng", fields=(b"no algorithm", b"/a\0")),
        KernelMeasurement(template="ima-ng", fields=(b"\xff:\0digest", b"/a\0")),
        KernelMeasurement(template="ima-ng", fields=(sha256_field(b""), b"\xff\0")),
        KernelMeasurement(template="ima-sig", fields=(*FILE.fields, b"", b"more")),
        KernelMeasurement(template="ima-buf", fields=(*FILE.fields, b"another file")),
        KernelMeasurement(template="ima-buf", fields=(*FILE.fields, b"a program", b"more")),
        buffer_measurement("kernel_version", b"\xff"),
        buffer_measurement("kernel_version", b"\3\2a signature"),
    ],
    ids=[
        *("no path", "too much", "no algorithm", "no text", "no path in text", "two signatures"),
        *("a file in place of a buffer", "two buffers", "no version", "a signature"),
    ],
)
def test_data_that_does_not_follow_its_template_is_refused(
    measurement: KernelMeasurement,
) -> None:
    with pytest.raises(MalformedEvidenceError) as caught:
        members(measurement)

    assert caught.value.findings[0].check == "tpm.ima_log.format"
