"""Any bytes are Open Enclave endorsements, or `CollateralUnavailableError`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final
from uuid import UUID

import atheris

with atheris.instrument_imports(include=["assay"]):
    from assay.endorsements.collateral import DcapCollateral
    from assay.endorsements.openenclave import (
        are_endorsements,
        parse_any_endorsements,
        parse_endorsements,
        parse_tdx_endorsements,
    )
    from assay.errors import CollateralUnavailableError

from assay.simulator.openenclave import endorsements, with_header
from fuzz.simulated import AT

CHAIN: Final = b"-----BEGIN CERTIFICATE-----"
SMALLEST: Final = DcapCollateral(
    tcb_info=b"{}",
    tcb_info_signature=b"\0",
    tcb_info_issuer_chain=CHAIN,
    qe_identity=b"{}",
    qe_identity_signature=b"\0",
    qe_identity_issuer_chain=CHAIN,
    root_ca_crl=b"\x30\x01\xff",
    pck_crl=b"\x30\x81\x01\xff",
    pck_crl_issuer_chain=CHAIN,
)
SGX: Final = endorsements(SMALLEST, AT)
ITEMS: Final = (
    CHAIN,
    b"3001ff\0",
    b"-----BEGIN X509 CRL-----",
    CHAIN,
    b'{"tcbInfo":{},"signature":"00"}\0',
    CHAIN,
    b'{"enclaveIdentity":{},"signature":"00"}\0',
)
TDX: Final = b"".join(
    (
        b"\x04\0\0\0\x81\0\0\0",
        *(bytes(8) + len(item).to_bytes(4, "little") + bytes(4) for item in ITEMS),
        *ITEMS,
    )
)

SEEDS: Final = (
    SGX,
    with_header(SGX),
    TDX,
    TDX.replace(ITEMS[2], b"3001ff" + bytes(18)),
    with_header(TDX, format_id=UUID("8ba70286-c1cf-11ed-afa1-0242ac120002")),
)


def test_one_input(data: bytes) -> None:
    either, sgx, tdx = (
        _parsed(parse, data)
        for parse in (parse_any_endorsements, parse_endorsements, parse_tdx_endorsements)
    )
    if (sgx, tdx) not in {(either, None), (None, either)}:
        raise AssertionError("two readings of the same bytes")
    if either is not None and not are_endorsements(data):
        raise AssertionError("parsed, and not known by its beginning")


def _parsed(parse: Callable[[bytes], DcapCollateral], data: bytes) -> DcapCollateral | None:
    try:
        return parse(data)
    except CollateralUnavailableError as error:
        if not error.findings:
            raise AssertionError("refused without a finding") from error
        return None


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
