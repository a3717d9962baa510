from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from assay.endorsements.platform import DcapPlatform, PckCa, Tee
from assay.errors import MalformedEvidenceError, UntrustedEvidenceError
from assay.evidence.dcap.pck import read_platform, verify_pck_chain
from assay.evidence.dcap.signature import QuoteSignature
from assay.evidence.sgx import parse_quote
from assay.simulator import SimulatedPlatform
from assay.simulator.pki import Authority, Holder
from assay.simulator.sgx import pck_certificate_profile
from assay.x509 import subject_public_key
from tests.conftest import AT
from tests.mutations import spliced
from tests.refusals import refusal_of

PLATFORM: Final = SimulatedPlatform.create(AT, fmspc=bytes.fromhex("00906ed50000"), pceid=b"\1\2")
SIGNATURE: Final = parse_quote(PLATFORM.quote()).signature


def carrying(data: bytes, *, kind: int = 5) -> QuoteSignature:
    return structs.replace(SIGNATURE, certification_data=data, certification_type=kind)


def refused(signature: QuoteSignature) -> tuple[str, ...]:
    return refusal_of(lambda: verify_pck_chain(signature, roots=PLATFORM.anchors))


def chain_of(pck: Holder) -> bytes:
    return pck.pem + PLATFORM.pki.chain(Authority.PLATFORM_CA)


def pck_with(extension: bytes | None = None, **changes: Any) -> Holder:  # noqa: ANN401
    profile = pck_certificate_profile(PLATFORM.settings, PLATFORM.pck.key, extension)
    certificate = replace(profile, **changes).sign(
        PLATFORM.pck.key.public_key(), PLATFORM.pki.platform_ca.key
    )
    return Holder(key=PLATFORM.pck.key, certificate=certificate)


def test_a_sound_chain_is_its_certificates_and_what_the_leaf_says() -> None:
    pck = verify_pck_chain(SIGNATURE, roots=PLATFORM.anchors)

    assert pck.chain.leaf == PLATFORM.pck.certificate
    assert pck.chain.anchor == PLATFORM.anchors[0]
    assert pck.extensions.fmspc == PLATFORM.settings.fmspc
    assert pck.extensions.components == bytes(PLATFORM.settings.components)
    assert pck.ca_spki == subject_public_key(PLATFORM.pki.platform_ca.certificate)


@pytest.mark.parametrize("ending", [b"", b"\0", b"\0" * 100, b"\n\0"])
def test_the_chain_may_end_in_zero_bytes(ending: bytes) -> None:
    """TC-06: nearly every real quote has one."""
    signature = carrying(PLATFORM.pck_chain + ending)

    assert verify_pck_chain(signature, roots=PLATFORM.anchors).chain.leaf == (
        PLATFORM.pck.certificate
    )


@pytest.mark.parametrize("data", [b"\0" + PLATFORM.pck_chain, PLATFORM.pck_chain + b"\0\n\0"])
def test_zero_bytes_anywhere_else_are_refused(data: bytes) -> None:
    assert refused(carrying(data)) == ("dcap.pck_chain.cert_format",)


@pytest.mark.parametrize("kind", [0, 1, 2, 3, 4, 6, 7, 8, 65535])
def test_certification_data_of_another_type_is_not_supported(kind: int) -> None:
    signature = carrying(PLATFORM.pck_chain, kind=kind)

    assert refusal_of(lambda: read_platform(signature, tee=Tee.SGX)) == ("dcap.quote.unsupported",)


def test_another_root_s_chain_is_refused() -> None:
    """CH-02."""
    other = SimulatedPlatform.create(AT)

    assert refused(carrying(other.pck_chain)) == ("dcap.pck_chain.root_untrusted",)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        PLATFORM.pck.pem,
        PLATFORM.pki.chain(Authority.PLATFORM_CA),
        PLATFORM.pki.chain(Authority.TCB_SIGNING),
        PLATFORM.pck.pem + PLATFORM.pki.chain(Authority.PROCESSOR_CA),
        PLATFORM.pck_chain + PLATFORM.pki.root_ca.pem,
    ],
    ids=["nothing", "leaf only", "CAs only", "TCB signer", "the other CA", "four"],
)
def test_a_chain_of_other_certificates_is_refused(data: bytes) -> None:
    assert refused(carrying(data)) == ("dcap.pck_chain.chain",)


def test_a_leaf_without_sound_extensions_is_refused_though_its_chain_is_good() -> None:
    """CH-09."""
    assert refused(carrying(chain_of(pck_with(b"\x30\x00")))) == ("dcap.pck_chain.pck_ext",)
    assert refused(carrying(chain_of(pck_with(extensions=())))) == ("dcap.pck_chain.pck_ext",)


@pytest.mark.parametrize("ca", list(PckCa))
@pytest.mark.parametrize("tee", list(Tee))
def test_the_platform_selects_collateral_before_anything_is_verified(tee: Tee, ca: PckCa) -> None:
    platform = PLATFORM.with_settings(ca=ca)

    assert read_platform(carrying(platform.pck_chain), tee=tee) == DcapPlatform(
        tee=tee, fmspc=platform.settings.fmspc, pceid=b"\1\2", ca=ca
    )


def test_the_platform_of_an_untrusted_chain_can_be_read_all_the_same() -> None:
    other = SimulatedPlatform.create(AT)

    assert read_platform(carrying(other.pck_chain + b"\0"), tee=Tee.SGX) == other.dcap_platform


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "chain"),
        (b"PEM", "cert_format"),
        (PLATFORM.pki.chain(Authority.PLATFORM_CA), "pck_ext"),
    ],
)
def test_a_platform_that_cannot_be_read_is_refused(data: bytes, code: str) -> None:
    assert refusal_of(lambda: read_platform(carrying(data), tee=Tee.SGX)) == (
        f"dcap.pck_chain.{code}",
    )


@pytest.mark.property
@given(data=st.binary(max_size=200) | spliced(PLATFORM.pck_chain, reach=40), kind=st.integers(3, 7))
def test_any_bytes_are_a_chain_or_a_finding(data: bytes, kind: int) -> None:
    signature = carrying(data, kind=kind)

    with contextlib.suppress(MalformedEvidenceError, UntrustedEvidenceError):
        read_platform(signature, tee=Tee.SGX)
    with contextlib.suppress(MalformedEvidenceError, UntrustedEvidenceError):
        chain = verify_pck_chain(signature, roots=PLATFORM.anchors)
        assert chain == verify_pck_chain(SIGNATURE, roots=PLATFORM.anchors)
