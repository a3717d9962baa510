from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from assay.simulator.pck_extension import (
    OID_SGX_EXTENSION,
    PckExtension,
    PlatformConfiguration,
    entry,
    integer,
    octet_string,
    sequence,
)
from assay.simulator.pki import generate_key
from assay.simulator.settings import PlatformSettings
from assay.simulator.sgx import SimulatedPlatform, pck_certificate_profile
from assay.x509 import SgxExtensions, read_sgx_extensions

EXTENSION: Final = PckExtension(
    ppid=bytes(range(16)),
    components=(14, 14, 3, 3, 255, 255, 1, *[0] * 9),
    pcesvn=11,
    cpu_svn=bytes(range(16)),
    pceid=bytes(2),
    fmspc=bytes.fromhex("00606a000000"),
    sgx_type=1,
    platform_instance_id=bytes(range(16)),
    configuration=PlatformConfiguration(),
)


def parsed(extension: PckExtension, settings: PlatformSettings) -> SgxExtensions:
    key = generate_key()
    profile = pck_certificate_profile(settings, key, extension.encode())
    return read_sgx_extensions(profile.sign(key.public_key(), key), check="dcap.pck_chain")


def test_every_value_can_be_read_back(platform: SimulatedPlatform) -> None:
    read = parsed(EXTENSION, platform.settings)

    assert read.ppid == EXTENSION.ppid
    assert tuple(read.components) == EXTENSION.components
    assert read.pcesvn == EXTENSION.pcesvn
    assert read.cpu_svn == EXTENSION.cpu_svn
    assert read.pceid == EXTENSION.pceid
    assert read.fmspc == EXTENSION.fmspc
    assert read.sgx_type == EXTENSION.sgx_type
    assert read.platform_instance_id == EXTENSION.platform_instance_id
    assert (read.dynamic_platform, read.cached_keys, read.smt_enabled) == (True, True, True)


def test_a_processor_ca_leaves_two_entries_out(platform: SimulatedPlatform) -> None:
    extension = replace(EXTENSION, platform_instance_id=None, configuration=None)

    read = parsed(extension, platform.settings)

    assert len(extension.entries()) == 5
    assert read.platform_instance_id is None
    assert read.dynamic_platform is None


def test_the_length_is_that_of_a_real_certificate() -> None:
    # The value in a Platform CA's certificate of an Ice Lake server: 30 82 02 28 and 552 bytes.
    encoded = EXTENSION.encode()

    assert encoded[:4] == bytes.fromhex("30820228")
    assert len(encoded) == 4 + 552


@pytest.mark.parametrize(
    ("number", "der"),
    [
        (0, "020100"),
        (1, "020101"),
        (127, "02017f"),
        (128, "02020080"),
        (255, "020200ff"),
        (256, "02020100"),
        (65535, "020300ffff"),
        (-1, "0201ff"),
        (-128, "020180"),
        (-129, "0202ff7f"),
    ],
)
def test_integers_keep_their_sign(number: int, der: str) -> None:
    assert integer(number).hex() == der


@given(st.binary(max_size=70_000))
def test_lengths_are_counted_in_as_few_bytes_as_der_wants(data: bytes) -> None:
    encoded = octet_string(data)

    header = len(encoded) - len(data)
    assert encoded[header:] == data
    assert header == 2 + (len(data) > 0x7F) + (len(data) > 0xFF) + (len(data) > 0xFFFF)


def test_entries_lie_below_the_extension_s_own_identifier() -> None:
    value = sequence(b"")

    encoded = entry("1", value)

    assert x509.ObjectIdentifier("1.2.840.113741.1.13.1") == OID_SGX_EXTENSION
    assert encoded == bytes.fromhex("300e060a2a864886f84d010d0101") + value
