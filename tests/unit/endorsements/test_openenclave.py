from __future__ import annotations

from collections.abc import Callable
from typing import Final
from uuid import UUID, uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from assay.endorsements.collateral import DcapCollateral
from assay.endorsements.openenclave import (
    ENDORSEMENTS_FORMAT,
    MAX_ENDORSEMENTS_SIZE,
    are_endorsements,
    parse_any_endorsements,
    parse_endorsements,
    parse_tdx_endorsements,
)
from assay.errors import CollateralUnavailableError
from assay.evidence import openenclave as evidence_package
from assay.simulator import SimulatedPlatform
from assay.simulator.openenclave import (
    LEGACY_REPORT_REMOTE,
    RAW_SGX_QUOTE_ECDSA,
    SGX_ECDSA,
    SGX_LOCAL,
    endorsements,
    with_header,
)
from assay.simulator.tcb import signed_body
from tests.conftest import AT
from tests.mutations import spliced
from tests.refusals import unavailability_of

COLLATERAL: Final = SimulatedPlatform.create(AT).collateral(AT)
SGX: Final = endorsements(COLLATERAL, AT)
TDX_QUOTE_ECDSA: Final = UUID("8ba70286-c1cf-11ed-afa1-0242ac120002")

TCB_BODY: Final = signed_body("tcbInfo", COLLATERAL.tcb_info, COLLATERAL.tcb_info_signature)
IDENTITY_BODY: Final = signed_body(
    "enclaveIdentity", COLLATERAL.qe_identity, COLLATERAL.qe_identity_signature
)

SGX_ITEMS: Final = (
    (1).to_bytes(4, "little"),
    TCB_BODY,
    COLLATERAL.tcb_info_issuer_chain,
    COLLATERAL.pck_crl,
    COLLATERAL.root_ca_crl,
    COLLATERAL.pck_crl_issuer_chain,
    IDENTITY_BODY,
    COLLATERAL.qe_identity_issuer_chain,
    b"2026-11-23T12:00:00Z\0",
)
"""In the order of `oe_endorsements_t`, without terminators."""

TDX_ITEMS: Final = (
    COLLATERAL.pck_crl_issuer_chain + b"\0",
    COLLATERAL.root_ca_crl.hex().encode() + b"\0",
    COLLATERAL.pck_crl.hex().encode() + b"\0",
    COLLATERAL.tcb_info_issuer_chain + b"\0",
    TCB_BODY + b"\0",
    COLLATERAL.qe_identity_issuer_chain + b"\0",
    IDENTITY_BODY + b"\0",
)
"""In the order of `tdx_ql_qv_collateral_t`, as Intel's library for TDX writes them."""

_PARTS: Final = 120


def sgx(**items: bytes) -> bytes:
    """Endorsements with some items changed, named `item3` and so on; offsets and size fit."""
    chosen = [items.get(f"item{index}", item) for index, item in enumerate(SGX_ITEMS)]
    starts = [sum(map(len, chosen[:index])) for index in range(len(chosen))]
    size = 36 + sum(map(len, chosen))
    numbers = b"".join(number.to_bytes(4, "little") for number in (1, 2, size, 9, *starts))
    return numbers + b"".join(chosen)


def tdx(
    items: tuple[bytes, ...] = TDX_ITEMS,
    *,
    version: int = 4,
    tee_type: int = 0x81,
    padding: bytes = bytes(4),
) -> bytes:
    fields = b"".join(
        b"\xaa\xbb\xcc\xdd\0\x7f\0\0" + len(item).to_bytes(4, "little") + padding for item in items
    )
    head = version.to_bytes(4, "little") + tee_type.to_bytes(4, "little")
    return head + fields + b"".join(items)


TDX: Final = tdx()


def refused(
    data: bytes, parse: Callable[[bytes], DcapCollateral] = parse_endorsements
) -> tuple[str, ...]:
    return unavailability_of(lambda: parse(data))


# SGX


def test_sgx_endorsements_hold_the_nine_documents() -> None:
    assert parse_endorsements(SGX) == COLLATERAL


@pytest.mark.parametrize("format_id", [SGX_ECDSA, LEGACY_REPORT_REMOTE, RAW_SGX_QUOTE_ECDSA])
def test_a_header_names_the_format_of_the_evidence(format_id: UUID) -> None:
    assert parse_endorsements(with_header(SGX, format_id=format_id)) == COLLATERAL


def test_the_terminator_of_strings_may_be_missing() -> None:
    assert parse_endorsements(sgx(item8=b"2026-11-23T12:00:00Z")) == COLLATERAL


def test_crls_may_be_pem_hexadecimal_or_terminated_der() -> None:
    der = COLLATERAL.pck_crl
    pem = x509.load_der_x509_crl(der).public_bytes(Encoding.PEM)

    for served in (
        der,
        der + b"\0",
        pem,
        pem + b"\0",
        der.hex().encode(),
        der.hex().encode() + b"\0",
    ):
        assert parse_endorsements(sgx(item3=served)) == COLLATERAL


@pytest.mark.parametrize(
    "crl",
    [
        COLLATERAL.pck_crl + b"\0\x01",
        COLLATERAL.pck_crl[:-1],
        COLLATERAL.pck_crl.hex().encode() + b"30",
        b"31",
        b"30",
        b"\x30\x80",
        b"\x30\x85\x01\x01\x01\x01\x01",
        b"\x30\x84\xff\xff\xff\xff\x01",
        b"\x30\x03\x01",
    ],
)
def test_a_crl_is_exactly_as_long_as_it_says(crl: bytes) -> None:
    assert refused(sgx(item3=crl)) == (ENDORSEMENTS_FORMAT,)
    assert refused(sgx(item4=crl)) == (ENDORSEMENTS_FORMAT,)


def test_a_short_crl_has_a_short_length() -> None:
    assert parse_endorsements(sgx(item4=b"\x30\x01\xff\0\0")).root_ca_crl == b"\x30\x01\xff"


@pytest.mark.parametrize(
    ("item", "code"),
    [
        ("item1", "dcap.tcb_info.collateral_format"),
        ("item2", "dcap.tcb_info_chain.cert_format"),
        ("item3", "dcap.pck_crl.crl_format"),
        ("item4", "dcap.root_ca_crl.crl_format"),
        ("item5", "dcap.pck_crl_chain.cert_format"),
        ("item6", "dcap.qe_identity.collateral_format"),
        ("item7", "dcap.qe_identity_chain.cert_format"),
        ("item8", ENDORSEMENTS_FORMAT),
    ],
)
def test_an_item_that_is_something_else_is_refused_by_its_name(item: str, code: str) -> None:
    assert refused(sgx(**{item: b"?"})) == (code,)


@pytest.mark.parametrize(
    "data",
    [
        endorsements(COLLATERAL, AT, version=2),
        endorsements(COLLATERAL, AT, enclave_type=1),
        endorsements(COLLATERAL, AT, count=8),
        endorsements(COLLATERAL, AT, count=10),
        endorsements(COLLATERAL, AT, offsets=(0,) * 9),
        endorsements(COLLATERAL, AT, offsets=(4, *range(5, 13))),
        endorsements(COLLATERAL, AT, offsets=tuple(range(0, 90, 10))),
        endorsements(COLLATERAL, AT, offsets=(*range(0, 32, 4), 2**32 - 1)),
        endorsements(COLLATERAL, AT, offsets=(0, 9, *range(8, 15))),
        sgx(item0=(2).to_bytes(4, "little")),
        sgx(item0=b"\1\0\0\0\0\0\0\0\1"),
        SGX + b"\0",
        SGX[:-1],
        SGX[:52],
        SGX[:8] + bytes(4) + SGX[12:],
        b"",
        b"\1\0\0",
    ],
    ids=map(str, range(17)),
)
def test_a_structure_that_does_not_add_up_is_refused(data: bytes) -> None:
    assert refused(data) == (ENDORSEMENTS_FORMAT,)


@pytest.mark.parametrize(
    "data",
    [
        with_header(SGX, size=len(SGX) - 1),
        with_header(SGX, size=len(SGX) + 1),
        with_header(SGX, size=2**64 - 1),
        with_header(SGX, version=4),
        with_header(SGX, format_id=SGX_LOCAL),
        with_header(SGX, format_id=TDX_QUOTE_ECDSA),
        with_header(SGX, format_id=uuid4()),
        with_header(with_header(SGX)),
        with_header(SGX)[:20],
    ],
)
def test_another_header_is_refused(data: bytes) -> None:
    assert refused(data) == (ENDORSEMENTS_FORMAT,)


def test_more_than_open_enclave_allows_is_refused() -> None:
    padding = MAX_ENDORSEMENTS_SIZE - len(sgx()) + len(SGX_ITEMS[4])
    largest = sgx(item4=COLLATERAL.root_ca_crl.ljust(padding, b"\0"))

    assert parse_endorsements(largest) == COLLATERAL
    assert refused(with_header(largest)) == (ENDORSEMENTS_FORMAT,)


@pytest.mark.parametrize("part", range(_PARTS))
def test_sgx_endorsements_are_cut_short_nowhere(part: int) -> None:
    assert refused(SGX[: len(SGX) * part // _PARTS]) == (ENDORSEMENTS_FORMAT,)


# TDX


def test_tdx_endorsements_hold_the_nine_documents() -> None:
    assert parse_tdx_endorsements(TDX) == COLLATERAL
    assert parse_tdx_endorsements(with_header(TDX, format_id=TDX_QUOTE_ECDSA)) == COLLATERAL


def test_crls_of_tdx_may_be_der() -> None:
    items = (TDX_ITEMS[0], COLLATERAL.root_ca_crl, COLLATERAL.pck_crl, *TDX_ITEMS[3:])

    assert parse_tdx_endorsements(tdx(items)) == COLLATERAL


def test_what_a_compiler_leaves_between_fields_means_nothing() -> None:
    assert parse_tdx_endorsements(tdx(padding=b"\xde\xad\xbe\xef")) == COLLATERAL


@pytest.mark.parametrize(
    "data",
    [
        tdx(version=3),
        tdx(version=5),
        tdx(tee_type=0),
        TDX + b"\0",
        TDX[:-1],
        TDX[:16] + b"\xff\xff\xff\xff" + TDX[20:],
        with_header(TDX, format_id=SGX_ECDSA),
        SGX,
        b"",
    ],
)
def test_another_structure_is_no_tdx_endorsements(data: bytes) -> None:
    assert refused(data, parse_tdx_endorsements) == (ENDORSEMENTS_FORMAT,)


def test_items_in_another_order_are_refused() -> None:
    codes = refused(tdx(TDX_ITEMS[::-1]), parse_tdx_endorsements)

    assert codes == ("dcap.tcb_info.collateral_format",)


@pytest.mark.parametrize("part", range(_PARTS))
def test_tdx_endorsements_are_cut_short_nowhere(part: int) -> None:
    end = len(TDX) * part // _PARTS
    assert refused(TDX[:end], parse_tdx_endorsements) == (ENDORSEMENTS_FORMAT,)


# Either


@pytest.mark.parametrize(
    "data", [SGX, TDX, with_header(SGX), with_header(TDX, format_id=TDX_QUOTE_ECDSA)]
)
def test_either_kind_is_known_by_its_first_number(data: bytes) -> None:
    assert are_endorsements(data)
    assert parse_any_endorsements(data) == COLLATERAL


@pytest.mark.parametrize("data", [b"", b"{}", b"\1\0\0", b"\2\0\0\0", b"-----BEGIN"])
def test_nothing_else_begins_as_endorsements_do(data: bytes) -> None:
    assert not are_endorsements(data)
    assert refused(data, parse_any_endorsements) == (ENDORSEMENTS_FORMAT,)


def test_the_package_of_the_evidence_reads_its_endorsements_too() -> None:
    assert evidence_package.parse_endorsements is parse_endorsements
    assert evidence_package.parse_tdx_endorsements is parse_tdx_endorsements


@pytest.mark.property
@given(st.binary(max_size=200) | spliced(SGX) | spliced(TDX) | spliced(with_header(SGX)))
def test_any_bytes_are_endorsements_or_refused(data: bytes) -> None:
    try:
        found = parse_any_endorsements(data)
    except CollateralUnavailableError:
        return

    assert found.tcb_info in data
    assert found.qe_identity in data
