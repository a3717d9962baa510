"""Reports of VBS enclaves: what the secure kernel says of an enclave in its memory.

Source: Windows SDK, ntenclv.h: VBS_ENCLAVE_REPORT_PKG_HEADER, VBS_ENCLAVE_REPORT, ENCLAVE_IDENTITY.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from assay.wire import Layout, Reader, octets, uint, zeros

ENCLAVE_FORMAT: Final = "tpm.enclave_report.format"

_MAX_SIZE: Final = 64 * 1024
_PSS_SHA256: Final = 1
_VERSION: Final = 1
_MODULE: Final = 1
_DATA_HEAD_SIZE: Final = 8
_MAX_MODULES: Final = 64

_PACKAGE: Final = Layout(
    "package",
    uint("package_size", 4),
    uint("version", 4),
    uint("signature_scheme", 4),
    uint("signed_size", 4),
    uint("signature_size", 4),
    zeros("reserved", 4),
)
_REPORT: Final = Layout(
    "report",
    uint("report_size", 4),
    uint("report_version", 4),
    octets("enclave_data", 64),
    octets("owner_id", 32),
    octets("unique_id", 32),
    octets("author_id", 32),
    octets("family_id", 16),
    octets("image_id", 16),
    uint("enclave_svn", 4),
    uint("secure_kernel_svn", 4),
    uint("platform_svn", 4),
    uint("flags", 4),
    uint("signing_level", 4),
    uint("enclave_type", 4),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnclaveReport:
    """A report, unverified."""

    enclave_data: bytes
    """64 bytes that the enclave chose."""

    owner_id: bytes
    unique_id: bytes
    author_id: bytes
    family_id: bytes
    image_id: bytes
    enclave_svn: int
    secure_kernel_svn: int
    platform_svn: int

    flags: int
    """1: full debugging, 2: dynamic debugging enabled, 4: active."""

    signed: bytes
    """What the signature covers: the report and what it says of modules."""

    signature: bytes
    """RSA-PSS with SHA-256."""


def parse_enclave_report(data: bytes) -> EnclaveReport:
    """Parse a report package.

    What it says of modules beyond the enclave's own is checked for its form and not read: no claim
    is made of it.

    Raises:
        MalformedEvidenceError: Not exactly one package of version 1, signed with RSA-PSS.
    """
    reader = Reader(data, "package", check=ENCLAVE_FORMAT)
    if len(data) > _MAX_SIZE:
        raise reader.malformed("size", f"at most {_MAX_SIZE} bytes", f"{len(data)}")
    size, version, scheme, signed_size, signature_size = reader.layout(_PACKAGE)
    if size != len(data):
        raise reader.malformed("package_size", f"{len(data)}", f"{size}")
    if (version, scheme) != (_VERSION, _PSS_SHA256):
        raise reader.malformed(
            "version", "version 1 with scheme 1 (RSA-PSS)", f"{version} with {scheme}"
        )
    signed = reader.octets(signed_size, "signed_statement")
    signature = reader.octets(signature_size, "signature")
    reader.end()
    return _read_statement(signed, signature)


def _read_statement(signed: bytes, signature: bytes) -> EnclaveReport:
    reader = Reader(signed, "enclave_report", check=ENCLAVE_FORMAT)
    (
        report_size,
        report_version,
        enclave_data,
        owner_id,
        unique_id,
        author_id,
        family_id,
        image_id,
        enclave_svn,
        secure_kernel_svn,
        platform_svn,
        flags,
        _signing_level,
        _enclave_type,
    ) = reader.layout(_REPORT)
    if (report_size, report_version) != (len(signed), _VERSION):
        raise reader.malformed(
            "report_size",
            f"{len(signed)} of version {_VERSION}",
            f"{report_size} of version {report_version}",
        )
    _read_modules(reader)
    return EnclaveReport(
        enclave_data=enclave_data,
        owner_id=owner_id,
        unique_id=unique_id,
        author_id=author_id,
        family_id=family_id,
        image_id=image_id,
        enclave_svn=enclave_svn,
        secure_kernel_svn=secure_kernel_svn,
        platform_svn=platform_svn,
        flags=flags,
        signed=signed,
        signature=signature,
    )


def _read_modules(reader: Reader) -> None:
    for _ in range(_MAX_MODULES):
        if not reader.remaining:
            return
        kind = reader.uint(4, "data_type")
        size = reader.uint(4, "data_size")
        if kind != _MODULE or size < _DATA_HEAD_SIZE:
            raise reader.malformed("data_type", "a module", f"type {kind} of {size} bytes")
        reader.octets(size - _DATA_HEAD_SIZE, "module")
    reader.end()
