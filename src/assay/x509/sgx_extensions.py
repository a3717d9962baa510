"""The SGX extensions of a PCK certificate: which platform it is, and at which TCB.

Source: Intel SGX PCK Certificate and CRL Profile Specification, section 1.3.5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.x509 import ObjectIdentifier

from assay.errors import Finding, UntrustedEvidenceError

_SGX: Final = "1.2.840.113741.1.13.1"
SGX_EXTENSIONS_OID: Final = ObjectIdentifier(_SGX)
COMPONENT_COUNT: Final = 16

_ENUMERATED = b"\x0a"
_BOOLEANS = {b"\xff": True, b"\x00": False}
_MAX_SVN = 255
_MAX_PCESVN = 65535
_SHORT_FORM_MAX = 0x7F
_TCB, _PLATFORM_INSTANCE_ID, _CONFIGURATION = 2, 6, 7


@dataclass(frozen=True, slots=True, kw_only=True)
class SgxExtensions:
    """What a PCK certificate says of its platform."""

    ppid: bytes
    """Platform provisioning identifier, 16 bytes."""

    components: bytes
    """The 16 TCB component SVNs, one byte each."""

    pcesvn: int
    cpu_svn: bytes
    """16 bytes, opaque: compare `components` instead."""

    pceid: bytes
    """2 bytes."""

    fmspc: bytes
    """6 bytes."""

    sgx_type: int
    """0 standard, 1 scalable, 2 scalable with integrity."""

    platform_instance_id: bytes | None = None
    """16 bytes; Platform CA only."""

    dynamic_platform: bool | None = None
    cached_keys: bool | None = None
    smt_enabled: bool | None = None


@asn1.sequence
class _Entry:
    oid: ObjectIdentifier
    value: asn1.TLV


@asn1.sequence
class _Entries:
    entries: list[_Entry]


def read_sgx_extensions(certificate: x509.Certificate, *, check: str) -> SgxExtensions:
    """Read the extension of a certificate.

    Args:
        certificate: The PCK certificate.
        check: `<format>.<object>`: the start of the finding's code.

    Raises:
        UntrustedEvidenceError: It is absent, or not exactly of its profile (`pck_ext`).
    """
    try:
        extension = certificate.extensions.get_extension_for_oid(SGX_EXTENSIONS_OID).value
        assert isinstance(extension, x509.UnrecognizedExtension)  # noqa: S101  not a known OID
        return _read(extension.value)
    except (x509.ExtensionNotFound, ValueError) as error:
        raise UntrustedEvidenceError(
            "the PCK certificate's SGX extensions do not follow their profile",
            findings=[
                Finding(
                    check=f"{check}.pck_ext",
                    expected="the SGX extensions of the PCK certificate profile",
                    actual=str(error),
                )
            ],
        ) from error


def _read(der: bytes) -> SgxExtensions:
    fields = _entries(der, _SGX, required=range(1, 6), optional=range(6, 8))
    tcb = _nested(fields[_TCB], f"{_SGX}.{_TCB}", required=range(1, 19))
    configuration = (
        _nested(fields[_CONFIGURATION], f"{_SGX}.{_CONFIGURATION}", optional=range(1, 4))
        if _CONFIGURATION in fields
        else {}
    )
    return SgxExtensions(
        ppid=_octets(fields[1], 16, "PPID"),
        components=bytes(
            _integer(tcb[index], _MAX_SVN, f"TCB component {index}")
            for index in range(1, COMPONENT_COUNT + 1)
        ),
        pcesvn=_integer(tcb[17], _MAX_PCESVN, "PCESVN"),
        cpu_svn=_octets(tcb[18], 16, "CPUSVN"),
        pceid=_octets(fields[3], 2, "PCE-ID"),
        fmspc=_octets(fields[4], 6, "FMSPC"),
        sgx_type=_enumerated(fields[5], "SGX type"),
        platform_instance_id=(
            _octets(fields[_PLATFORM_INSTANCE_ID], 16, "platform instance id")
            if _PLATFORM_INSTANCE_ID in fields
            else None
        ),
        dynamic_platform=_boolean(configuration.get(1), "dynamic platform"),
        cached_keys=_boolean(configuration.get(2), "cached keys"),
        smt_enabled=_boolean(configuration.get(3), "SMT enabled"),
    )


def _entries(
    der: bytes, prefix: str, *, required: range = range(0), optional: range = range(0)
) -> Mapping[int, asn1.TLV]:
    """SEQUENCE OF SEQUENCE { OID, value } by the last arc of the OID; any order, no repeats."""
    found: dict[int, asn1.TLV] = {}
    for entry in asn1.decode_der(_Entries, _sequence(der)).entries:
        parent, _, arc = entry.oid.dotted_string.rpartition(".")
        number = int(arc)
        if parent != prefix or not (number in required or number in optional):
            raise ValueError(f"unknown entry {entry.oid.dotted_string}")
        if number in found:
            raise ValueError(f"entry {entry.oid.dotted_string} twice")
        found[number] = entry.value
    for number in required:
        if number not in found:
            raise ValueError(f"no entry {prefix}.{number}")
    return found


def _nested(
    value: asn1.TLV, prefix: str, *, required: range = range(0), optional: range = range(0)
) -> Mapping[int, asn1.TLV]:
    if value.tag_bytes != b"\x30":
        raise ValueError(f"{prefix} is not a SEQUENCE")
    return _entries(_sequence(bytes(value.data)), prefix, required=required, optional=optional)


def _sequence(content: bytes) -> bytes:
    """`content` as a DER SEQUENCE: `asn1` decodes named types only, never a bare SEQUENCE OF."""
    size = len(content)
    if size <= _SHORT_FORM_MAX:
        return bytes((0x30, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((0x30, 0x80 | len(length))) + length + content


def _octets(value: asn1.TLV, size: int, name: str) -> bytes:
    data: bytes = value.parse(bytes)
    if len(data) != size:
        raise ValueError(f"{name} of {len(data)} bytes, not {size}")
    return data


def _integer(value: asn1.TLV, maximum: int, name: str) -> int:
    number: int = value.parse(int)
    if not 0 <= number <= maximum:
        raise ValueError(f"{name} outside 0 to {maximum}")
    return number


def _enumerated(value: asn1.TLV, name: str) -> int:
    data = bytes(value.data)
    if value.tag_bytes != _ENUMERATED or len(data) != 1:
        raise ValueError(f"{name} is not an ENUMERATED of one byte")
    return data[0]


def _boolean(value: asn1.TLV | None, name: str) -> bool | None:
    if value is None:
        return None
    data = bytes(value.data)
    if value.tag_bytes != b"\x01" or data not in _BOOLEANS:
        raise ValueError(f"{name} is not a BOOLEAN")
    return _BOOLEANS[data]
