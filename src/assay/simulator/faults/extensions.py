"""Faults of the SGX extension in the PCK certificate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from assay.simulator import pck_extension as der
from assay.simulator.faults.attempt import Attempt, Fault, with_platform
from assay.simulator.faults.certificates import with_extension, with_pck
from assay.simulator.sgx import SimulatedPlatform, pck_certificate_profile, pck_extension

_PCK_EXT: Final = "dcap.pck_chain.pck_ext"

_Apply = Callable[[SimulatedPlatform], Attempt]


def _bare(platform: SimulatedPlatform) -> SimulatedPlatform:
    profile = pck_certificate_profile(platform.settings, platform.pck.key)
    return with_pck(platform, replace(profile, extensions=()))


def _extension(encode: Callable[[SimulatedPlatform], bytes]) -> _Apply:
    return with_platform(lambda platform: with_extension(platform, encode(platform)))


def _extension_fields(**changes: Any) -> _Apply:  # noqa: ANN401  fields of PckExtension
    def encode(platform: SimulatedPlatform) -> bytes:
        changed: der.PckExtension = replace(pck_extension(platform.settings), **changes)
        return changed.encode()

    return _extension(encode)


def _entries(edit: Callable[[list[bytes]], list[bytes]]) -> _Apply:
    return _extension(
        lambda platform: der.sequence(*edit(list(pck_extension(platform.settings).entries())))
    )


def _component(value: int) -> _Apply:
    """The first component SVN out of range."""

    def encode(platform: SimulatedPlatform) -> bytes:
        extension = pck_extension(platform.settings)
        return replace(extension, components=(value, *extension.components[1:])).encode()

    return _extension(encode)


EXTENSION_FAULTS: Final = (
    Fault("extension-missing", "no SGX extension", _PCK_EXT, with_platform(_bare)),
    Fault("extension-empty", "an SGX extension without entries", _PCK_EXT, _entries(lambda _: [])),
    Fault(
        "extension-garbage", "bytes that are no DER", _PCK_EXT, _extension(lambda _: b"\xff" * 8)
    ),
    Fault(
        "extension-trailing",
        "a byte after the SEQUENCE",
        _PCK_EXT,
        _extension(lambda platform: pck_extension(platform.settings).encode() + b"\0"),
    ),
    Fault(
        "extension-entry-missing",
        "no FMSPC",
        _PCK_EXT,
        _entries(lambda entries: entries[:3] + entries[4:]),
    ),
    Fault(
        "extension-entry-twice",
        "two FMSPCs",
        _PCK_EXT,
        _entries(lambda entries: [*entries, entries[3]]),
    ),
    Fault(
        "extension-entry-unknown",
        "an entry that does not exist",
        _PCK_EXT,
        _entries(lambda entries: [*entries, der.entry("9", der.octet_string(b""))]),
    ),
    Fault(
        "extension-entry-tag",
        "an FMSPC that is an INTEGER",
        _PCK_EXT,
        _entries(lambda entries: [*entries[:3], der.entry("4", der.integer(7)), *entries[4:]]),
    ),
    Fault(
        "extension-entry-trailing",
        "a third member in an entry",
        _PCK_EXT,
        _entries(
            lambda entries: [
                *entries[:3],
                der.entry("4", der.octet_string(bytes(6)) + der.integer(7)),
                *entries[4:],
            ]
        ),
    ),
    Fault("extension-ppid-size", "a PPID of 15 bytes", _PCK_EXT, _extension_fields(ppid=bytes(15))),
    Fault(
        "extension-fmspc-size", "an FMSPC of 5 bytes", _PCK_EXT, _extension_fields(fmspc=bytes(5))
    ),
    Fault(
        "extension-pceid-size", "a PCEID of 3 bytes", _PCK_EXT, _extension_fields(pceid=bytes(3))
    ),
    Fault(
        "extension-cpu-svn-size",
        "a CPUSVN of 15 bytes",
        _PCK_EXT,
        _extension_fields(cpu_svn=bytes(15)),
    ),
    Fault("extension-svn-negative", "a negative component SVN", _PCK_EXT, _component(-128)),
    Fault("extension-svn-256", "a component SVN above a byte", _PCK_EXT, _component(256)),
    Fault(
        "extension-pcesvn-65536",
        "a PCESVN above two bytes",
        _PCK_EXT,
        _extension_fields(pcesvn=65536),
    ),
    Fault(
        "extension-15-components",
        "a component missing",
        _PCK_EXT,
        _extension_fields(components=(1,) * 15),
    ),
    Fault(
        "extension-instance-id-size",
        "a platform instance id of 8 bytes",
        _PCK_EXT,
        _extension_fields(platform_instance_id=bytes(8)),
    ),
)
