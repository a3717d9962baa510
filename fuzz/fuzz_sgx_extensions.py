"""Any bytes are SGX extensions whose every number is in range, or a finding."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Final

import atheris
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

with atheris.instrument_imports(include=["assay"]):
    from assay.errors import UntrustedEvidenceError
    from assay.x509 import read_sgx_extensions

from assay.simulator.pck_extension import OID_SGX_EXTENSION
from assay.simulator.sgx import pck_extension
from fuzz.simulated import AT, PLATFORM

_EXTENSION: Final = pck_extension(PLATFORM.settings)
_KEY: Final = PLATFORM.pck.key
_BUILDER: Final = (
    x509.CertificateBuilder()
    .subject_name(PLATFORM.pck.certificate.subject)
    .issuer_name(PLATFORM.pck.certificate.issuer)
    .public_key(_KEY.public_key())
    .serial_number(1)
    .not_valid_before(AT)
    .not_valid_after(AT)
)

SEEDS: Final = (
    _EXTENSION.encode(),
    replace(_EXTENSION, platform_instance_id=None, configuration=None).encode(),
    replace(_EXTENSION, components=(255,) * 16, pcesvn=65535).encode(),
)


def test_one_input(data: bytes) -> None:
    value = x509.UnrecognizedExtension(OID_SGX_EXTENSION, data)
    certificate = _BUILDER.add_extension(value, critical=False).sign(_KEY, SHA256())
    try:
        found = read_sgx_extensions(certificate, check="dcap.pck_chain")
    except UntrustedEvidenceError as error:
        if [finding.check for finding in error.findings] != ["dcap.pck_chain.pck_ext"]:
            raise AssertionError("refused for another reason") from error
        return
    sizes = [len(found.ppid), len(found.components), len(found.cpu_svn)]
    if [*sizes, len(found.pceid), len(found.fmspc)] != [16, 16, 16, 2, 6]:
        raise AssertionError("a field of another size")
    if found.pcesvn not in range(65536):
        raise AssertionError("a PCESVN of another size")


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
