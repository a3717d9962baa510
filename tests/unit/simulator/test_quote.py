from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from assay.evidence.sgx import parse_quote
from assay.simulator import SimulatedPlatform
from assay.simulator.quote import BodyDescriptor, EnclaveReport, QuoteHeader, binding

REPORT: Final = EnclaveReport(mr_enclave=b"e" * 32, mr_signer=b"s" * 32)


def verifies(key: ec.EllipticCurvePublicKey, signature: bytes, data: bytes) -> bool:
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    key.verify(encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA256()))
    return True


def test_every_field_stands_at_its_offset() -> None:
    report = EnclaveReport(
        cpu_svn=b"c" * 16,
        misc_select=0x01020304,
        isv_ext_prod_id=b"x" * 16,
        flags=0x1122334455667788,
        xfrm=0xE7,
        mr_enclave=b"e" * 32,
        mr_signer=b"s" * 32,
        config_id=b"i" * 64,
        isv_prod_id=0x0102,
        isv_svn=0x0304,
        config_svn=0x0506,
        isv_family_id=b"f" * 16,
        report_data=b"d" * 64,
    ).encode()

    assert len(report) == 384
    assert report[0:16] == b"c" * 16
    assert report[16:20] == bytes.fromhex("04030201")
    assert report[32:48] == b"x" * 16
    assert report[48:56] == bytes.fromhex("8877665544332211")
    assert report[56:64] == bytes.fromhex("e700000000000000")
    assert report[64:96] == b"e" * 32
    assert report[128:160] == b"s" * 32
    assert report[192:256] == b"i" * 64
    assert report[256:262] == bytes.fromhex("020104030605")
    assert report[304:320] == b"f" * 16
    assert report[320:384] == b"d" * 64
    for start, end in ((20, 32), (96, 128), (160, 192), (262, 304)):
        assert not any(report[start:end])


@pytest.mark.parametrize(
    "field",
    ["mr_enclave", "mr_signer", "cpu_svn", "isv_ext_prod_id", "config_id", "report_data"],
)
def test_a_field_of_another_size_is_refused(field: str) -> None:
    changes: dict[str, Any] = {field: b"short"}

    with pytest.raises(ValueError, match=field):
        replace(REPORT, **changes).encode()


def test_a_header_has_48_bytes_and_intel_s_vendor_id() -> None:
    header = QuoteHeader(version=3, qe_svn=8, pce_svn=13, qe_id=b"q" * 16).encode()

    assert header == (
        bytes.fromhex("0300020000000000")
        + bytes.fromhex("08000d00")
        + bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")
        + b"q" * 16
        + bytes(4)
    )


def test_a_descriptor_has_six_bytes() -> None:
    assert BodyDescriptor().encode() == bytes.fromhex("0100") + (384).to_bytes(4, "little")


@given(key=st.binary(min_size=64, max_size=64), auth=st.binary(max_size=64))
def test_the_binding_is_the_hash_of_key_and_authentication_data(key: bytes, auth: bytes) -> None:
    assert binding(key, auth) == hashlib.sha256(key + auth).digest() + bytes(32)


@pytest.mark.parametrize(("version", "signed"), [(3, 432), (4, 432), (5, 438)])
def test_both_signatures_verify(platform: SimulatedPlatform, version: int, signed: int) -> None:
    parts = platform.draft(version=version).sign()

    assert len(parts.signed) == signed
    assert parts.encode().startswith(parts.signed)
    assert verifies(platform.attestation_key.public_key(), parts.quote_signature, parts.signed)
    assert verifies(platform.pck.key.public_key(), parts.qe_report_signature, parts.qe_report)


@pytest.mark.parametrize("version", [3, 4, 5])
def test_a_quote_can_be_parsed_back(platform: SimulatedPlatform, version: int) -> None:
    draft = platform.draft(version=version)

    quote = parse_quote(draft.sign().encode())

    assert quote.header.version == version
    assert quote.signature.qe_auth_data == draft.qe_auth
    assert quote.signature.certification_data == draft.certification_data
    assert quote.signature.certification_type == draft.certification_type


def test_declared_sizes_can_lie(platform: SimulatedPlatform) -> None:
    parts = platform.draft(version=4).sign()

    for field in ("signature_size", "outer_size", "certification_size"):
        changes: dict[str, Any] = {field: 0x01020304}
        lying = replace(parts, **changes).encode()
        assert len(lying) == len(parts.encode())
        assert (0x01020304).to_bytes(4, "little") in lying
    assert b"\x02\x01" in replace(parts, qe_auth_size=0x0102).encode()


def test_bytes_can_be_added_inside_and_behind(platform: SimulatedPlatform) -> None:
    parts = platform.draft().sign()

    changed = replace(parts, stray=b"stray", trailing=b"trailing")

    assert changed.encode().endswith(b"straytrailing")
    assert len(changed.signature_data()) == len(parts.signature_data()) + 5
