from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from assay.errors import UntrustedEvidenceError
from assay.simulator.pck_extension import (
    PckExtension,
    PlatformConfiguration,
    boolean,
    entry,
    integer,
    octet_string,
    sequence,
)
from assay.x509 import SgxExtensions, read_sgx_extensions
from assay.x509.sgx_extensions import SGX_EXTENSIONS_OID
from tests.certificates import Keys
from tests.mutations import spliced
from tests.refusals import refusal_of

KEYS = Keys()
EXTENSION = PckExtension(
    ppid=bytes(range(16)),
    components=(1, 2, 3, 127, 128, 200, 255, *[0] * 9),
    pcesvn=65535,
    cpu_svn=bytes(range(100, 116)),
    pceid=b"\x01\x02",
    fmspc=bytes.fromhex("00606a000000"),
    sgx_type=1,
    platform_instance_id=bytes(range(16, 32)),
    configuration=PlatformConfiguration(dynamic_platform=True, cached_keys=False, smt_enabled=True),
)
PROCESSOR = replace(EXTENSION, platform_instance_id=None, configuration=None, sgx_type=0)


def certificate(*extensions: bytes) -> x509.Certificate:
    values = tuple(
        (x509.UnrecognizedExtension(SGX_EXTENSIONS_OID, value), False) for value in extensions
    )
    return replace(KEYS.leaf_recipe, extensions=values).sign(KEYS.ca)


def read(value: bytes) -> SgxExtensions:
    return read_sgx_extensions(certificate(value), check="test.chain")


def refused(value: bytes) -> bool:
    return refusal_of(lambda: read(value)) == ("test.chain.pck_ext",)


def test_every_entry_of_a_platform_ca_s_certificate_is_read() -> None:
    assert read(EXTENSION.encode()) == SgxExtensions(
        ppid=EXTENSION.ppid,
        components=bytes(EXTENSION.components),
        pcesvn=65535,
        cpu_svn=EXTENSION.cpu_svn,
        pceid=EXTENSION.pceid,
        fmspc=EXTENSION.fmspc,
        sgx_type=1,
        platform_instance_id=EXTENSION.platform_instance_id,
        dynamic_platform=True,
        cached_keys=False,
        smt_enabled=True,
    )


def test_a_processor_ca_s_certificate_has_no_instance_and_no_configuration() -> None:
    extensions = read(PROCESSOR.encode())

    assert extensions.sgx_type == 0
    assert extensions.platform_instance_id is None
    assert extensions.dynamic_platform is None
    assert extensions.cached_keys is None
    assert extensions.smt_enabled is None


def test_a_configuration_may_leave_flags_out() -> None:
    value = sequence(*PROCESSOR.entries(), entry("7", sequence(entry("7.2", boolean(flag=True)))))

    extensions = read(value)

    assert (extensions.dynamic_platform, extensions.cached_keys) == (None, True)


def test_entries_may_come_in_any_order() -> None:
    assert read(sequence(*reversed(EXTENSION.entries()))) == read(EXTENSION.encode())


def test_a_certificate_without_the_extension_is_refused() -> None:
    bare = certificate()

    assert refusal_of(lambda: read_sgx_extensions(bare, check="test.chain")) == (
        "test.chain.pck_ext",
    )


@pytest.mark.parametrize("index", range(5), ids=["ppid", "tcb", "pceid", "fmspc", "type"])
def test_a_missing_entry_is_refused(index: int) -> None:
    entries = list(EXTENSION.entries())
    del entries[index]

    assert refused(sequence(*entries))


@pytest.mark.parametrize("index", range(7))
def test_a_repeated_entry_is_refused(index: int) -> None:
    entries = EXTENSION.entries()

    assert refused(sequence(*entries, entries[index]))


def tcb(entries: Iterable[bytes]) -> bytes:
    first, _, *rest = EXTENSION.entries()
    return sequence(first, entry("2", sequence(*entries)), *rest)


def component(number: int, value: bytes) -> bytes:
    return entry(f"2.{number}", value)


COMPONENTS = [component(number, integer(number)) for number in range(1, 18)]
CPU_SVN = component(18, octet_string(bytes(16)))


def test_a_tcb_of_chosen_entries_is_read() -> None:
    extensions = read(tcb([*COMPONENTS, CPU_SVN]))

    assert extensions.components == bytes(range(1, 17))
    assert extensions.pcesvn == 17


@pytest.mark.parametrize(
    "entries",
    [
        [],
        [*COMPONENTS[1:], CPU_SVN],
        [*COMPONENTS[:15], COMPONENTS[16], CPU_SVN],
        COMPONENTS,
        [*COMPONENTS, CPU_SVN, COMPONENTS[0]],
        [*COMPONENTS, CPU_SVN, component(19, integer(1))],
        [*COMPONENTS, CPU_SVN, component(0, integer(1))],
        [*COMPONENTS, CPU_SVN, entry("3.1", integer(1))],
        [*COMPONENTS, CPU_SVN, entry("2.1.1", integer(1))],
    ],
    ids=[
        "empty",
        "no component 1",
        "no component 16",
        "no CPUSVN",
        "component 1 twice",
        "component 19",
        "component 0",
        "another parent",
        "a grandchild",
    ],
)
def test_a_tcb_of_other_entries_is_refused(entries: list[bytes]) -> None:
    assert refused(tcb(entries))


@pytest.mark.parametrize("number", [1, 16])
@pytest.mark.parametrize(
    "value",
    [
        integer(256),
        integer(-1),
        b"\x02\x01\x80",
        b"\x02\x02\x00\x01",
        b"\x02\x00",
        b"\x02\x82\x10\x00" + b"\x7f" * 4096,
        octet_string(b"\x01"),
        b"\x0a\x01\x01",
    ],
    ids=["256", "-1", "-128", "not minimal", "empty", "32768 bits", "octets", "enumerated"],
)
def test_a_component_that_is_not_a_number_of_one_byte_is_refused(number: int, value: bytes) -> None:
    entries = [*COMPONENTS, CPU_SVN]
    entries[number - 1] = component(number, value)

    assert refused(tcb(entries))


def test_a_huge_number_does_not_become_a_huge_finding() -> None:
    entries = [component(1, integer(1 << 8000)), *COMPONENTS[1:], CPU_SVN]

    with pytest.raises(UntrustedEvidenceError) as caught:
        read(tcb(entries))

    assert len(caught.value.findings[0].actual) < 200


@pytest.mark.parametrize("pcesvn", [65536, -1])
def test_a_pcesvn_beyond_two_bytes_is_refused(pcesvn: int) -> None:
    assert refused(replace(EXTENSION, pcesvn=pcesvn).encode())


@pytest.mark.parametrize(
    ("field", "size"),
    [("ppid", 16), ("cpu_svn", 16), ("pceid", 2), ("fmspc", 6), ("platform_instance_id", 16)],
)
@pytest.mark.parametrize("change", [-1, 1])
def test_octets_of_another_size_are_refused(field: str, size: int, change: int) -> None:
    changes: dict[str, Any] = {field: bytes(size + change)}

    assert refused(replace(EXTENSION, **changes).encode())


def with_entry(index: int, new: bytes) -> bytes:
    entries = list(EXTENSION.entries())
    entries[index] = new
    return sequence(*entries)


@pytest.mark.parametrize(
    "value",
    [
        with_entry(0, entry("1", sequence(bytes(16)))),
        with_entry(0, entry("1", b"\x24\x12" + octet_string(bytes(16)))),
        with_entry(1, entry("2", octet_string(b""))),
        with_entry(1, entry("2", b"\x31\x00")),
        with_entry(4, entry("5", integer(1))),
        with_entry(4, entry("5", b"\x0a\x02\x00\x01")),
        with_entry(4, entry("5", b"\x0a\x00")),
        with_entry(6, entry("7", octet_string(b""))),
        with_entry(6, entry("7", sequence(entry("7.1", integer(1))))),
        with_entry(6, entry("7", sequence(entry("7.1", b"\x01\x01\x01")))),
        with_entry(6, entry("7", sequence(entry("7.1", b"\x01\x00")))),
        with_entry(6, entry("7", sequence(entry("7.4", boolean(flag=True))))),
        with_entry(6, entry("8", integer(1))),
    ],
    ids=[
        "PPID as a SEQUENCE",
        "PPID in pieces",
        "TCB as octets",
        "TCB as a SET",
        "type as INTEGER",
        "type of two bytes",
        "type of no byte",
        "configuration as octets",
        "flag as INTEGER",
        "flag neither ff nor 00",
        "flag of no byte",
        "unknown flag",
        "unknown entry",
    ],
)
def test_an_entry_of_another_type_is_refused(value: bytes) -> None:
    assert refused(value)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        sequence(),
        EXTENSION.encode() + b"\0",
        EXTENSION.encode()[:-1],
        octet_string(EXTENSION.encode()),
        b"\x30\x80" + b"".join(EXTENSION.entries()) + b"\0\0",
        b"\x30\x84\xff\xff\xff\xff",
        sequence(sequence(), *EXTENSION.entries()),
        with_entry(0, sequence(entry("1", octet_string(bytes(16))))),
        with_entry(0, entry("1", octet_string(bytes(16)) + b"\x05\x00")),
    ],
    ids=[
        "nothing",
        "no entries",
        "trailing byte",
        "cut",
        "wrapped",
        "indefinite length",
        "4 GiB",
        "empty entry",
        "entry in an entry",
        "entry of three",
    ],
)
def test_other_bytes_than_the_profile_s_are_refused(value: bytes) -> None:
    assert refused(value)


def test_the_extension_has_to_be_there_once() -> None:
    with pytest.raises(ValueError, match="already been set"):
        certificate(EXTENSION.encode(), EXTENSION.encode())


values: dict[str, st.SearchStrategy[Any]] = {
    "ppid": st.binary(min_size=16, max_size=16),
    "components": st.tuples(*[st.integers(0, 255)] * 16),
    "pcesvn": st.integers(0, 65535),
    "cpu_svn": st.binary(min_size=16, max_size=16),
    "pceid": st.binary(min_size=2, max_size=2),
    "fmspc": st.binary(min_size=6, max_size=6),
    "sgx_type": st.integers(0, 2),
}


@pytest.mark.property
@given(st.builds(PckExtension, **values))
def test_what_was_written_is_read(extension: PckExtension) -> None:
    found = read(extension.encode())

    for name in values:
        expected = getattr(extension, name)
        assert getattr(found, name) == (bytes(expected) if name == "components" else expected)


@pytest.mark.property
@given(st.one_of(st.binary(max_size=400), spliced(EXTENSION.encode())))
def test_any_bytes_are_extensions_or_a_finding(value: bytes) -> None:
    with contextlib.suppress(UntrustedEvidenceError):
        read(value)
