from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from assay.endorsements.intel import VerifiedCollateral, verify_collateral
from assay.endorsements.platform import PckCa, Tee
from assay.endorsements.tcb import EnclaveIdentity, parse_enclave_identity
from assay.evidence.dcap.body import SgxReportBody
from assay.evidence.dcap.pck import PckChain, verify_pck_chain
from assay.evidence.dcap.signature import QuoteSignature
from assay.evidence.dcap.trust import (
    PlatformStanding,
    check_qe_identity,
    examine_platform,
    examine_quoting_enclave,
    read_attestation_key,
)
from assay.evidence.sgx import parse_quote
from assay.simulator import SimulatedPlatform
from assay.simulator.pki import Authority, generate_key, raw_point, raw_signature
from assay.simulator.quote import FLAG_DEBUG, FLAG_INITIALIZED, EnclaveReport, binding
from tests.conftest import AT
from tests.refusals import refusal_of

PLATFORM: Final = SimulatedPlatform.create(AT)
OTHER: Final = SimulatedPlatform.create(AT)
"""Of the same names, under another root."""

ROOTS: Final = PLATFORM.anchors + OTHER.anchors


@cache
def pck_of(platform: SimulatedPlatform) -> PckChain:
    return verify_pck_chain(parse_quote(platform.quote()).signature, roots=ROOTS)


@cache
def collateral_of(platform: SimulatedPlatform) -> VerifiedCollateral:
    return verify_collateral(platform.collateral(AT), roots=ROOTS)


PCK: Final = pck_of(PLATFORM)
COLLATERAL: Final = collateral_of(PLATFORM)
SIGNATURE: Final = parse_quote(PLATFORM.quote()).signature


# The platform


def stands(
    pck: PckChain = PCK, collateral: VerifiedCollateral = COLLATERAL, tee: Tee = Tee.SGX
) -> PlatformStanding:
    return examine_platform(pck, collateral, tee=tee)


def falls(
    pck: PckChain = PCK, collateral: VerifiedCollateral = COLLATERAL, tee: Tee = Tee.SGX
) -> list[str]:
    found = refusal_of(lambda: stands(pck, collateral, tee))
    return [code.removeprefix("dcap.") for code in found]


@pytest.mark.parametrize("ca", list(PckCa))
def test_a_platform_stands_under_its_own_collateral(ca: PckCa) -> None:
    platform = PLATFORM.with_settings(ca=ca)
    pck, collateral = pck_of(platform), collateral_of(platform)

    standing = stands(pck, collateral)

    assert standing.anchor == PLATFORM.anchors[0]
    assert standing.collateral is collateral
    assert standing.period.windows == (*pck.chain.validities, *collateral.period.windows)
    assert standing.earliest_expiration == datetime.fromtimestamp(collateral.period.not_after, UTC)


def test_two_trusted_roots_do_not_vouch_for_each_other() -> None:
    """Here both roots even have one name."""
    assert falls(collateral=collateral_of(OTHER)) == [
        "pck_chain.root_untrusted",
    ]
    assert falls(pck=pck_of(OTHER)) == ["pck_chain.root_untrusted"]


def test_the_list_has_to_be_of_the_ca_that_issued_the_certificate() -> None:
    """CH-06."""
    processor = PLATFORM.with_settings(ca=PckCa.PROCESSOR)

    assert falls(collateral=collateral_of(processor)) == ["pck_crl.crl_issuer"]
    assert falls(pck=pck_of(processor)) == ["pck_crl.crl_issuer"]


def test_a_ca_of_the_same_name_with_another_key_is_another_ca() -> None:
    renewed = generate_key()
    profile = PLATFORM.pki.profile(Authority.PLATFORM_CA)
    certificate = profile.sign(renewed.public_key(), PLATFORM.pki.root_ca.key)
    holder = replace(PLATFORM.pki.platform_ca, key=renewed, certificate=certificate)
    pki = replace(PLATFORM.pki, platform_ca=holder)

    assert falls(collateral=collateral_of(replace(PLATFORM, pki=pki))) == ["pck_crl.crl_issuer"]


def test_two_certificates_of_one_ca_are_the_same_ca() -> None:
    """Intel has issued several for one name and key."""
    profile = PLATFORM.pki.profile(Authority.PLATFORM_CA)
    pki = PLATFORM.pki.reissue(Authority.PLATFORM_CA, replace(profile, serial_number=77))

    assert (
        stands(collateral=collateral_of(replace(PLATFORM, pki=pki))).anchor == PLATFORM.anchors[0]
    )


@pytest.mark.parametrize(
    "serials",
    [
        {"pck_crl_revoked": (PLATFORM.pck.certificate.serial_number,)},
        {"pck_crl_revoked": (1, PLATFORM.pck.certificate.serial_number, 2)},
    ],
)
def test_a_revoked_pck_is_refused(serials: dict[str, Any]) -> None:
    assert falls(collateral=collateral_of(PLATFORM.with_settings(**serials))) == [
        "pck_chain.revoked"
    ]


def test_a_pck_ca_whose_other_certificate_the_collateral_shows_is_revoked_all_the_same() -> None:
    """The quote brings the revoked certificate, the collateral a new one for the same key."""
    old = PLATFORM.pki.platform_ca.certificate.serial_number
    profile = PLATFORM.pki.profile(Authority.PLATFORM_CA)
    pki = PLATFORM.pki.reissue(Authority.PLATFORM_CA, replace(profile, serial_number=77))
    renewed = replace(PLATFORM, pki=pki).with_settings(root_crl_revoked=(old,))

    assert falls(collateral=collateral_of(renewed)) == ["pck_chain.revoked"]


@pytest.mark.parametrize(
    "serials",
    [
        {"root_crl_revoked": (PLATFORM.pck.certificate.serial_number,)},
        {"pck_crl_revoked": (PLATFORM.pki.platform_ca.certificate.serial_number,)},
        {"pck_crl_revoked": (PLATFORM.pck.certificate.serial_number + 1,)},
    ],
)
def test_a_serial_number_on_the_other_list_revokes_nothing(serials: dict[str, Any]) -> None:
    assert (
        stands(collateral=collateral_of(PLATFORM.with_settings(**serials))).anchor
        == PLATFORM.anchors[0]
    )


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({"fmspc": bytes(6)}, ["tcb_info.collateral_mismatch"]),
        ({"pceid": b"\1\0"}, ["tcb_info.collateral_mismatch"]),
        ({"fmspc": bytes(6), "pceid": b"\1\0"}, ["tcb_info.collateral_mismatch"] * 2),
    ],
)
def test_collateral_of_another_kind_of_platform_is_refused(
    changes: dict[str, Any], codes: list[str]
) -> None:
    another = PLATFORM.with_settings(**changes)

    assert falls(collateral=collateral_of(another)) == codes
    assert falls(pck=pck_of(another)) == codes


def test_collateral_of_the_other_tee_is_refused() -> None:
    tdx = replace(
        COLLATERAL,
        tcb_info=replace(COLLATERAL.tcb_info, tee="TDX"),
        qe_identity=replace(COLLATERAL.qe_identity, id="TD_QE"),
    )

    mismatches = ["tcb_info.collateral_mismatch", "qe_identity.collateral_mismatch"]
    assert falls(collateral=tdx) == mismatches
    assert falls(tee=Tee.TDX) == mismatches
    assert stands(collateral=tdx, tee=Tee.TDX).anchor == PLATFORM.anchors[0]


@pytest.mark.parametrize("name", ["TD_QE", "QVE", "QAE", "qe", ""])
def test_another_enclave_s_identity_is_refused(name: str) -> None:
    """CH-03."""
    other = replace(COLLATERAL, qe_identity=replace(COLLATERAL.qe_identity, id=name))

    assert falls(collateral=other) == ["qe_identity.collateral_mismatch"]


def test_all_that_is_wrong_with_a_platform_is_told_at_once() -> None:
    serial = OTHER.pck.certificate.serial_number
    wrong = PLATFORM.with_settings(ca=PckCa.PROCESSOR, fmspc=bytes(6), pck_crl_revoked=(serial,))

    assert falls(pck=pck_of(OTHER), collateral=collateral_of(wrong)) == [
        "pck_chain.root_untrusted",
        "pck_chain.revoked",
        "tcb_info.collateral_mismatch",
    ]


# The quoting enclave


def examine(signature: QuoteSignature, identity: EnclaveIdentity = COLLATERAL.qe_identity) -> int:
    return examine_quoting_enclave(signature, PCK, identity).isv_svn


def refused(signature: QuoteSignature) -> list[str]:
    return [code.removeprefix("dcap.") for code in refusal_of(lambda: examine(signature))]


def reporting(**fields: Any) -> QuoteSignature:  # noqa: ANN401  of EnclaveReport
    """The signature data of a platform whose QE reports something else, signed by the PCK key."""
    draft = PLATFORM.draft()
    report = replace(draft.qe_report, **fields)
    return parse_quote(replace(draft, qe_report=report).sign().encode()).signature


def test_the_quoting_enclave_is_its_version_and_the_key_that_it_certified() -> None:
    enclave = examine_quoting_enclave(SIGNATURE, PCK, COLLATERAL.qe_identity)

    assert enclave.attestation_key == PLATFORM.attestation_key.public_key()
    assert enclave.isv_svn == PLATFORM.settings.quoting_enclave.isv_svn


@pytest.mark.parametrize("auth", [b"", b"\0", bytes(32), bytes(65535)])
def test_auth_data_may_have_any_length(auth: bytes) -> None:
    enclave = replace(PLATFORM.settings.quoting_enclave, auth_data=auth)

    assert examine(parse_quote(PLATFORM.with_settings(quoting_enclave=enclave).quote()).signature)


KEY: Final = raw_point(PLATFORM.attestation_key.public_key())
AUTH: Final = PLATFORM.settings.quoting_enclave.auth_data
BOUND: Final = binding(KEY, AUTH)


@pytest.mark.parametrize(
    "report_data",
    [
        bytes(64),
        BOUND[:31] + b"\0" + bytes(32),
        BOUND[:63] + b"\1",
        BOUND[32:] + BOUND[:32],
        binding(KEY, b""),
        binding(AUTH, KEY),
        binding(b"\4" + KEY, AUTH),
        binding(KEY[::-1], AUTH),
    ],
    ids=[
        "zeros",
        "one byte",
        "the second half",
        "halves swapped",
        "key only",
        "parts swapped",
        "04 before the key",
        "little-endian",
    ],
)
def test_a_qe_report_that_binds_something_else_is_refused(report_data: bytes) -> None:
    """BI-01."""
    assert refused(reporting(report_data=report_data)) == ["qe_report.qe_report_data"]


def test_a_key_that_the_quoting_enclave_did_not_certify_is_refused() -> None:
    """BI-01."""
    stranger = raw_point(generate_key().public_key())

    assert refused(structs.replace(SIGNATURE, attestation_key=stranger)) == [
        "qe_report.qe_report_data"
    ]


def test_a_byte_may_not_wander_from_the_key_to_the_auth_data() -> None:
    shifted = structs.replace(SIGNATURE, attestation_key=KEY[:-1], qe_auth_data=KEY[-1:] + AUTH)

    # What is hashed is the same: only the key's fixed size on the wire keeps the two apart.
    assert refusal_of(lambda: examine(shifted)) == ("dcap.quote.quote_signature",)


@pytest.mark.parametrize(
    "signature",
    [
        bytes(64),
        SIGNATURE.signature,
        raw_signature(PLATFORM.attestation_key, SIGNATURE.qe_report),
        raw_signature(PLATFORM.pki.platform_ca.key, SIGNATURE.qe_report),
        raw_signature(PLATFORM.pck.key, SIGNATURE.qe_report[:320]),
    ],
    ids=["zeros", "the quote's", "attestation key's", "PCK CA's", "of a part"],
)
def test_a_qe_report_that_the_pck_did_not_sign_is_refused(signature: bytes) -> None:
    assert refused(structs.replace(SIGNATURE, qe_report_signature=signature)) == [
        "qe_report.qe_report_signature"
    ]


@pytest.mark.parametrize("index", [20, 96, 160, 262])
def test_a_qe_report_with_a_reserved_byte_set_is_malformed(index: int) -> None:
    report = bytearray(SIGNATURE.qe_report)
    report[index] = 1

    assert refused(structs.replace(SIGNATURE, qe_report=bytes(report))) == ["quote.quote_format"]


@pytest.mark.parametrize(
    "fields",
    [
        {"mr_signer": bytes(32)},
        {"isv_prod_id": 2},
        {"misc_select": 1},
        {"flags": FLAG_INITIALIZED},
        {"flags": 0x31},
        {"flags": FLAG_INITIALIZED | FLAG_DEBUG | 0x10},
    ],
    ids=["MRSIGNER", "ISVPRODID", "MISCSELECT", "no provisioning", "launch", "debug"],
)
def test_another_enclave_is_not_intel_s_quoting_enclave(fields: dict[str, Any]) -> None:
    """CH-03."""
    assert set(refused(reporting(**fields))) == {"qe_report.qe_identity"}


@pytest.mark.parametrize(
    "fields",
    [
        {"mr_enclave": bytes(32)},
        {"isv_svn": 9},
        {"cpu_svn": b"\xff" * 16},
        {"flags": 0x15},
        {"xfrm": 0xE7},
    ],
)
def test_what_the_identity_leaves_open_may_change(fields: dict[str, Any]) -> None:
    assert examine(reporting(**fields))


def test_all_that_is_wrong_with_a_quoting_enclave_is_told_at_once() -> None:
    wrong = structs.replace(reporting(mr_signer=bytes(32), isv_prod_id=9), qe_auth_data=b"x")

    assert refused(structs.replace(wrong, qe_report_signature=bytes(64))) == [
        "qe_report.qe_report_signature",
        "qe_report.qe_report_data",
        "qe_report.qe_identity",
        "qe_report.qe_identity",
    ]


def report_of(**fields: Any) -> SgxReportBody:  # noqa: ANN401  of EnclaveReport
    encoded = EnclaveReport(mr_enclave=bytes(32), **fields).encode()
    return parse_report(encoded)


def parse_report(encoded: bytes) -> SgxReportBody:
    quote = PLATFORM.draft().sign()
    return parse_quote(replace(quote, body=encoded).encode()).body


IDENTITY: Final = parse_enclave_identity(PLATFORM.collateral(AT).qe_identity)


@pytest.mark.property
@given(
    flags=st.integers(0, 2**64 - 1),
    xfrm=st.integers(0, 2**64 - 1),
    misc=st.integers(0, 2**32 - 1),
    flags_mask=st.integers(0, 2**64 - 1),
    misc_mask=st.integers(0, 2**32 - 1),
)
def test_masks_decide_which_bits_count_and_debug_always_does(
    flags: int, xfrm: int, misc: int, flags_mask: int, misc_mask: int
) -> None:
    identity = replace(
        IDENTITY,
        attributes_mask=flags_mask.to_bytes(8, "little") + bytes(8),
        misc_select_mask=misc_mask,
    )
    report = report_of(
        mr_signer=identity.mr_signer, isv_prod_id=1, flags=flags, xfrm=xfrm, misc_select=misc
    )
    wanted = int.from_bytes(identity.attributes[:8], "little")
    same = not (flags ^ wanted) & flags_mask and not (misc & misc_mask)

    if same and not flags & FLAG_DEBUG:
        check_qe_identity(report, identity)
    else:
        assert refusal_of(lambda: check_qe_identity(report, identity))


def test_a_debug_quoting_enclave_is_refused_even_where_the_identity_asks_for_one() -> None:
    identity = replace(IDENTITY, attributes=b"\x13" + bytes(15), attributes_mask=b"\xff" * 16)
    report = report_of(mr_signer=identity.mr_signer, isv_prod_id=1, flags=0x13, xfrm=0)

    assert refusal_of(lambda: check_qe_identity(report, identity)) == (
        "dcap.qe_report.qe_identity",
    )


# The attestation key


@pytest.mark.parametrize(
    "key",
    [
        bytes(64),
        b"\xff" * 64,
        KEY[:32] + bytes(32),
        KEY[32:] + KEY[:32],
        KEY[:-1],
        b"",
    ],
    ids=["zeros", "ones", "y of 0", "swapped", "short", "empty"],
)
def test_a_point_off_the_curve_is_no_attestation_key(key: bytes) -> None:
    assert refusal_of(
        lambda: read_attestation_key(structs.replace(SIGNATURE, attestation_key=key))
    ) == ("dcap.quote.quote_signature",)
