"""The SGX extension of a PCK certificate, written as Intel's certificate authorities write it.

Every entry can be chosen, so that a certificate can also be wrong in one of them.

Source: Intel SGX PCK Certificate and Certificate Revocation List Profile Specification,
section 1.3.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.hazmat import asn1

OID_SGX_EXTENSION: Final = x509.ObjectIdentifier("1.2.840.113741.1.13.1")

_BOOLEAN: Final = 0x01
_INTEGER: Final = 0x02
_OCTET_STRING: Final = 0x04
_ENUMERATED: Final = 0x0A
_SEQUENCE: Final = 0x30

_SHORT_LENGTH: Final = 0x80
"""Lengths below it take one byte; from it on, the first byte counts the bytes of the length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformConfiguration:
    """What the Platform CA says of a multi-package machine."""

    dynamic_platform: bool = True
    cached_keys: bool = True
    smt_enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PckExtension:
    """The values of the SGX extension."""

    ppid: bytes
    components: tuple[int, ...]
    """The 16 component SVNs, 0 to 255 each."""

    pcesvn: int
    cpu_svn: bytes
    pceid: bytes
    fmspc: bytes
    sgx_type: int
    """0 standard, 1 scalable, 2 scalable with integrity."""

    platform_instance_id: bytes | None = None
    """Only in certificates of the Platform CA."""

    configuration: PlatformConfiguration | None = None
    """Only in certificates of the Platform CA."""

    def entries(self) -> tuple[bytes, ...]:
        """The DER of each entry, in the order that Intel uses."""
        entries = [
            entry("1", octet_string(self.ppid)),
            entry("2", sequence(*self._tcb())),
            entry("3", octet_string(self.pceid)),
            entry("4", octet_string(self.fmspc)),
            entry("5", _value(_ENUMERATED, bytes([self.sgx_type]))),
        ]
        if self.platform_instance_id is not None:
            entries.append(entry("6", octet_string(self.platform_instance_id)))
        if self.configuration is not None:
            flags = self.configuration
            entries.append(
                entry(
                    "7",
                    sequence(
                        entry("7.1", boolean(flag=flags.dynamic_platform)),
                        entry("7.2", boolean(flag=flags.cached_keys)),
                        entry("7.3", boolean(flag=flags.smt_enabled)),
                    ),
                )
            )
        return tuple(entries)

    def encode(self) -> bytes:
        """The DER of the whole extension value."""
        return sequence(*self.entries())

    def _tcb(self) -> tuple[bytes, ...]:
        return (
            *(
                entry(f"2.{number}", integer(svn))
                for number, svn in enumerate(self.components, start=1)
            ),
            entry("2.17", integer(self.pcesvn)),
            entry("2.18", octet_string(self.cpu_svn)),
        )


def entry(suffix: str, value: bytes) -> bytes:
    """A SEQUENCE of the object identifier below the extension's own, and `value`."""
    oid = x509.ObjectIdentifier(f"{OID_SGX_EXTENSION.dotted_string}.{suffix}")
    return sequence(asn1.encode_der(oid), value)


def sequence(*members: bytes) -> bytes:
    """A SEQUENCE of encoded members."""
    return _value(_SEQUENCE, b"".join(members))


def octet_string(data: bytes) -> bytes:
    """An OCTET STRING."""
    return _value(_OCTET_STRING, data)


def boolean(*, flag: bool) -> bytes:
    """A BOOLEAN."""
    return _value(_BOOLEAN, b"\xff" if flag else b"\0")


def integer(number: int) -> bytes:
    """An INTEGER of the fewest bytes that keep its sign."""
    magnitude = ~number if number < 0 else number
    return _value(_INTEGER, number.to_bytes(magnitude.bit_length() // 8 + 1, "big", signed=True))


def _value(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < _SHORT_LENGTH:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, _SHORT_LENGTH | len(length)]) + length + content
